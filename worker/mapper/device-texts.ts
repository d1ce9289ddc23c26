// Devices as JSON for lists, encoded once per record: who lists a tailnet pays for the nodes that have changed since
// somebody listed it last.
import type { Node } from "../tailnet/entities/node.ts";
import type { User } from "../tailnet/entities/user.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import type { Deployment } from "./deployment.ts";
import { toDevice } from "./to-device.ts";

/** A device's JSON, and the owner whose login name is in it. */
interface DeviceText {
  readonly owner: User | undefined;
  readonly json: string;
}

/** The default fields of the devices of one tailnet. */
export class DeviceTexts {
  readonly #deployment: Deployment;
  /** Records are immutable, so a change drops the entry by itself. */
  readonly #texts = new WeakMap<Node, DeviceText>();

  constructor(deployment: Deployment) {
    this.#deployment = deployment;
  }

  /** JSON of a device (toDevice). */
  of(tailnet: Tailnet, node: Node): string {
    const owner = node.userId === null ? undefined : tailnet.users.get(node.userId);
    const known = this.#texts.get(node);
    if (known !== undefined && known.owner === owner) return known.json;
    const json = JSON.stringify(toDevice(tailnet, node, this.#deployment));
    this.#texts.set(node, { owner, json });
    return json;
  }
}
