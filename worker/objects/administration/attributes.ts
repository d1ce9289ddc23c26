// Device posture attributes: show, set, delete (api-v2.md 2.5).
import type { PostureValue } from "../../policy/engine.ts";
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { type Decision, refused } from "../../tailnet/change.ts";
import { type AttributeUpdate, setAttributes } from "../../tailnet/commands/nodes/set-attributes.ts";
import { postureOf, withoutExpired } from "../../tailnet/entities/device-attribute.ts";
import type { Node } from "../../tailnet/entities/node.ts";
import { nodeByPublicId } from "../../tailnet/tailnet.ts";
import type { ResourceContext } from "./resource-context.ts";

/** Attributes of a device with the instants at which those that expire do. */
export interface AttributesView {
  readonly attributes: Readonly<Record<string, PostureValue>>;
  /** Milliseconds since 1970. */
  readonly expiries: Readonly<Record<string, number>>;
}

/** The posture attributes of a tailnet's devices. */
export class Attributes {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** Attributes of a device, if `ownerId` is null or its owner. */
  get(id: string, ownerId: number | null): AttributesView | null {
    const node = this.#nodeOf(id, ownerId);
    return node === undefined ? null : viewOf(node, Date.now());
  }

  /** Sets or deletes attributes of devices by their public ids, all or none. */
  set(updates: Readonly<Record<string, AttributeUpdate>>): Outcome<null> {
    return this.#context.execute((tailnet, { now }): Decision<null> => {
      const byNode = new Map<number, AttributeUpdate>();
      for (const [id, update] of Object.entries(updates)) {
        const node = nodeByPublicId(tailnet, id);
        if (node === undefined) return refused({ reason: "unknown-device", id: id.slice(0, 64) });
        byNode.set(node.id, { ...byNode.get(node.id), ...update });
      }
      return setAttributes(tailnet, byNode, now);
    });
  }

  #nodeOf(id: string, ownerId: number | null): Node | undefined {
    const node = nodeByPublicId(this.#context.tailnet, id);
    return ownerId === null || node?.userId === ownerId ? node : undefined;
  }
}

function viewOf({ hostinfo, attributes }: Node, now: number): AttributesView {
  const current = withoutExpired(attributes, now);
  const expiries: Record<string, number> = {};
  for (const [key, { expiresAt }] of Object.entries(current)) if (expiresAt !== null) expiries[key] = expiresAt;
  return { attributes: postureOf(hostinfo, current), expiries };
}
