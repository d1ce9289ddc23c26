// The relay of one DERP region: logs clients in and carries packets between them (control-protocol.md 7.3, 7.4). Works on
// sockets that hibernate: each entry point is handed a socket, finds its connection, and leaves everything that must
// survive in the socket's attachment. Packets are carried synchronously, in the order in which they came; only a login
// waits for something, and what its client sends meanwhile is kept.
import { equalSecrets } from "../../platform/constant-time.ts";
import { noiseCrypto } from "../../platform/noise-crypto.ts";
import { randomBytes } from "../../platform/random.ts";
import { decodeFrames, limitAfterLogin, limitBeforeLogin } from "../../protocol/derp/decode.ts";
import { encodePeerGone, encodeRestarting, encodeServerKey } from "../../protocol/derp/encode.ts";
import type { FairShare } from "../../protocol/derp/fair-share.ts";
import { type Frame, keyText, NONCE_LENGTH, PeerGoneReason, payloadOf } from "../../protocol/derp/frame.ts";
import { type ClientLogin, encodeServerInfo, openClientInfo } from "../../protocol/derp/login.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import { type NodeKey, nodeKeyOf, rawKey } from "../../protocol/keys.ts";
import {
  DERP_KEEP_ALIVE_MS,
  DERP_LOGIN_MS,
  DERP_MAX_CONNECTIONS_PER_KEY,
  DERP_MAX_MESSAGE,
  DERP_MAX_PENDING_LOGINS,
} from "../../protocol/limits.ts";
import type { KeyPair } from "../../protocol/noise/handshake.ts";
import type { Admission, Verdict } from "./admission.ts";
import { Connection, type Origin } from "./connection.ts";
import { Connections } from "./connections.ts";
import { announceArrival, announceDeparture } from "./mesh.ts";
import type { PartialFrames } from "./partial-frames.ts";
import { Traffic, type TrafficStatistics } from "./traffic.ts";

/** What a relay works with. */
export interface RelayPorts {
  readonly sockets: () => WebSocket[];
  readonly partials: PartialFrames;
  readonly admission: Admission;
  readonly share: FairShare;
  readonly keys: () => KeyPair;
  /** The key of relays that work with this one; undefined: there are none. */
  readonly meshKey: Uint8Array | undefined;
}

/** What a relay has done since its object woke, and whom it serves. */
export interface RelayStatistics extends TrafficStatistics {
  readonly connections: number;
  /** Connections whose client calls this region its home. */
  readonly homes: number;
}

/** WebSocket close codes (RFC 6455 §7.4.1). */
const CloseCode = {
  PROTOCOL: 1002,
  TEXT: 1003,
  POLICY: 1008,
  TOO_BIG: 1009,
  INTERNAL: 1011,
  RESTARTING: 1012,
  LATER: 1013,
} as const;

/** A DERP relay. */
export class Relay {
  readonly #ports: RelayPorts;
  readonly #traffic: Traffic;
  #restored: Connections | undefined;
  #keepAliveAtMs = 0;

  constructor(ports: RelayPorts) {
    this.#ports = ports;
    this.#traffic = new Traffic(ports.share, (connection, reason) => this.#end(connection, CloseCode.POLICY, reason));
  }

