// What logged-in clients send: packets to their destinations, pings, and the requests of the mesh. One message at a time:
// start, take each of its frames, flush. All of it is synchronous.
import { encodePong, takeForwardedPacket, turnIntoRecvPacket } from "../../protocol/derp/encode.ts";
import type { Account, FairShare } from "../../protocol/derp/fair-share.ts";
import {
  FRAME_HEADER_LENGTH,
  type Frame,
  FrameType,
  isDiscoPacket,
  KEY_LENGTH,
  keyText,
  PING_LENGTH,
  payloadOf,
} from "../../protocol/derp/frame.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import { beginToWatch } from "./mesh.ts";
import { Outbox } from "./outbox.ts";

/** What has become of packets since the object woke. */
export interface TrafficStatistics {
  readonly packetsRelayed: number;
  readonly bytesRelayed: number;
  /** Packets to peers that are not here. */
  readonly packetsUnknown: number;
  /** Packets that were too many for a slow receiver. */
  readonly packetsDropped: number;
  /** Packets that were more than their sender's share. */
  readonly packetsLimited: number;
}

const SEND_HEAD = FRAME_HEADER_LENGTH + KEY_LENGTH;
const FORWARD_HEAD = SEND_HEAD + KEY_LENGTH;

/** Ends a connection that breaks a rule. */
export type Expel = (connection: Connection, reason: string) => void;

/** Carries the traffic of one relay. */
export class Traffic {
  readonly #share: FairShare;
  readonly #expel: Expel;
  readonly #outbox = new Outbox();
  #connections: Connections | undefined;
  #account: Account | undefined;
  #receiver: Connection | undefined;
  #statistics = { packetsRelayed: 0, bytesRelayed: 0, packetsUnknown: 0, packetsDropped: 0, packetsLimited: 0 };

  constructor(share: FairShare, expel: Expel) {
    this.#share = share;
    this.#expel = expel;
  }

  get statistics(): TrafficStatistics {
    return { ...this.#statistics };
  }

  /** Begins with a message of a connection. Relays of the mesh have no limits; they carry what others were allowed. */
  start(connections: Connections, source: Connection): void {
    this.#connections = connections;
    this.#receiver = undefined;
    this.#account = undefined;
    if (source.key === "" || source.isMesh) return;
    const nowMs = Date.now();
    this.#account = this.#share.account(source.key, nowMs);
    this.#share.startMessage(this.#account, nowMs);
  }

  /** Takes a frame. @throws ProtocolError `derp` when it makes no sense */
  take(source: Connection, frame: Frame): void {
    const { bytes } = frame;
    switch (frame.type) {
      case FrameType.SEND_PACKET:
        if (bytes.length < SEND_HEAD) throw new ProtocolError("derp", "packet without destination");
        this.#send(source, bytes);
        return;
      case FrameType.FORWARD_PACKET:
        requireMesh(source);
        if (bytes.length < FORWARD_HEAD) throw new ProtocolError("derp", "packet without destination");
        this.#forward(source, bytes);
        return;
      case FrameType.PING:
        this.#answer(source, encodePong(pingNonce(frame)));
        return;
      case FrameType.PONG:
        source.acknowledge(pingNonce(frame));
        return;
      case FrameType.NOTE_PREFERRED:
        source.state.isHome = bytes[FRAME_HEADER_LENGTH] === 1;
        source.isDirty = true;
        return;
      case FrameType.WATCH_CONNS:
        requireMesh(source);
        if (this.#connections !== undefined) beginToWatch(this.#connections, source);
        return;
      case FrameType.CLOSE_PEER:
        requireMesh(source);
        this.#closePeer(frame);
        return;
    }
  }

  /** Sends the packets of the message. */
  flush(): void {
    this.#outbox.flush();
  }

  // The frame is rewritten where it stands.
  #send(source: Connection, frame: Uint8Array): void {
    if (!this.#isWithinShare(source, frame.length)) return;
    const receiver = this.#find(frame, FRAME_HEADER_LENGTH);
    if (receiver === undefined) {
      this.#reportAbsent(source, frame, FRAME_HEADER_LENGTH);
      return;
    }
    source.noteHeardBy(receiver.state.id);
    turnIntoRecvPacket(frame, source.state.nodeKey);
    this.#deliver(receiver, frame);
  }

  #forward(source: Connection, frame: Uint8Array): void {
    const receiver = this.#find(frame, SEND_HEAD);
    if (receiver === undefined) this.#reportAbsent(source, frame.subarray(KEY_LENGTH), FRAME_HEADER_LENGTH);
    else this.#deliver(receiver, takeForwardedPacket(frame));
  }

  #deliver(receiver: Connection, packet: Uint8Array): void {
    this.#statistics.packetsRelayed++;
    this.#statistics.bytesRelayed += packet.length;
    if (receiver.isOpen) this.#outbox.add(receiver, packet);
    else this.#statistics.packetsDropped += receiver.enqueue(packet.slice(), isDiscoPacket(packet));
  }

  /** Puts a frame of ours among the packets, so that a message full of pings is answered with one message. */
  #answer(source: Connection, frame: Uint8Array): void {
    if (source.isOpen) this.#outbox.add(source, frame);
    else source.enqueue(frame, true);
  }

  #reportAbsent(source: Connection, frame: Uint8Array, keyAt: number): void {
    this.#statistics.packetsUnknown++;
    if (isDiscoPacket(frame)) source.reportAbsent(frame.subarray(keyAt, keyAt + KEY_LENGTH), Date.now());
  }

  #isWithinShare(source: Connection, length: number): boolean {
    if (this.#account === undefined) return true;
    const ruling = this.#share.rule(this.#account, length);
    if (ruling === "pass") return true;
    this.#statistics.packetsLimited++;
    if (ruling === "expel" && source.state.phase === "admitted") this.#expel(source, "client exceeds its rate");
    return false;
  }

  // Neighbouring packets mostly have one destination, which is compared faster than it is looked up.
  #find(bytes: Uint8Array, at: number): Connection | undefined {
    const last = this.#receiver;
    if (last !== undefined && last.state.phase === "admitted" && hasKeyAt(bytes, at, last.state.nodeKey)) return last;
    this.#receiver = this.#connections?.receiver(bytes, at);
    return this.#receiver;
  }

  #closePeer(frame: Frame): void {
    if (payloadOf(frame).length !== KEY_LENGTH) throw new ProtocolError("derp", "ClosePeer without key");
    const same = this.#connections?.sameKey(keyText(frame.bytes, FRAME_HEADER_LENGTH)) ?? [];
    for (const connection of same) this.#expel(connection, "closed by a relay of the mesh");
  }
}

function hasKeyAt(bytes: Uint8Array, at: number, key: Uint8Array): boolean {
  for (let i = 0; i < KEY_LENGTH; i++) if (bytes[at + i] !== key[i]) return false;
  return true;
}

function pingNonce(frame: Frame): Uint8Array {
  const nonce = payloadOf(frame).subarray(0, PING_LENGTH);
  if (nonce.length < PING_LENGTH) throw new ProtocolError("derp", "ping is too short");
  return nonce;
}

/** The decoder refuses such frames by their header already, but for those whose header came before the login had ended. */
function requireMesh({ isMesh }: Connection): void {
  if (!isMesh) throw new ProtocolError("derp", "client is no member of the mesh");
}
