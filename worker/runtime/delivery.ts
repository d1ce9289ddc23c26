// Tells open map streams what changes did to them, ends those whose nodes stand elsewhere now, and wakes requests that
// waited for what was decided.
import type { ControlConnection } from "../connection/control-connection.ts";
import type { SessionIndex, StreamRef } from "../connection/session-index.ts";
import type { Deployment } from "../mapper/deployment.ts";
import { netmapDeltas, withoutPeers } from "../mapper/netmap-delta.ts";
import type { NetmapEncoder } from "../mapper/netmap-encoder.ts";
import type { NodeKey } from "../protocol/keys.ts";
import { type Effects, endsStreams, losesItsKey } from "../tailnet/effects.ts";
import type { Node, NodeId } from "../tailnet/entities/node.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { ClientQuestions } from "./client-questions.ts";
import { mapFrame } from "./map-frame.ts";

/** What a delivery needs beside the tailnet. */
export interface DeliveryPorts {
  readonly encoder: NetmapEncoder;
  readonly deployment: Deployment;
  /** Who is connected. */
  sessions(): SessionIndex;
  /** These node keys are good no longer: relays must let go of their holders. */
  revoke(nodeKeys: readonly NodeKey[]): void;
  /** A request that waited for a person can be answered. */
  wake(waiting: StreamRef): void;
  /** The server ended every map stream of a node. */
  ended(nodeId: NodeId, now: number): void;
}

/** Tells whom it concerns. */
export class Delivery {
  readonly #tailnet: Tailnet;
  readonly #ports: DeliveryPorts;
  readonly #questions: ClientQuestions;

  constructor(tailnet: Tailnet, ports: DeliveryPorts) {
    this.#tailnet = tailnet;
    this.#ports = ports;
    this.#questions = new ClientQuestions(tailnet, ports.deployment);
  }

  /** Sends everything that follows from the effects of changes. */
  deliver(effects: Effects, now: number): void {
    const sessions = this.#ports.sessions();
    const touched = this.#tellDeltas(effects, sessions, now);
    const revoked: NodeKey[] = [];
    for (const effect of effects.nodes.values()) {
      if (effect.before === null) continue;
      if (losesItsKey(effect, now)) revoked.push(effect.before.nodeKey);
      if (endsStreams(effect, now)) this.#endStreams(effect.before, effect.after, now, touched);
    }
    for (const { after } of effects.nodes.values()) {
      const asked = after === null ? undefined : this.#questions.askForServices(after, sessions, now);
      if (asked !== undefined) touched.add(asked);
    }
    if (effects.settingsBefore?.isPostureCollectionOn === false) this.#askAllForPosture(sessions, now, touched);
    if (revoked.length > 0) this.#ports.revoke(revoked);
    for (const connection of touched) connection.flush();
    for (const id of effects.decidedLogins)
      for (const waiting of [...sessions.waitingFor(id)]) this.#ports.wake(waiting);
  }

  /** Asks a node that has just opened its map stream what is not known of it. */
  askNode(node: Node, now: number): void {
    this.#questions.askForServices(node, this.#ports.sessions(), now);
    this.#questions.askForPosture(node, this.#ports.sessions(), now);
  }

  /** Where serial numbers are collected from now on, all are asked that are connected. */
  #askAllForPosture(sessions: SessionIndex, now: number, touched: Set<ControlConnection>): void {
    if (!this.#tailnet.settings.isPostureCollectionOn) return;
    for (const id of sessions.watching.keys()) {
      const node = this.#tailnet.nodes.get(id);
      const asked = node && this.#questions.askForPosture(node, sessions, now);
      if (asked !== undefined) touched.add(asked);
    }
  }

  /** @returns the connections that have something to send */
  #tellDeltas(effects: Effects, sessions: SessionIndex, now: number): Set<ControlConnection> {
    const { encoder } = this.#ports;
    const touched = new Set<ControlConnection>();
    const frames = new Map<string, Uint8Array>();
    for (const [viewer, delta] of netmapDeltas(this.#tailnet, effects, sessions.watching)) {
      const node = this.#tailnet.nodes.get(viewer);
      if (node === undefined) continue;
      for (const { connection, stream } of sessions.mapsOf(viewer)) {
        const text = encoder.delta(this.#tailnet, node, stream.omitsPeers ? withoutPeers(delta) : delta);
        if (text === undefined) continue;
        const framed = frames.get(text) ?? mapFrame(text);
        frames.set(text, framed);
        connection.push(stream.id, framed, now);
        touched.add(connection);
      }
    }
    return touched;
  }

  /**
   * Ends a node's map streams. Its client asks anew and is told where it stands; that of a deleted node is told to log
   * in (control-protocol.md 5.15).
   */
  #endStreams(before: Node, after: Node | null, now: number, touched: Set<ControlConnection>): void {
    const sessions = this.#ports.sessions();
    const isDeleted = after === null;
    const farewell = isDeleted ? mapFrame(this.#ports.encoder.farewell(this.#tailnet, before, now)) : undefined;
    for (const { connection, stream } of [...sessions.mapsOf(before.id)]) {
      if (farewell !== undefined) connection.push(stream.id, farewell, now);
      sessions.remove({ connection, stream });
      connection.endStream(stream.id, now);
      touched.add(connection);
    }
    // Nobody else notes the end of a stream that the server ended; without it, a client that does not come back would
    // count as online for ever.
    if (!isDeleted) this.#ports.ended(before.id, now);
  }
}
