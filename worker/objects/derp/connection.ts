// One client's connection to the relay: its socket, what is known of it, and what may be sent to it. Everything that a
// frame can change is in the socket's attachment when a handler returns, so that the object may hibernate between any two
// bytes. Kept in memory only, because hibernation needs ten quiet seconds, after which they are worthless: the send queue
// (a lost packet is a lost packet), the budget of reports, and the frames that arrive during admission.
import { randomBytes } from "../../platform/random.ts";
import { type DecoderState, newDecoder } from "../../protocol/derp/decode.ts";
import { encodeHealth, encodePeerGone, encodePing, KEEP_ALIVE } from "../../protocol/derp/encode.ts";
import { type Frame, keyText, PeerGoneReason, PING_LENGTH, PresenceFlag } from "../../protocol/derp/frame.ts";
import type { ClientLogin } from "../../protocol/derp/login.ts";
import { type SendBudget, SendQueue } from "../../protocol/derp/send-queue.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import {
  DERP_MAX_HEARD_BY,
  DERP_MAX_HELD,
  DERP_REPORTS_BURST,
  DERP_STALLED_MS,
  WEBSOCKET_MAX_SEND,
  WEBSOCKET_MAX_SEND_LONG,
} from "../../protocol/limits.ts";

/** What survives hibernation, in the socket's attachment: about 13 KB at most. */
export interface ConnectionState {
  /** Random, so that no counter has to survive; stands for the connection in the `heardBy` of others. */
  readonly id: number;
  readonly openedAtMs: number;
  /** Where the client is, as far as its request tells: 16 bytes of an IPv6 or IPv4-mapped address and the port. */
  readonly address: Uint8Array;
  /** Whether messages to it may be longer than clients by WebSocket take. */
  readonly takesLongMessages: boolean;
  /**
   * `greeted`: has our key and owes its ClientInfo. `admitting`: waits for the tailnet's word. `admitted`: may relay.
   * `closed`: has left, whatever the platform still says of its socket.
   */
  phase: "greeted" | "admitting" | "admitted" | "closed";
  /** Node key, 32 raw bytes; empty before login. */
  nodeKey: Uint8Array;
  canAckPings: boolean;
  /** What a relay of the mesh is told of the client (PresenceFlag). */
  flags: number;
  /** Whether the client is a relay of the mesh that watches our clients. */
  isWatching: boolean;
  /** Whether the client calls this region its home. */
  isHome: boolean;
  /** How often it took its node key back from another connection; the more, the surer that two devices share the key. */
  comebacks: number;
  /** Whether the client was told of a problem that is not over. */
  isUnhealthy: boolean;
  /** Orders the connections of one node key: the highest receives. */
  activity: number;
  /** Connections that a packet from this one went to, oldest first. */
  heardBy: Uint32Array;
  decoder: DecoderState;
  /** Number of parts of the unfinished frame that are in storage; `decoder` has what comes behind them. */
  storedParts: number;
}

/** What the request of a connection tells of its client. */
export interface Origin {
  readonly address: Uint8Array;
  /** Whether the client wanted this relay of its region and no other. */
  readonly isIdeal: boolean;
  /** Whether a gateway carries the bytes, to which the length of a message does not matter. */
  readonly takesLongMessages: boolean;
}

/** A connection, from its greeting to its end. */
export class Connection {
  readonly socket: WebSocket;
  readonly state: ConnectionState;
  /** The node key as the index has it; empty before login. */
  key: string;
  /** Whether the attachment is behind the state. */
  isDirty = false;
  /** Bytes of the unfinished frame that are in storage: its beginning. */
  storedBytes: number;
  readonly #budget: SendBudget;
  readonly #heardBy: Set<number>;
  #queue: SendQueue;
  #held: Frame[] = [];
  #heldBytes = 0;
  #reports = DERP_REPORTS_BURST;
  #reportedAtMs = 0;

  /**
   * @param state as it was saved, with the unfinished frame put together again
   * @param storedBytes how much of that frame is in storage
   * @param budget what all connections of the region share
   */
  constructor(socket: WebSocket, state: ConnectionState, storedBytes: number, budget: SendBudget) {
    this.socket = socket;
    this.state = state;
    this.key = state.nodeKey.length === 0 ? "" : keyText(state.nodeKey, 0);
    this.storedBytes = storedBytes;
    this.#heardBy = new Set(state.heardBy);
    this.#budget = budget;
    this.#queue = new SendQueue(state.canAckPings, budget);
  }

  /** The connection of a socket that has just been accepted. */
  static open(socket: WebSocket, origin: Origin, nowMs: number, budget: SendBudget): Connection {
    const state: ConnectionState = {
      id: new DataView(randomBytes(4).buffer).getUint32(0),
      openedAtMs: nowMs,
      address: origin.address,
      takesLongMessages: origin.takesLongMessages,
      phase: "greeted",
      nodeKey: new Uint8Array(0),
      canAckPings: false,
      flags: origin.isIdeal ? 0 : PresenceFlag.NOT_IDEAL,
      isWatching: false,
      isHome: false,
      comebacks: 0,
      isUnhealthy: false,
      activity: 0,
      heardBy: new Uint32Array(0),
      decoder: newDecoder(),
      storedParts: 0,
    };
    return new Connection(socket, state, 0, budget);
  }

  /** Brings the attachment up to date. Of an unfinished frame it holds what is not in storage. */
  save(): void {
    const { partial, length, skip } = this.state.decoder;
    const rest = partial.slice(this.storedBytes, length);
    this.socket.serializeAttachment({ ...this.state, decoder: { partial: rest, length: rest.length, skip } });
    this.isDirty = false;
  }

