// What a client's frames do to its streams (RFC 9113 §5.1, §6.1, §6.2, §6.4, §6.9, §8.1): requests, bodies, trailers,
// resets and stream windows. What breaks the connection throws; a fault of one stream is returned as the code that the
// stream is to be reset with.
import { EMPTY, readU32 } from "../bytes.ts";
import { Http2ErrorCode, ProtocolError } from "../errors.ts";
import { HTTP2_MAX_HEADER_LIST, HTTP2_MAX_STREAMS } from "../limits.ts";
import { encodeReset, encodeWindowUpdate } from "./encode.ts";
import { count } from "./flood.ts";
import { grow, isReturnDue } from "./flow-window.ts";
import { Flag, type FrameHeader, MAX_WINDOW } from "./frame.ts";
import { decodeBlock } from "./hpack/decode.ts";
import type { HeaderField } from "./hpack/table.ts";
import { areTrailers, readRequest } from "./request-head.ts";
import { type BlockInProgress, dropStream, findStream, type Http2Stream, StreamField, type Turn } from "./state.ts";

/** Why one stream must be reset; undefined when all is well. */
export type StreamFault = Http2ErrorCode | undefined;

/** Acts on a complete header block. Decodes it before anything else, so that the dynamic table stays in step. */
export function receiveHeaders(turn: Turn, block: BlockInProgress): StreamFault {
  const { state } = turn;
  const { streamId, endStream } = block;
  const fields = decodeBlock(state.table, block.bytes, {
    tableLimit: state.tableLimit,
    maxList: HTTP2_MAX_HEADER_LIST,
  });
  const stream = findStream(state, streamId);
  if (stream !== undefined) return receiveTrailers(turn, stream, endStream ? fields : undefined);
  if (streamId > state.highestId) return receiveRequest(turn, block, fields);
  // Not a connection error: it may be trailers that were under way when we reset the stream.
  return Http2ErrorCode.STREAM_CLOSED;
}

function receiveRequest(
  { state, events }: Turn,
  { streamId, endStream }: BlockInProgress,
  fields: HeaderField[] | undefined,
): StreamFault {
  state.highestId = streamId;
  if (state.isGoingAway || state.streams.length >= HTTP2_MAX_STREAMS) return Http2ErrorCode.REFUSED_STREAM;
  if (fields === undefined) return Http2ErrorCode.ENHANCE_YOUR_CALM;
  const request = readRequest(fields);
  if (request === undefined || (endStream && request.contentLength)) return Http2ErrorCode.PROTOCOL_ERROR;
  state.streams.push([streamId, state.initialWindow, 0, request.contentLength, endStream]);
  events.push({ type: "request", streamId, head: request.head, endStream });
  return undefined;
}

function receiveTrailers({ events }: Turn, stream: Http2Stream, fields: HeaderField[] | undefined): StreamFault {
  const [streamId, , , bodyLeft, isEnded] = stream;
  if (isEnded) return Http2ErrorCode.STREAM_CLOSED;
  if (fields === undefined || bodyLeft || !areTrailers(fields)) return Http2ErrorCode.PROTOCOL_ERROR;
  stream[StreamField.IS_ENDED] = true;
  events.push({ type: "data", streamId, data: EMPTY, endStream: true });
  return undefined;
}

/**
 * Acts on the header of a DATA frame and, if it is PADDED, on the padding length: accounts for the whole frame and
 * decides whether its payload will be passed on or dropped. Windows are returned here, before the payload is in, because
 * nothing of it is ever held back. For the same reason a peer cannot be caught exceeding them: whatever it sent was
 * granted again at once.
 */
export function receiveDataHeader(turn: Turn, header: FrameHeader, padding: number): StreamFault {
  const { state, now } = turn;
  const { streamId, length } = header;
  assertNotIdle(turn, streamId);
  const paddingLength = header.flags & Flag.PADDED ? 1 : 0;
  const left = length - paddingLength - padding;
  if (left < 0) throw new ProtocolError("http2", "padding exceeds the frame", Http2ErrorCode.PROTOCOL_ERROR);
  useConnectionWindow(turn, length);
  const endStream = (header.flags & Flag.END_STREAM) !== 0;
  if (left === 0 && !endStream) count(state.flood, "emptyData", now);

  state.skip = length - paddingLength;
  const stream = findStream(state, streamId);
  if (stream === undefined) return undefined;
  const fault = faultOfData(stream, left, endStream);
  if (fault !== undefined) return fault;
  useStreamWindow(turn, stream, length, endStream);
  const bodyLeft = stream[StreamField.BODY_LEFT];
  if (bodyLeft !== undefined) stream[StreamField.BODY_LEFT] = bodyLeft - left;
  state.data = { streamId, left, endStream };
  state.skip = padding;
  return undefined;
}

