// The wire of DERP, the relay protocol (tailscale derp/derp.go, client 1.103.0,
// protocol version 2). Every frame is a type, a big-endian length and a payload:
//
//   [u8 type][u32be length][payload]
//
// A session: the server sends ServerKey, the client answers with ClientInfo sealed to that key, the server admits it and
// sends ServerInfo; from then on packets flow both ways and the server sends a KeepAlive every minute. A refusal is a
// closed connection; there is no frame for it. All clients of a region meet in one object, so that we never forward to
// another relay; one that is told our mesh key may watch our clients and forward packets to them.
import { readU16, readU32 } from "../bytes.ts";

/** Frame types, with direction and payload. Keys are 32 raw bytes. */
export const FrameType = {
  /** server → client: 8 magic + 32 server key */
  SERVER_KEY: 0x01,
  /** client → server: 32 node key + 24 nonce + box of JSON */
  CLIENT_INFO: 0x02,
  /** server → client: 24 nonce + box of JSON */
  SERVER_INFO: 0x03,
  /** client → server: 32 destination key + packet */
  SEND_PACKET: 0x04,
  /** server → client: 32 source key + packet */
  RECV_PACKET: 0x05,
  /** both ways: empty; from a client it means nothing */
  KEEP_ALIVE: 0x06,
  /** client → server: u8, 1 when this region is the client's home */
  NOTE_PREFERRED: 0x07,
  /** server → client: 32 key + u8 reason */
  PEER_GONE: 0x08,
  /** server → mesh: 32 key + 16 address + u16be port + u8 flags */
  PEER_PRESENT: 0x09,
  /** mesh → server: 32 source key + 32 destination key + packet */
  FORWARD_PACKET: 0x0a,
  /** mesh → server: empty; PeerPresent and PeerGone of all clients are wanted from now on */
  WATCH_CONNS: 0x10,
  /** mesh → server: 32 key of a client whose connections shall be closed */
  CLOSE_PEER: 0x11,
  /** both ways: 8 bytes of the sender's choice */
  PING: 0x12,
  /** both ways: the 8 bytes of the ping */
  PONG: 0x13,
  /** server → client: UTF-8 text of a problem, empty when it is over */
  HEALTH: 0x14,
  /** server → client: u32be milliseconds until reconnecting, u32be milliseconds to keep trying */
  RESTARTING: 0x15,
} as const;

/** Why a peer cannot be reached here. */
export const PeerGoneReason = { DISCONNECTED: 0, NOT_HERE: 1 } as const;
export type PeerGoneReason = (typeof PeerGoneReason)[keyof typeof PeerGoneReason];

/** What a watching relay is told of a client; a client like any other has the first and no more. */
export const PresenceFlag = { REGULAR: 1, MESH: 2, PROBER: 4, NOT_IDEAL: 8 } as const;

/** Type and length. */
export const FRAME_HEADER_LENGTH = 5;
/** A node key on the wire. */
export const KEY_LENGTH = 32;
/** The echoed part of Ping and Pong. */
export const PING_LENGTH = 8;
/** The nonce before a box. */
export const NONCE_LENGTH = 24;
/** "DERP" and a key emoji, at the start of ServerKey. */
export const MAGIC = Uint8Array.of(0x44, 0x45, 0x52, 0x50, 0xf0, 0x9f, 0x94, 0x91);

/** A whole frame. */
export interface Frame {
  readonly type: number;
  /** Header and payload. */
  readonly bytes: Uint8Array;
}

/** The payload of a frame, as a view. */
export function payloadOf(frame: Frame): Uint8Array {
  return frame.bytes.subarray(FRAME_HEADER_LENGTH);
}

/** The 32-byte key at `at` as a short string, to find things by; not for people. */
export function keyText(bytes: Uint8Array, at: number): string {
  let text = "";
  for (let i = at; i < at + KEY_LENGTH; i += 2) text += String.fromCharCode(readU16(bytes, i));
  return text;
}

const PACKET_AT = FRAME_HEADER_LENGTH + KEY_LENGTH;
// [6 bytes "TS💬"][32 disco key]…   how a path-discovery packet begins (tailscale disco/disco.go)
const DISCO_MAGIC_HIGH = 0x5453f09f;
const DISCO_MIN_LENGTH = 6 + KEY_LENGTH;

/** Tells whether a SendPacket or RecvPacket frame carries a path-discovery packet, which goes before other packets. */
export function isDiscoPacket(frame: Uint8Array): boolean {
  return (
    frame.length >= PACKET_AT + DISCO_MIN_LENGTH &&
    readU32(frame, PACKET_AT) === DISCO_MAGIC_HIGH &&
    frame[PACKET_AT + 4] === 0x92 &&
    frame[PACKET_AT + 5] === 0xac
  );
}
