// Asks nodes what they do not tell by themselves (control-protocol.md 6.9): which Services they host, and by what serial
// numbers their hardware is known. A request inside a map message, which the client answers on a path of its own
// (control/c2n.ts).
import type { ControlConnection } from "../connection/control-connection.ts";
import type { SessionIndex } from "../connection/session-index.ts";
import type { Deployment } from "../mapper/deployment.ts";
import { randomBytes } from "../platform/random.ts";
import { toHex } from "../protocol/bytes.ts";
import { askClient } from "../protocol/control/client-request.ts";
import { needsServiceReport } from "../tailnet/commands/configuration/report-services.ts";
import { needsPostureIdentity } from "../tailnet/commands/nodes/report-posture.ts";
import type { Node } from "../tailnet/entities/node.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { mapFrame } from "./map-frame.ts";

interface Question {
  /** What the client serves the answer at. */
  readonly path: string;
  /** Where it posts the answer, below /machine/c2n/. */
  readonly replyTo: string;
  isOpen(tailnet: Tailnet, node: Node, now: number): boolean;
}

const SERVICES: Question = { path: "/vip-services", replyTo: "vip-services", isOpen: needsServiceReport };
const POSTURE: Question = {
  path: "/posture/identity",
  replyTo: "posture-identity",
  isOpen: needsPostureIdentity,
};

/** Puts questions to the nodes of one tailnet. */
export class ClientQuestions {
  readonly #tailnet: Tailnet;
  readonly #deployment: Deployment;

  constructor(tailnet: Tailnet, deployment: Deployment) {
    this.#tailnet = tailnet;
    this.#deployment = deployment;
  }

  /**
   * Asks a node on its newest map stream which Services it hosts, when it announces others than are known.
   * @returns the connection that has something to send
   */
  askForServices(node: Node, sessions: SessionIndex, now: number): ControlConnection | undefined {
    return this.#ask(SERVICES, node, sessions, now);
  }

  /** Asks a node for its serial numbers, where they are collected and were not told lately. @returns as above */
  askForPosture(node: Node, sessions: SessionIndex, now: number): ControlConnection | undefined {
    return this.#ask(POSTURE, node, sessions, now);
  }

  #ask(question: Question, node: Node, sessions: SessionIndex, now: number): ControlConnection | undefined {
    const newest = sessions.mapsOf(node.id).at(-1);
    if (newest === undefined || !question.isOpen(this.#tailnet, node, now)) return undefined;
    const { connection, stream } = newest;
    connection.push(stream.id, this.#frame(question, node, connection.state.publicOrigin), now);
    return connection;
  }

  /**
   * Clients send what they post to an `https` URL through Noise, whatever the scheme of the control server, and over the
   * connection that they have when the host is the server's.
   */
  #frame({ path, replyTo }: Question, node: Node, origin: string): Uint8Array {
    const { host } = new URL(this.#deployment.controlUrl || origin);
    return mapFrame(askClient(`https://${host}/machine/c2n/${replyTo}/${node.id}/${toHex(randomBytes(16))}`, path));
  }
}
