// The relay of one DERP region: logs clients in and carries packets between them (control-protocol.md 7.3, 7.4). Works on
// sockets that hibernate: each entry point is handed a socket, finds its connection, and leaves everything that must
// survive in the socket's attachment. Packets are carried synchronously, in the order in which they came; only a login
// waits for something, and what its client sends meanwhile is kept.
import { noiseCrypto } from "../../platform/noise-crypto.ts";
import { randomBytes } from "../../platform/random.ts";
import { decodeFrames, limitAfterLogin, limitBeforeLogin } from "../../protocol/derp/decode.ts";
import { encodePeerGone, encodePong, encodeServerKey, turnIntoRecvPacket } from "../../protocol/derp/encode.ts";
import {
  FRAME_HEADER_LENGTH,
  type Frame,
  FrameType,
  isDiscoPacket,
  KEY_LENGTH,
  keyText,
  NONCE_LENGTH,
  PeerGoneReason,
  PING_LENGTH,
  payloadOf,
} from "../../protocol/derp/frame.ts";
import { encodeServerInfo, openClientInfo } from "../../protocol/derp/login.ts";
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
import type { Admission } from "./admission.ts";
import { Connection } from "./connection.ts";
import { Connections } from "./connections.ts";
import { PacketRun } from "./packet-run.ts";
import type { PartialFrames } from "./partial-frames.ts";

/** What a relay works with. */
export interface RelayPorts {
  readonly sockets: () => WebSocket[];
  readonly partials: PartialFrames;
  readonly admission: Admission;
  readonly keys: () => KeyPair;
}

/** What a relay has done since its object woke, and whom it serves. */
export interface RelayStatistics {
  readonly connections: number;
  /** Connections whose client calls this region its home. */
  readonly homes: number;
  readonly packetsRelayed: number;
  /** Packets to peers that are not here, or too slow. */
  readonly packetsDropped: number;
}

/** WebSocket close codes (RFC 6455 §7.4.1). */
const CloseCode = { PROTOCOL: 1002, TEXT: 1003, POLICY: 1008, TOO_BIG: 1009, INTERNAL: 1011, LATER: 1013 } as const;

/** A DERP relay. */
export class Relay {
  readonly #ports: RelayPorts;
  #restored: Connections | undefined;
  #packetsRelayed = 0;
  #packetsDropped = 0;
  #keepAliveAtMs = 0;

  constructor(ports: RelayPorts) {
    this.#ports = ports;
  }

