// Frames that the server sends. See `frame.ts` for the layouts; ServerInfo is in `login.ts`, because it is sealed.
import { concat, EMPTY, utf8, writeU32 } from "../bytes.ts";
import { FRAME_HEADER_LENGTH, FrameType, KEY_LENGTH, MAGIC, type PeerGoneReason } from "./frame.ts";

/** A KeepAlive; shared, never write to it. */
export const KEEP_ALIVE = encodeFrame(FrameType.KEEP_ALIVE, EMPTY);

/** Encodes any frame. */
export function encodeFrame(type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_LENGTH + payload.length);
  frame[0] = type;
  writeU32(frame, 1, payload.length);
  frame.set(payload, FRAME_HEADER_LENGTH);
  return frame;
}

/** The greeting: the public key that the client seals its ClientInfo to. */
export function encodeServerKey(publicKey: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.SERVER_KEY, concat([MAGIC, publicKey]));
}

/**
 * Turns a SendPacket frame into the RecvPacket frame of its destination, in place: the two differ only in type and key,
 * so a packet is relayed without a copy and neighbouring frames stay neighbours.
 */
export function turnIntoRecvPacket(frame: Uint8Array, source: Uint8Array): void {
  frame[0] = FrameType.RECV_PACKET;
  frame.set(source, FRAME_HEADER_LENGTH);
}

/**
 * Turns a ForwardPacket frame of the mesh into the RecvPacket frame of its destination, in place, and returns it: a view
 * that leaves out the first 32 bytes.
 */
export function takeForwardedPacket(frame: Uint8Array): Uint8Array {
  frame.copyWithin(FRAME_HEADER_LENGTH + KEY_LENGTH, FRAME_HEADER_LENGTH, FRAME_HEADER_LENGTH + KEY_LENGTH);
  const packet = frame.subarray(KEY_LENGTH);
  packet[0] = FrameType.RECV_PACKET;
  writeU32(packet, 1, packet.length - FRAME_HEADER_LENGTH);
  return packet;
}

/** What a watching relay is told of a client. */
export interface Presence {
  readonly nodeKey: Uint8Array;
  /** IPv6 or IPv4-mapped address, 16 bytes, and the port; zeros when they are not known. */
  readonly address: Uint8Array;
  /** Of {@link PresenceFlag}. */
  readonly flags: number;
}

/** Tells a relay of the mesh that a client is here. */
export function encodePeerPresent({ nodeKey, address, flags }: Presence): Uint8Array {
  return encodeFrame(FrameType.PEER_PRESENT, concat([nodeKey, address, Uint8Array.of(flags)]));
}

/** Tells a client that a peer has left, or was never here. */
export function encodePeerGone(peer: Uint8Array, reason: PeerGoneReason): Uint8Array {
  return encodeFrame(FrameType.PEER_GONE, concat([peer, Uint8Array.of(reason)]));
}

/** Asks for a Pong with the same 8 bytes. */
export function encodePing(nonce: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.PING, nonce);
}

/** Answers a Ping with its 8 bytes. */
export function encodePong(nonce: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.PONG, nonce);
}

/** Reports a problem of this connection, which the client shows to its user; the empty text takes it back. */
export function encodeHealth(problem: string): Uint8Array {
  return encodeFrame(FrameType.HEALTH, utf8(problem));
}

/** Announces that the server goes away for a while. */
export function encodeRestarting(reconnectInMs: number, tryForMs: number): Uint8Array {
  const payload = new Uint8Array(8);
  writeU32(payload, 0, reconnectInMs);
  writeU32(payload, 4, tryForMs);
  return encodeFrame(FrameType.RESTARTING, payload);
}