function faultOfData([, , , bodyLeft, isEnded]: Http2Stream, length: number, endStream: boolean): StreamFault {
  if (isEnded) return Http2ErrorCode.STREAM_CLOSED;
  if (bodyLeft === undefined) return undefined;
  return (endStream ? length !== bodyLeft : length > bodyLeft) ? Http2ErrorCode.PROTOCOL_ERROR : undefined;
}

function useConnectionWindow({ state, out }: Turn, length: number): void {
  state.used += length;
  if (!isReturnDue(state.used)) return;
  out.push(encodeWindowUpdate(0, state.used));
  state.used = 0;
}

function useStreamWindow({ out }: Turn, stream: Http2Stream, length: number, endStream: boolean): void {
  const used = stream[StreamField.USED] + length;
  const isDue = !endStream && isReturnDue(used);
  if (isDue) out.push(encodeWindowUpdate(stream[StreamField.ID], used));
  stream[StreamField.USED] = isDue ? 0 : used;
}

/**
 * Passes on what has arrived of the DATA frame in progress, unless its stream was closed meanwhile. Returns how many
 * bytes from `at` on it took.
 */
export function receiveDataPayload({ state, events }: Turn, bytes: Uint8Array, at: number): number {
  const { data } = state;
  if (data === undefined) return 0;
  const piece = bytes.subarray(at, at + data.left);
  data.left -= piece.length;
  const isLast = data.left === 0;
  const endStream = isLast && data.endStream;
  if (isLast) state.data = undefined;
  const stream = findStream(state, data.streamId);
  if (stream === undefined) return piece.length;
  if (endStream) stream[StreamField.IS_ENDED] = true;
  if (piece.length > 0 || endStream) events.push({ type: "data", streamId: data.streamId, data: piece, endStream });
  return piece.length;
}

/** Acts on RST_STREAM. */
export function receiveReset(turn: Turn, streamId: number, payload: Uint8Array): void {
  const { state, events, now } = turn;
  assertNotIdle(turn, streamId);
  count(state.flood, "resets", now);
  if (findStream(state, streamId) === undefined) return;
  dropStream(state, streamId);
  events.push({ type: "reset", streamId, code: readU32(payload, 0) });
}

/** Acts on WINDOW_UPDATE of a stream. */
export function receiveStreamWindow(turn: Turn, streamId: number, payload: Uint8Array): StreamFault {
  assertNotIdle(turn, streamId);
  const stream = findStream(turn.state, streamId);
  if (stream === undefined) return undefined;
  const increment = readU32(payload, 0) & MAX_WINDOW;
  if (increment === 0) return Http2ErrorCode.PROTOCOL_ERROR;
  const grown = grow(stream[StreamField.SEND_WINDOW], increment);
  if (grown === undefined) return Http2ErrorCode.FLOW_CONTROL_ERROR;
  stream[StreamField.SEND_WINDOW] = grown;
  turn.events.push({ type: "writable", streamId });
  return undefined;
}

/** Resets a stream whose peer broke a rule. The event is for those that know the stream from its request. */
export function failStream(turn: Turn, streamId: number, code: Http2ErrorCode): void {
  const { state, out, events, now } = turn;
  count(state.flood, "resets", now);
  out.push(encodeReset(streamId, code));
  if (findStream(state, streamId) === undefined) return;
  dropStream(state, streamId);
  events.push({ type: "reset", streamId, code });
}

/** Frames other than HEADERS must not name a stream that the client never opened. */
function assertNotIdle({ state }: Turn, streamId: number): void {
  if (streamId > state.highestId || streamId % 2 === 0) {
    throw new ProtocolError("http2", "frame on an idle stream", Http2ErrorCode.PROTOCOL_ERROR);
  }
}