  /** Greets the client of a socket that has just been accepted. */
  greet(socket: WebSocket, tailnetId: string, nowMs: number): void {
    this.#limitPendingLogins();
    const connection = Connection.open(socket, tailnetId, nowMs);
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
      this.#end(connection, CloseCode.POLICY, "node may no longer use this relay");
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

  /** Counts. */
  statistics(): RelayStatistics {
    let homes = 0;
    for (const connection of this.#connections) if (connection.state.isHome) homes++;
    return {
      connections: this.#connections.size,
      homes,
      packetsRelayed: this.#packetsRelayed,
      packetsDropped: this.#packetsDropped,
    };
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
    const pending = [...this.#connections].filter((connection) => connection.state.phase !== "admitted");
    const oldest = pending[0];
    if (oldest !== undefined && pending.length >= DERP_MAX_PENDING_LOGINS) {
      this.#end(oldest, CloseCode.LATER, "too many clients are logging in");
    }
  }

  // Takes the next bytes of a connection. Returns its ClientInfo when that is among them.
  #takeChunk(connection: Connection, chunk: Uint8Array): Frame | undefined {
    const { state } = connection;
    const wasUnfinished = state.decoder.length > 0 || state.decoder.skip > 0;
    const limit = (type: number) => (state.phase === "greeted" ? limitBeforeLogin(type) : limitAfterLogin(type));
    const run = new PacketRun();
    let clientInfo: Frame | undefined;
    let frames = 0;
    this.#connections.noteActivity(connection);
    try {
      for (const frame of decodeFrames(state.decoder, chunk, limit)) {
        frames++;
        if (state.phase === "admitted") {
          this.#takeFrame(connection, frame, run);
        } else if (state.phase === "admitting") {
          connection.hold(frame);
        } else {
          clientInfo = frame;
          state.phase = "admitting";
          connection.isDirty = true;
        }
      }
    } finally {
      run.flush();
    }
    this.#ports.partials.keep(connection, frames > 0);
    const isUnfinished = state.decoder.length > 0 || state.decoder.skip > 0;
    if (connection.isDirty || wasUnfinished || isUnfinished) connection.save();
    return clientInfo;
  }

  async #logIn(connection: Connection, clientInfo: Frame): Promise<void> {
    const login = await openClientInfo(noiseCrypto, this.#ports.keys(), payloadOf(clientInfo));
    const isAllowed = await this.#ports.admission.allows(connection.state.tailnetId, nodeKeyOf(login.nodeKey));
    if (connection.state.phase !== "admitting") return; // it left meanwhile
    if (!isAllowed) return this.#end(connection, CloseCode.POLICY, "node may not use this relay");
    connection.admit(login);
    connection.send(encodeServerInfo(login.boxKey, randomBytes(NONCE_LENGTH)));
    this.#connections.noteLogin(connection);
    const run = new PacketRun();
    for (const frame of connection.takeHeld()) this.#takeFrame(connection, frame, run);
    run.flush();
    connection.save();
    const same = this.#connections.sameKey(connection.key);
    if (same[0] !== undefined && same.length > DERP_MAX_CONNECTIONS_PER_KEY) {
      this.#end(same[0], CloseCode.POLICY, "too many connections of one node");
    }
  }

  #takeFrame(connection: Connection, frame: Frame, run: PacketRun): void {
    switch (frame.type) {
      case FrameType.SEND_PACKET:
        this.#relay(connection, frame.bytes, run);
        return;
      case FrameType.PING:
        connection.post(encodePong(pingNonce(frame)));
        return;
      case FrameType.PONG:
        connection.acknowledge(pingNonce(frame));
        return;
      case FrameType.NOTE_PREFERRED:
        connection.state.isHome = frame.bytes[FRAME_HEADER_LENGTH] === 1;
        connection.isDirty = true;
        return;
    }
  }

  // Carries one packet. The frame is rewritten where it stands.
  #relay(source: Connection, frame: Uint8Array, run: PacketRun): void {
    if (frame.length < FRAME_HEADER_LENGTH + KEY_LENGTH) throw new ProtocolError("derp", "packet without destination");
    const isDisco = isDiscoPacket(frame);
    const destination = this.#connections.receiver(frame, FRAME_HEADER_LENGTH);
    if (destination === undefined) {
      this.#packetsDropped++;
      const peer = frame.subarray(FRAME_HEADER_LENGTH, FRAME_HEADER_LENGTH + KEY_LENGTH);
      if (isDisco) source.reportAbsent(peer, Date.now());
      return;
    }
    source.noteHeardBy(destination.state.id);
    turnIntoRecvPacket(frame, source.state.nodeKey);
    this.#packetsRelayed++;
    if (destination.isOpen) run.add(destination, frame);
    else this.#packetsDropped += destination.enqueue(frame.slice(), isDisco);
  }

  #fail(connection: Connection, error: unknown): void {
    if (error instanceof ProtocolError) {
      this.#end(connection, CloseCode.PROTOCOL, error.message);
      return;
    }
    console.error("relay connection failed:", error);
    this.#end(connection, CloseCode.INTERNAL, "internal error");
  }

  #end(connection: Connection, code: number, reason: string): void {
    this.#leave(connection);
    connection.save();
    connection.socket.close(code, reason);
  }

  // Tells all who have heard from a node key that it is gone, unless another of its connections is left.
  #leave(connection: Connection): void {
    const { state } = connection;
    this.#connections.remove(connection);
    if (state.storedParts > 0) this.#ports.partials.delete(state.id);
    state.phase = "closed";
    const heir = this.#connections.sameKey(connection.key).at(-1);
    if (heir !== undefined) {
      for (const id of state.heardBy) heir.noteHeardBy(id);
      heir.save();
      return;
    }
    const gone = encodePeerGone(state.nodeKey, PeerGoneReason.DISCONNECTED);
    for (const id of state.heardBy) this.#connections.withId(id)?.post(gone);
  }
}

function pingNonce(frame: Frame): Uint8Array {
  const nonce = payloadOf(frame).subarray(0, PING_LENGTH);
  if (nonce.length < PING_LENGTH) throw new ProtocolError("derp", "ping is too short");
  return nonce;
}
