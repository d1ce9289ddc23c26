// HTTP/2 frames: numbers and layouts (RFC 9113 §4.1, §6, §6.5.2). Types and constants only; encode.ts writes frames,
// decode.ts reads them.
import { utf8 } from "../bytes.ts";
import { NOISE_MAX_PLAINTEXT } from "../limits.ts";

/** What a client sends before its first frame (RFC 9113 §3.4). */
export const CLIENT_PREFACE = utf8("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Bytes of a frame before its payload. */
export const FRAME_HEADER_SIZE = 9;

/** Frame types; others are ignored by both sides. */
export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** Frame flags; ACK shares its bit with END_STREAM. */
export const Flag = {
  ACK: 0x01,
  END_STREAM: 0x01,
  END_HEADERS: 0x04,
  PADDED: 0x08,
  PRIORITY: 0x20,
} as const;

/** Identifiers of SETTINGS parameters. */
export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

/** Send and receive window of a stream and of the connection before anybody says otherwise (RFC 9113 §6.9.2). */
export const DEFAULT_WINDOW = 65_535;

/** Largest flow-control window and window increment (RFC 9113 §6.9.1). */
export const MAX_WINDOW = 0x7fff_ffff;

/**
 * Payload of the DATA frames that we cut from long bodies: with its header such a frame fills exactly four Noise
 * records, so a run of them that starts with a record never straddles one. Below the client's limit of 16,384.
 */
export const DATA_FRAME_PAYLOAD = 4 * NOISE_MAX_PLAINTEXT - FRAME_HEADER_SIZE;

// [u24be length][u8 type][u8 flags][1 reserved bit, u31be stream id]   then `length` bytes of payload
// DATA           [u8 padding, if PADDED][data][padding]
// HEADERS        [u8 padding, if PADDED][u32 and u8 of priority, if PRIORITY][header block fragment][padding]
// PRIORITY       5 bytes, ignored
// RST_STREAM     [u32be error code]
// SETTINGS       ([u16be identifier][u32be value])*
// PING           8 opaque bytes
// GOAWAY         [u32be last stream id][u32be error code][debug data]
// WINDOW_UPDATE  [1 reserved bit, u31be increment]
// CONTINUATION   [header block fragment]
/** The head of a frame; the reserved bit is dropped. */
export interface FrameHeader {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}