  /** Greets the client of a socket that has just been accepted. */
  greet(socket: WebSocket, origin: Origin, nowMs: number): void {
    this.#limitPendingLogins();
    const connection = Connection.open(socket, origin, nowMs, this.#connections.budget);
    this.#connections.add(connection);
    connection.save();
    connection.send(encodeServerKey(this.#ports.keys().publicKey));
  }

  /** Takes a message of a socket. The promise, of a login, never rejects. */
  async receive(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const connection = this.#connections.ofSocket(socket);
    if (connection === undefined) return;
    if (typeof message === "string") return this.#end(connection, CloseCode.TEXT, "messages must be binary");
    if (message.byteLength > DERP_MAX_MESSAGE) return this.#end(connection, CloseCode.TOO_BIG, "message is too big");
    try {
      const clientInfo = this.#takeChunk(connection, new Uint8Array(message));
      if (clientInfo !== undefined) await this.#logIn(connection, clientInfo);
    } catch (error) {
      this.#fail(connection, error);
    }
  }

  /** Cleans up behind a socket that has closed. */
  closed(socket: WebSocket): void {
    // When its end is what woke the object, the socket was no longer among those that the index was built from.
    const connection = this.#connections.ofSocket(socket) ?? this.#connections.adopt(socket);
    if (connection !== undefined) this.#leave(connection);
    socket.close(); // the client's close frame is answered by this, or else only after ten seconds
  }

  /** Closes every connection of a node key that may no longer use the relay. */
  revoke(nodeKey: NodeKey): void {
    this.#ports.admission.revoke(nodeKey);
    for (const connection of this.#connections.sameKey(keyText(rawKey(nodeKey), 0))) {
      if (!connection.isMesh) this.#end(connection, CloseCode.POLICY, "node may no longer use this relay");
    }
  }

  /**
   * Does what time asks for: keep-alives, and an end to clients that neither log in nor read.
   * @returns when to be called again; undefined when nobody is connected
   */
  tick(nowMs: number): number | undefined {
    const isKeepAliveDue = nowMs >= this.#keepAliveAtMs;
    if (isKeepAliveDue) this.#keepAliveAtMs = nowMs + DERP_KEEP_ALIVE_MS;
    let nextMs = this.#keepAliveAtMs;
    for (const connection of [...this.#connections]) {
      const { phase, openedAtMs } = connection.state;
      if (connection.isStalled(nowMs)) this.#end(connection, CloseCode.POLICY, "client does not read");
      else if (phase === "admitted" && isKeepAliveDue) connection.keepAlive();
      else if (phase !== "admitted" && nowMs >= openedAtMs + DERP_LOGIN_MS) {
        this.#end(connection, CloseCode.POLICY, "login took too long");
      } else if (phase !== "admitted") nextMs = Math.min(nextMs, openedAtMs + DERP_LOGIN_MS);
    }
    return this.#connections.size === 0 ? undefined : nextMs;
  }

  /** Asks about all who are connected, should the news of a revocation have been lost. */
  async recheck(): Promise<void> {
    const keys = [...this.#connections.receivers()].filter(({ isMesh }) => !isMesh).map(({ state }) => state.nodeKey);
    for (const key of await this.#ports.admission.recheck(keys.map(nodeKeyOf))) this.revoke(key);
  }

  /**
   * Tells all clients that the relay goes away, when to come back and for how long to try, and closes them.
   * @returns how many were told; those that had not logged in are closed without a word
   */
  retire(reconnectInMs: number, tryForMs: number): number {
    const restarting = encodeRestarting(reconnectInMs, tryForMs);
    let told = 0;
    for (const connection of [...this.#connections]) {
      if (connection.state.phase === "admitted") {
        connection.send(restarting); // whatever waits before it is dropped with the connection
        told++;
      }
      this.#end(connection, CloseCode.RESTARTING, "relay goes away");
    }
    return told;
  }

  /** Counts. */
  statistics(): RelayStatistics {
    let homes = 0;
    for (const connection of this.#connections) if (connection.state.isHome) homes++;
    return { connections: this.#connections.size, homes, ...this.#traffic.statistics };
  }

  get #connections(): Connections {
    if (this.#restored === undefined) {
      this.#restored = new Connections(this.#ports.sockets(), this.#ports.partials);
      for (const connection of [...this.#restored]) {
        // What it sent while it waited for admission was in memory only.
        if (connection.state.phase === "admitting") this.#end(connection, CloseCode.LATER, "login was interrupted");
      }
    }
    return this.#restored;
  }

  // A flood of connections costs its oldest members their place, not newcomers: those who mean it log in at once.
  #limitPendingLogins(): void {
    const oldest = this.#connections.oldestPending(DERP_MAX_PENDING_LOGINS);
    if (oldest !== undefined) this.#end(oldest, CloseCode.LATER, "too many clients are logging in");
  }

  // Takes the next bytes of a connection. Returns its ClientInfo when that is among them.
  #takeChunk(connection: Connection, chunk: Uint8Array): Frame | undefined {
    const { state } = connection;
    const wasUnfinished = state.decoder.length > 0 || state.decoder.skip > 0;
    // Whether it belongs to the mesh is not known while it logs in: what it sends meanwhile is held, and judged then.
    const limit = (type: number) =>
      state.phase === "greeted"
        ? limitBeforeLogin(type)
        : limitAfterLogin(type, connection.isMesh || state.phase === "admitting");
    let clientInfo: Frame | undefined;
    let frames = 0;
    this.#connections.noteActivity(connection);
    this.#traffic.start(this.#connections, connection);
    try {
      for (const frame of decodeFrames(state.decoder, chunk, limit)) {
        frames++;
        if (state.phase === "admitted") {
          this.#traffic.take(connection, frame);
        } else if (state.phase === "admitting") {
          connection.hold(frame);
        } else if (state.phase === "greeted") {
          clientInfo = frame;
          state.phase = "admitting";
          connection.isDirty = true;
        }
      }
    } finally {
      this.#traffic.flush();
    }
    if (state.phase === "closed") return undefined;
    this.#ports.partials.keep(connection, frames > 0);
    const isUnfinished = state.decoder.length > 0 || state.decoder.skip > 0;
    if (connection.isDirty || wasUnfinished || isUnfinished) connection.save();
    return clientInfo;
  }

  async #logIn(connection: Connection, clientInfo: Frame): Promise<void> {
    const login = await openClientInfo(noiseCrypto, this.#ports.keys(), payloadOf(clientInfo));
    const isMesh = this.#isMesh(login);
    const verdict: Verdict = isMesh ? "allowed" : await this.#ports.admission.judge(nodeKeyOf(login.nodeKey));
    if (connection.state.phase !== "admitting") return; // it left meanwhile
    if (verdict === "refused") return this.#end(connection, CloseCode.POLICY, "node may not use this relay");
    if (verdict === "unknown") return this.#end(connection, CloseCode.LATER, "cannot tell now who may use this relay");
    connection.admit(login, isMesh);
    connection.send(encodeServerInfo(login.boxKey, randomBytes(NONCE_LENGTH), this.#ports.share.announced));
    this.#connections.noteLogin(connection);
    this.#endAll(announceArrival(this.#connections, connection));
    this.#takeHeld(connection);
    const same = this.#connections.sameKey(connection.key);
    if (same[0] !== undefined && same.length > DERP_MAX_CONNECTIONS_PER_KEY) {
      this.#end(same[0], CloseCode.POLICY, "too many connections of one node");
    }
  }

  #takeHeld(connection: Connection): void {
    this.#traffic.start(this.#connections, connection);
    try {
      for (const frame of connection.takeHeld()) this.#traffic.take(connection, frame);
    } finally {
      this.#traffic.flush();
    }
    if (connection.state.phase !== "closed") connection.save();
  }

  #isMesh({ meshKey }: ClientLogin): boolean {
    const ours = this.#ports.meshKey;
    return ours !== undefined && meshKey !== undefined && equalSecrets(ours, meshKey);
  }

  #fail(connection: Connection, error: unknown): void {
    if (error instanceof ProtocolError) {
      this.#end(connection, CloseCode.PROTOCOL, error.message);
      return;
    }
    console.error("relay connection failed:", error);
    this.#end(connection, CloseCode.INTERNAL, "internal error");
  }

  #endAll(watchers: readonly Connection[]): void {
    for (const watcher of watchers) this.#end(watcher, CloseCode.POLICY, "watcher does not read");
  }

  #end(connection: Connection, code: number, reason: string): void {
    this.#leave(connection);
    connection.save();
    connection.socket.close(code, reason);
  }

  // Tells all who have heard from a node key that it is gone, unless another of its connections is left.
  #leave(connection: Connection): void {
    const { state } = connection;
    if (state.phase === "closed") return;
    this.#connections.remove(connection);
    if (state.storedParts > 0) this.#ports.partials.delete(state.id);
    state.phase = "closed";
    if (connection.key === "") return;
    const heir = this.#connections.sameKey(connection.key).at(-1);
    if (heir !== undefined) {
      for (const id of state.heardBy) heir.noteHeardBy(id);
      heir.save();
      return;
    }
    const gone = encodePeerGone(state.nodeKey, PeerGoneReason.DISCONNECTED);
    for (const id of state.heardBy) this.#connections.withId(id)?.post(gone);
    this.#endAll(announceDeparture(this.#connections, state.nodeKey));
  }
}
