// A trunk: one WebSocket between a gateway and the Worker that carries several control connections, each on a channel.
// The bytes on a channel are those of the connection, still encrypted between client and Worker. A protocol of ours:
// docs/decisions/0013-trunks.md says what for, docs/gateway.md how it is chosen.
import { concat, utf8, writeU16, writeU24, writeU32 } from "../bytes.ts";

/** WebSocket subprotocol of a trunk, asked for on /ts2021 in place of the one of a single connection. */
export const TRUNK_PROTOCOL = "flarescale-trunk-1";

/** Connections on one trunk: what their states may take together is the attachment of one socket. */
export const TRUNK_MAX_CHANNELS = 16;
/** Channel numbers are given in order, and never again; a gateway that runs out of them opens another trunk. */
export const TRUNK_MAX_CHANNEL = 2 ** 32 - 1;
/** Payload of one frame. */
export const TRUNK_MAX_PAYLOAD = 64 << 10;
/** Bytes that the Worker may send on a channel beyond those that the gateway has given credit for. */
export const TRUNK_WINDOW = 256 << 10;
/** Initiation in an OPEN; a real one has 101 bytes, and the URL of a single connection holds no more. */
export const TRUNK_MAX_INITIATION = 3 << 10;
/** Words of a REFUSE. */
export const TRUNK_MAX_TEXT = 1 << 10;

/** Text of a REFUSE that is about the trunk and not about the client, with status 503: the OPEN belongs on another one. */
export const TRUNK_FULL = "too many connections on one trunk\n";

// [u8 type][u24be length of payload][u32be channel, from 1][payload]   a message holds whole frames, one after another
export const TRUNK_HEADER_LENGTH = 8;

/** Types of frames. What either side does not know ends the trunk: the subprotocol's name tells versions apart. */
export const TrunkFrameType = {
  /** Gateway: a client wants a connection. Payload: its initiation (control-protocol.md 2). */
  OPEN: 1,
  /** Worker: the connection stands, or is told why not inside Noise. Payload: the first bytes for the client. */
  ACCEPT: 2,
  /** Worker: no connection. Payload: [u16be HTTP status][u16be seconds until another try, 0: unknown][UTF-8 text]. */
  REFUSE: 3,
  /** Either: bytes of the connection. */
  DATA: 4,
  /** Either: the last of this channel. Payload: [u16be code], with the meaning of WebSocket close codes. */
  CLOSE: 5,
  /** Gateway: the client has taken bytes. Payload: [u32be how many more the Worker may send]. */
  CREDIT: 6,
} as const;

/** One frame. */
export type TrunkFrame =
  | { readonly type: "open"; readonly channel: number; readonly initiation: Uint8Array }
  | { readonly type: "accept"; readonly channel: number; readonly bytes: Uint8Array }
  | {
      readonly type: "refuse";
      readonly channel: number;
      readonly status: number;
      readonly retryAfter: number;
      readonly text: string;
    }
  | { readonly type: "data"; readonly channel: number; readonly bytes: Uint8Array }
  | { readonly type: "close"; readonly channel: number; readonly code: number }
  | { readonly type: "credit"; readonly channel: number; readonly bytes: number };

/** The header of a frame, for writers that send the payload from where it lies. */
export function encodeTrunkHeader(type: number, channel: number, length: number): Uint8Array {
  const header = new Uint8Array(TRUNK_HEADER_LENGTH);
  header[0] = type;
  writeU24(header, 1, length);
  writeU32(header, 4, channel);
  return header;
}

/** One frame as bytes. Its payload is within {@link TRUNK_MAX_PAYLOAD}; who has more sends several. */
export function encodeTrunkFrame(frame: TrunkFrame): Uint8Array {
  const { type, payload } = payloadOf(frame);
  return concat([encodeTrunkHeader(type, frame.channel, payload.length), payload]);
}

function payloadOf(frame: TrunkFrame): { readonly type: number; readonly payload: Uint8Array } {
  switch (frame.type) {
    case "open":
      return { type: TrunkFrameType.OPEN, payload: frame.initiation };
    case "accept":
      return { type: TrunkFrameType.ACCEPT, payload: frame.bytes };
    case "refuse": {
      const head = new Uint8Array(4);
      writeU16(head, 0, frame.status);
      writeU16(head, 2, frame.retryAfter);
      return { type: TrunkFrameType.REFUSE, payload: concat([head, utf8(frame.text)]) };
    }
    case "data":
      return { type: TrunkFrameType.DATA, payload: frame.bytes };
    case "close": {
      const code = new Uint8Array(2);
      writeU16(code, 0, frame.code);
      return { type: TrunkFrameType.CLOSE, payload: code };
    }
    case "credit": {
      const bytes = new Uint8Array(4);
      writeU32(bytes, 0, frame.bytes);
      return { type: TrunkFrameType.CREDIT, payload: bytes };
    }
  }
}
