// Reads HTTP/2 frames (RFC 9113 §4, §6): the header, the checks that need no connection state, and the payloads. All
// functions take bytes that are there in full; connection.ts waits for them.
import { readU16, readU24, readU32 } from "../bytes.ts";
import { Http2ErrorCode, ProtocolError } from "../errors.ts";
import { HTTP2_MAX_FRAME, HTTP2_MAX_SETTINGS_PAYLOAD } from "../limits.ts";
import { Flag, type FrameHeader, FrameType, MAX_WINDOW, Setting } from "./frame.ts";

/** Reads the 9 bytes at `at`. */
export function readFrameHeader(bytes: Uint8Array, at: number): FrameHeader {
  return {
    length: readU24(bytes, at),
    type: bytes[at + 3] as number,
    flags: bytes[at + 4] as number,
    streamId: readU32(bytes, at + 5) & MAX_WINDOW,
  };
}

/**
 * Checks what a frame header says on its own: the length that its type has, and whether it belongs to a stream.
 * A wrong PRIORITY length would be a stream error; it is treated as a connection error, as §5.4.2 lets us.
 * @throws ProtocolError FRAME_SIZE_ERROR, PROTOCOL_ERROR or ENHANCE_YOUR_CALM.
 */
export function checkFrameHeader(header: FrameHeader): void {
  if (header.length > HTTP2_MAX_FRAME || !hasLegalLength(header)) {
    throw new ProtocolError("http2", "frame has a wrong length", Http2ErrorCode.FRAME_SIZE_ERROR);
  }
  if (!hasLegalStream(header)) {
    throw new ProtocolError("http2", "frame is on a wrong stream", Http2ErrorCode.PROTOCOL_ERROR);
  }
  if (header.type === FrameType.SETTINGS && header.length > HTTP2_MAX_SETTINGS_PAYLOAD) {
    throw new ProtocolError("http2", "too many settings", Http2ErrorCode.ENHANCE_YOUR_CALM);
  }
}

function hasLegalLength({ type, length, flags }: FrameHeader): boolean {
  switch (type) {
    case FrameType.PRIORITY:
      return length === 5;
    case FrameType.RST_STREAM:
    case FrameType.WINDOW_UPDATE:
      return length === 4;
    case FrameType.PING:
      return length === 8;
    case FrameType.GOAWAY:
      return length >= 8;
    case FrameType.SETTINGS:
      return flags & Flag.ACK ? length === 0 : length % 6 === 0;
    default:
      return true;
  }
}

function hasLegalStream({ type, streamId }: FrameHeader): boolean {
  switch (type) {
    case FrameType.DATA:
    case FrameType.HEADERS:
    case FrameType.PRIORITY:
    case FrameType.RST_STREAM:
    case FrameType.CONTINUATION:
      return streamId !== 0;
    case FrameType.SETTINGS:
    case FrameType.PING:
    case FrameType.GOAWAY:
      return streamId === 0;
    default:
      return true;
  }
}

/** Cuts padding and priority from a HEADERS payload. @throws ProtocolError PROTOCOL_ERROR when they do not fit. */
export function readHeadersFragment(flags: number, payload: Uint8Array): Uint8Array {
  const start = (flags & Flag.PADDED ? 1 : 0) + (flags & Flag.PRIORITY ? 5 : 0);
  const end = payload.length - (flags & Flag.PADDED ? (payload[0] ?? 0) : 0);
  if (end < start) throw new ProtocolError("http2", "padding exceeds the frame", Http2ErrorCode.PROTOCOL_ERROR);
  return payload.subarray(start, end);
}

/**
 * Calls `apply` for each parameter of a SETTINGS payload, in order.
 * @throws ProtocolError PROTOCOL_ERROR or FLOW_CONTROL_ERROR on a value that §6.5.2 forbids.
 */
export function readSettings(payload: Uint8Array, apply: (identifier: number, value: number) => void): void {
  for (let at = 0; at < payload.length; at += 6) {
    const identifier = readU16(payload, at);
    const value = readU32(payload, at + 2);
    checkSetting(identifier, value);
    apply(identifier, value);
  }
}

function checkSetting(identifier: number, value: number): void {
  if (identifier === Setting.INITIAL_WINDOW_SIZE && value > MAX_WINDOW) {
    throw new ProtocolError("http2", "initial window is too big", Http2ErrorCode.FLOW_CONTROL_ERROR);
  }
  const isBadPush = identifier === Setting.ENABLE_PUSH && value > 1;
  const isBadFrameSize = identifier === Setting.MAX_FRAME_SIZE && (value < 16_384 || value > 0xff_ffff);
  if (isBadPush || isBadFrameSize) {
    throw new ProtocolError("http2", "setting has a forbidden value", Http2ErrorCode.PROTOCOL_ERROR);
  }
}
