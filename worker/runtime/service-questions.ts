// Asks nodes which Services they host (control-protocol.md 6.9, 8.1): a request inside a map message, which the client
// answers on a path of its own (control/c2n.ts).
import type { ControlConnection } from "../connection/control-connection.ts";
import type { SessionIndex } from "../connection/session-index.ts";
import type { Deployment } from "../mapper/deployment.ts";
import { randomBytes } from "../platform/random.ts";
import { toHex } from "../protocol/bytes.ts";
import { askClient } from "../protocol/control/client-request.ts";
import { needsServiceReport } from "../tailnet/commands/configuration/report-services.ts";
import type { Node } from "../tailnet/entities/node.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { mapFrame } from "./map-frame.ts";

/** Puts questions to the nodes of one tailnet. */
export class ServiceQuestions {
  readonly #deployment: Deployment;

  constructor(deployment: Deployment) {
    this.#deployment = deployment;
  }

  /**
   * Asks a node on its newest map stream, when it announces other Services than are known.
   * @returns the connection that has something to send
   */
  ask(tailnet: Tailnet, node: Node, sessions: SessionIndex, now: number): ControlConnection | undefined {
    const newest = sessions.mapsOf(node.id).at(-1);
    if (newest === undefined || !needsServiceReport(tailnet, node)) return undefined;
    const { connection, stream } = newest;
    connection.push(stream.id, this.#question(node, connection.state.publicOrigin), now);
    return connection;
  }

  /**
   * Clients send what they post to an `https` URL through Noise, whatever the scheme of the control server, and over the
   * connection that they have when the host is the server's.
   */
  #question(node: Node, origin: string): Uint8Array {
    const { host } = new URL(this.#deployment.controlUrl || origin);
    const url = `https://${host}/machine/c2n/vip-services/${node.id}/${toHex(randomBytes(16))}`;
    return mapFrame(askClient(url, "/vip-services"));
  }
}
