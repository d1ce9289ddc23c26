// Writes the HTTP/2 frames that a server sends (RFC 9113 §6). Each function returns one whole frame, except
// encodeFrameHeader, whose payload follows as a separate byte string so that bodies are not copied.
import { EMPTY, writeU16, writeU24, writeU32 } from "../bytes.ts";
import type { Http2ErrorCode } from "../errors.ts";
import { Flag, FRAME_HEADER_SIZE, type FrameHeader, FrameType } from "./frame.ts";

/** The 9 bytes in front of a payload of `length` bytes. */
export function encodeFrameHeader(header: FrameHeader): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_SIZE);
  writeFrameHeader(bytes, header);
  return bytes;
}

/** A frame with its payload, which is copied. */
export function encodeFrame(head: Omit<FrameHeader, "length">, payload: Uint8Array = EMPTY): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_SIZE + payload.length);
  writeFrameHeader(bytes, { ...head, length: payload.length });
  bytes.set(payload, FRAME_HEADER_SIZE);
  return bytes;
}

/** SETTINGS with the parameters in the given order. */
export function encodeSettings(settings: readonly (readonly [identifier: number, value: number])[]): Uint8Array {
  const payload = new Uint8Array(settings.length * 6);
  for (const [i, [identifier, value]] of settings.entries()) {
    writeU16(payload, i * 6, identifier);
    writeU32(payload, i * 6 + 2, value);
  }
  return encodeFrame({ type: FrameType.SETTINGS, flags: 0, streamId: 0 }, payload);
}

/** The acknowledgement of one SETTINGS frame. */
export function encodeSettingsAck(): Uint8Array {
  return encodeFrame({ type: FrameType.SETTINGS, flags: Flag.ACK, streamId: 0 });
}

/** WINDOW_UPDATE of a stream, or of the connection (stream 0). */
export function encodeWindowUpdate(streamId: number, increment: number): Uint8Array {
  return encodeFrame({ type: FrameType.WINDOW_UPDATE, flags: 0, streamId }, words(increment));
}

/** RST_STREAM. */
export function encodeReset(streamId: number, code: Http2ErrorCode): Uint8Array {
  return encodeFrame({ type: FrameType.RST_STREAM, flags: 0, streamId }, words(code));
}

/** The answer to a PING with the given 8 bytes. */
export function encodePingAck(opaque: Uint8Array): Uint8Array {
  return encodeFrame({ type: FrameType.PING, flags: Flag.ACK, streamId: 0 }, opaque);
}

/** GOAWAY without debug data. */
export function encodeGoAway(lastStreamId: number, code: Http2ErrorCode): Uint8Array {
  return encodeFrame({ type: FrameType.GOAWAY, flags: 0, streamId: 0 }, words(lastStreamId, code));
}

function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  for (const [i, value] of values.entries()) writeU32(bytes, i * 4, value);
  return bytes;
}

function writeFrameHeader(bytes: Uint8Array, { length, type, flags, streamId }: FrameHeader): void {
  writeU24(bytes, 0, length);
  bytes[3] = type;
  bytes[4] = flags;
  writeU32(bytes, 5, streamId);
}