  /** Ends admission in the client's favour. */
  admit(login: ClientLogin, isMesh: boolean): void {
    const { state } = this;
    state.phase = "admitted";
    state.nodeKey = login.nodeKey;
    state.canAckPings = login.canAckPings;
    if (isMesh) state.flags |= PresenceFlag.MESH;
    if (login.isProber) state.flags |= PresenceFlag.PROBER;
    if (state.flags === 0) state.flags = PresenceFlag.REGULAR;
    this.key = keyText(login.nodeKey, 0);
    this.#queue.close();
    this.#queue = new SendQueue(login.canAckPings, this.#budget);
    this.isDirty = true;
  }

  /** Keeps a frame until admission is decided. @throws ProtocolError `derp` when there are too many. */
  hold(frame: Frame): void {
    this.#heldBytes += frame.bytes.length;
    if (this.#heldBytes > DERP_MAX_HELD) throw new ProtocolError("derp", "too much was sent before login ended");
    this.#held.push(frame);
  }

  /** The frames that were kept, in order, once. */
  takeHeld(): Frame[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }

  /** Whether bytes may be sent at once. */
  get isOpen(): boolean {
    return this.#queue.isOpen;
  }

  /** Whether the client is a relay that knows the mesh key. */
  get isMesh(): boolean {
    return (this.state.flags & PresenceFlag.MESH) !== 0;
  }

  /** Sends whole frames now; the caller has asked {@link isOpen}, or they are too few to matter. */
  send(frames: Uint8Array): void {
    this.reserve(frames.length);
    this.transmit(frames);
  }

  /** Counts bytes that are sent with the next {@link transmit}. */
  reserve(length: number): void {
    this.#queue.noteSent(length);
  }

  /** Sends whole frames that have been counted. */
  transmit(frames: Uint8Array): void {
    this.#write(frames);
    if (!this.#queue.isPingDue) return;
    const nonce = randomBytes(PING_LENGTH);
    this.#queue.notePing(nonce, Date.now());
    this.#write(encodePing(nonce));
  }

  /** Ends the accounting of what was sent. */
  release(): void {
    this.#queue.close();
  }

  /** Tells the client of a problem, or that it is over; once. */
  setHealth(problem: string): void {
    if (this.state.isUnhealthy === (problem !== "")) return;
    this.state.isUnhealthy = problem !== "";
    this.isDirty = true;
    this.post(encodeHealth(problem));
  }

  /** Lets a frame of its own buffer wait for room. @returns the number of frames that were dropped for it */
  enqueue(frame: Uint8Array, isUrgent: boolean): number {
    return this.#queue.push(frame, isUrgent);
  }

  /** Sends a small frame of the relay itself, before all packets that wait. */
  post(frame: Uint8Array): void {
    if (this.isOpen) this.send(frame);
    else this.enqueue(frame, true);
  }

  /** Takes the nonce of a Pong and sends what waited for it. */
  acknowledge(nonce: Uint8Array): void {
    this.#queue.acknowledge(nonce);
    this.#drain();
  }

  /** Sends the keep-alive that every client waits for. */
  keepAlive(): void {
    this.#queue.noteKeepAlive();
    this.send(KEEP_ALIVE);
    this.#drain();
  }

  /** Whether the client has long not read what was sent to it. */
  isStalled(nowMs: number): boolean {
    const sinceMs = this.#queue.waitingSinceMs;
    return sinceMs !== undefined && nowMs - sinceMs > DERP_STALLED_MS;
  }

  /** Tells the client that a peer is not here, now and then: one report per second, three at once. */
  reportAbsent(peer: Uint8Array, nowMs: number): void {
    const earned = (nowMs - this.#reportedAtMs) / 1000;
    this.#reports = Math.min(DERP_REPORTS_BURST, this.#reports + earned);
    this.#reportedAtMs = nowMs;
    if (this.#reports < 1) return;
    this.#reports--;
    this.post(encodePeerGone(peer, PeerGoneReason.NOT_HERE));
  }

  /** Notes that a packet of this connection goes to another. */
  noteHeardBy(id: number): void {
    if (this.#heardBy.has(id)) return;
    const { heardBy } = this.state;
    const kept = heardBy.subarray(heardBy.length < DERP_MAX_HEARD_BY ? 0 : 1);
    if (kept !== heardBy) this.#heardBy.delete(heardBy[0] ?? 0);
    this.#heardBy.add(id);
    const longer = new Uint32Array(kept.length + 1);
    longer.set(kept);
    longer[kept.length] = id;
    this.state.heardBy = longer;
    this.isDirty = true;
  }

  #drain(): void {
    for (let frame = this.#queue.take(); frame !== undefined; frame = this.#queue.take()) this.send(frame);
  }

  // NOTE: the platform keeps the whole buffer behind a view until the bytes are out, so a small view of a large message
  // is copied. Sending throws once the socket is going away; webSocketClose comes next and cleans up.
  #write(bytes: Uint8Array): void {
    const owned = bytes.length * 4 < bytes.buffer.byteLength ? bytes.slice() : bytes;
    try {
      const max = this.state.takesLongMessages ? WEBSOCKET_MAX_SEND_LONG : WEBSOCKET_MAX_SEND;
      for (let at = 0; at < owned.length; at += max) this.socket.send(owned.subarray(at, at + max));
    } catch {
      // nobody is left to send to
    }
  }
}
