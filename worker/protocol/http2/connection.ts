// An HTTP/2 server connection for prior-knowledge clients (RFC 9113): bytes in, events and bytes out, state as plain data
// (state.ts). Follows Go's client (golang.org/x/net/http2 0.58), the only one that matters here, and what RFC 9113 asks
// of a server. Left out: server push, priorities, CONNECT, response trailers, and response heads above one frame.
import { concat, EMPTY, readU32 } from "../bytes.ts";
import { Http2ErrorCode, ProtocolError } from "../errors.ts";
import {
  HTTP2_CONNECTION_WINDOW,
  HTTP2_MAX_CONTINUATIONS,
  HTTP2_MAX_FRAME,
  HTTP2_MAX_HEADER_BLOCK,
  HTTP2_MAX_HEADER_LIST,
  HTTP2_MAX_STREAMS,
  HTTP2_STREAM_WINDOW,
} from "../limits.ts";
import { checkFrameHeader, readFrameHeader, readHeadersFragment, readSettings } from "./decode.ts";
import {
  encodeFrame,
  encodeFrameHeader,
  encodeGoAway,
  encodePingAck,
  encodeReset,
  encodeSettings,
  encodeSettingsAck,
  encodeWindowUpdate,
} from "./encode.ts";
import { count, noFlood } from "./flood.ts";
import { growOrThrow } from "./flow-window.ts";
import {
  CLIENT_PREFACE,
  DATA_FRAME_PAYLOAD,
  DEFAULT_WINDOW,
  Flag,
  FRAME_HEADER_SIZE,
  type FrameHeader,
  FrameType,
  MAX_WINDOW,
  Setting,
} from "./frame.ts";
import { encodeResponseBlock } from "./hpack/encode.ts";
import { DEFAULT_TABLE_SIZE, type HeaderField, newTable } from "./hpack/table.ts";
import { dropStream, findStream, type Http2Event, type Http2State, StreamField, type Turn } from "./state.ts";
import {
  failStream,
  receiveDataHeader,
  receiveDataPayload,
  receiveHeaders,
  receiveReset,
  receiveStreamWindow,
  type StreamFault,
} from "./stream.ts";

export type { RequestHead } from "./request-head.ts";
export type { Http2Event, Http2State } from "./state.ts";

/** Our dynamic table for the peer's encoder: none, so that idle state stays small. */
const TABLE_LIMIT = 0;

/** Starts a connection: our SETTINGS and the connection window go to `out`, and must be sent before anything else. */
export function openConnection(out: Uint8Array[]): Http2State {
  out.push(
    encodeSettings([
      [Setting.HEADER_TABLE_SIZE, TABLE_LIMIT],
      [Setting.MAX_CONCURRENT_STREAMS, HTTP2_MAX_STREAMS],
      [Setting.INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW],
      [Setting.MAX_HEADER_LIST_SIZE, HTTP2_MAX_HEADER_LIST],
    ]),
    encodeWindowUpdate(0, HTTP2_CONNECTION_WINDOW - DEFAULT_WINDOW),
  );
  return {
    phase: "preface",
    partial: EMPTY,
    data: undefined,
    skip: 0,
    block: undefined,
    table: newTable(),
    tableLimit: DEFAULT_TABLE_SIZE,
    streams: [],
    highestId: 0,
    sendWindow: DEFAULT_WINDOW,
    initialWindow: DEFAULT_WINDOW,
    used: 0,
    isGoingAway: false,
    flood: noFlood(),
  };
}

/**
 * Takes bytes from the peer, cut anywhere. Replies that the protocol asks for go to `out`. Events hold views on `chunk`.
 * `now` is in ms.
 * @throws ProtocolError `http2` with the code for {@link goAway} when the connection must end; the state is then only
 * good for that.
 */
export function receive(state: Http2State, chunk: Uint8Array, now: number, out: Uint8Array[]): Http2Event[] {
  const turn: Turn = { state, now, out, events: [] };
  const bytes = state.partial.length === 0 ? chunk : concat([state.partial, chunk]);
  let at = 0;
  while (at < bytes.length) {
    const taken = takeNext(turn, bytes, at);
    if (taken === 0) break;
    at += taken;
  }
  state.partial = at === bytes.length ? EMPTY : new Uint8Array(bytes.subarray(at));
  return turn.events;
}

/** Takes the next thing from `at` on and returns its length; 0 when more bytes are needed. */
function takeNext(turn: Turn, bytes: Uint8Array, at: number): number {
  const { state } = turn;
  if (state.data !== undefined) return receiveDataPayload(turn, bytes, at);
  if (state.skip > 0) {
    const skipped = Math.min(state.skip, bytes.length - at);
    state.skip -= skipped;
    return skipped;
  }
  return state.phase === "preface" ? takePreface(state, bytes, at) : takeFrame(turn, bytes, at);
}

function takePreface(state: Http2State, bytes: Uint8Array, at: number): number {
  const length = Math.min(CLIENT_PREFACE.length, bytes.length - at);
  for (let i = 0; i < length; i++) {
    if (bytes[at + i] !== CLIENT_PREFACE[i]) throw protocolError("bad connection preface");
  }
  if (length < CLIENT_PREFACE.length) return 0;
  state.phase = "settings";
  return length;
}

/** Takes a whole frame, or of DATA, GOAWAY and what is ignored only the part that matters. */
function takeFrame(turn: Turn, bytes: Uint8Array, at: number): number {
  const { state } = turn;
  if (bytes.length - at < FRAME_HEADER_SIZE) return 0;
  const header = readFrameHeader(bytes, at);
  checkFrameHeader(header);
  checkOrder(state, header);
  const start = at + FRAME_HEADER_SIZE;
  if (header.type === FrameType.DATA) return takeDataHeader(turn, header, bytes, start);
  const wanted = wantedLength(header);
  if (bytes.length - start < wanted) return 0;
  state.skip = header.length - wanted;
  const fault = receiveFrame(turn, header, bytes.subarray(start, start + wanted));
  if (fault !== undefined) failStream(turn, header.streamId, fault);
  return FRAME_HEADER_SIZE + wanted;
}

/** Refuses frames that may not come now, and header blocks that are too long, before their payload is awaited. */
function checkOrder(state: Http2State, { type, flags, streamId, length }: FrameHeader): void {
  const { block } = state;
  if (state.phase === "settings" && (type !== FrameType.SETTINGS || flags & Flag.ACK)) {
    throw protocolError("first frame is not SETTINGS");
  }
  const continues = type === FrameType.CONTINUATION;
  if (continues !== (block !== undefined) || (block !== undefined && block.streamId !== streamId)) {
    throw protocolError("header block is interleaved");
  }
  if (type === FrameType.HEADERS && streamId % 2 === 0) throw protocolError("client stream with an even id");
  if (type === FrameType.PUSH_PROMISE) throw protocolError("PUSH_PROMISE from a client");
  const isTooLong =
    (continues || type === FrameType.HEADERS) && (block?.bytes.length ?? 0) + length > HTTP2_MAX_HEADER_BLOCK;
  if (isTooLong || (block !== undefined && block.continuations >= HTTP2_MAX_CONTINUATIONS)) {
    throw new ProtocolError("http2", "header block is too long", Http2ErrorCode.ENHANCE_YOUR_CALM);
  }
}

// [9-byte header][u8 padding, if PADDED] must be there; the payload may follow in any pieces.
function takeDataHeader(turn: Turn, header: FrameHeader, bytes: Uint8Array, start: number): number {
  const isPadded = (header.flags & Flag.PADDED) !== 0;
  const paddingLength = isPadded && header.length > 0 ? 1 : 0;
  if (bytes.length - start < paddingLength) return 0;
  const fault = receiveDataHeader(turn, header, paddingLength > 0 ? (bytes[start] as number) : 0);
  if (fault !== undefined) failStream(turn, header.streamId, fault);
  return FRAME_HEADER_SIZE + paddingLength + receiveDataPayload(turn, bytes, start + paddingLength);
}

function wantedLength({ type, length }: FrameHeader): number {
  if (type === FrameType.GOAWAY) return 8;
  return type === FrameType.PRIORITY || type > FrameType.CONTINUATION ? 0 : length;
}

function receiveFrame(turn: Turn, header: FrameHeader, payload: Uint8Array): StreamFault {
  const { state, out, events, now } = turn;
  switch (header.type) {
    case FrameType.HEADERS:
    case FrameType.CONTINUATION:
      return receiveFragment(turn, header, payload);
    case FrameType.WINDOW_UPDATE:
      if (header.streamId !== 0) return receiveStreamWindow(turn, header.streamId, payload);
      receiveConnectionWindow(turn, readU32(payload, 0) & MAX_WINDOW);
      break;
    case FrameType.RST_STREAM:
      receiveReset(turn, header.streamId, payload);
      break;
    case FrameType.SETTINGS:
      receiveSettings(turn, header, payload);
      break;
    case FrameType.PING:
      count(state.flood, "pings", now);
      if (!(header.flags & Flag.ACK)) out.push(encodePingAck(payload));
      break;
    case FrameType.GOAWAY:
      events.push({ type: "goaway", code: readU32(payload, 4) });
      break;
  }
  return undefined;
}

function receiveFragment(turn: Turn, { type, flags, streamId }: FrameHeader, payload: Uint8Array): StreamFault {
  const { state } = turn;
  const block =
    state.block === undefined
      ? {
          streamId,
          endStream: (flags & Flag.END_STREAM) !== 0,
          bytes: readHeadersFragment(flags, payload),
          continuations: 0,
        }
      : { ...state.block, bytes: concat([state.block.bytes, payload]), continuations: state.block.continuations + 1 };
  if (flags & Flag.END_HEADERS) {
    state.block = undefined;
    return receiveHeaders(turn, block);
  }
  // A first fragment is a view on the chunk: copied, or a clone would take the whole chunk along.
  state.block = type === FrameType.HEADERS ? { ...block, bytes: new Uint8Array(block.bytes) } : block;
  return undefined;
}

function receiveSettings({ state, out, events, now }: Turn, { flags }: FrameHeader, payload: Uint8Array): void {
  count(state.flood, "settings", now);
  if (flags & Flag.ACK) {
    state.tableLimit = TABLE_LIMIT;
    return;
  }
  readSettings(payload, (identifier, value) => {
    if (identifier !== Setting.INITIAL_WINDOW_SIZE) return;
    const change = value - state.initialWindow;
    for (const stream of state.streams) {
      stream[StreamField.SEND_WINDOW] = growOrThrow(stream[StreamField.SEND_WINDOW], change);
    }
    state.initialWindow = value;
    if (change > 0 && state.streams.length > 0) events.push({ type: "writable", streamId: 0 });
  });
  state.phase = "open";
  out.push(encodeSettingsAck());
}

function receiveConnectionWindow({ state, events }: Turn, increment: number): void {
  if (increment === 0) throw protocolError("window increment is 0");
  state.sendWindow = growOrThrow(state.sendWindow, increment);
  events.push({ type: "writable", streamId: 0 });
}

/** Sends a response head on an open stream; does nothing on a closed one. Header names are lower-case. */
// oxlint-disable-next-line max-params -- one object per call would only rename what every caller has at hand
export function sendHeaders(
  state: Http2State,
  streamId: number,
  head: { readonly status: number; readonly headers?: readonly HeaderField[] },
  endStream: boolean,
  out: Uint8Array[],
): void {
  if (!isOpen(state, streamId)) return;
  const block = encodeResponseBlock(head.status, head.headers ?? []);
  if (block.length > HTTP2_MAX_FRAME) throw new RangeError("response head does not fit a frame");
  const flags = Flag.END_HEADERS | (endStream ? Flag.END_STREAM : 0);
  out.push(encodeFrame({ type: FrameType.HEADERS, flags, streamId }, block));
  if (endStream) finish(state, streamId, out);
}

/**
 * Sends what both windows allow of `data` and returns how many bytes that was; 0 on a closed stream. END_STREAM goes out
 * only when everything was accepted. `out` gets views on `data`.
 */
// oxlint-disable-next-line max-params -- one object per call would only rename what every caller has at hand
export function sendData(
  state: Http2State,
  streamId: number,
  data: Uint8Array,
  endStream: boolean,
  out: Uint8Array[],
): number {
  const stream = findStream(state, streamId);
  if (stream === undefined) return 0;
  const accepted = Math.min(data.length, sendWindow(state, streamId));
  const endsHere = endStream && accepted === data.length;
  if (accepted === 0 && !endsHere) return 0;
  state.sendWindow -= accepted;
  stream[StreamField.SEND_WINDOW] -= accepted;
  let at = 0;
  do {
    const length = Math.min(accepted - at, DATA_FRAME_PAYLOAD);
    const flags = endsHere && at + length === accepted ? Flag.END_STREAM : 0;
    out.push(encodeFrameHeader({ length, type: FrameType.DATA, flags, streamId }));
    if (length > 0) out.push(length === data.length ? data : data.subarray(at, at + length));
    at += length;
  } while (at < accepted);
  if (endsHere) finish(state, streamId, out);
  return accepted;
}

/** Length of body bytes whose frames, as {@link sendData} cuts them, take no more than a number of bytes; negative for none. */
export function bodyWithin(length: number): number {
  return length - FRAME_HEADER_SIZE * Math.ceil(length / DATA_FRAME_PAYLOAD);
}

/** Whether more may be sent on a stream: it was opened, and neither ended by us nor reset by anybody. */
export function isOpen(state: Http2State, streamId: number): boolean {
  return findStream(state, streamId) !== undefined;
}

/** How many bytes {@link sendData} would accept now. */
export function sendWindow(state: Http2State, streamId: number): number {
  const stream = findStream(state, streamId);
  return stream === undefined ? 0 : Math.max(0, Math.min(state.sendWindow, stream[StreamField.SEND_WINDOW]));
}

/** Ends a stream without a (whole) response; does nothing on a closed one. */
export function resetStream(state: Http2State, streamId: number, code: Http2ErrorCode, out: Uint8Array[]): void {
  if (!isOpen(state, streamId)) return;
  dropStream(state, streamId);
  out.push(encodeReset(streamId, code));
}

/** Tells the peer to open no more streams here; open streams go on, new ones are refused. */
export function goAway(state: Http2State, code: Http2ErrorCode, out: Uint8Array[]): void {
  state.isGoingAway = true;
  out.push(encodeGoAway(state.highestId, code));
}

/** After our END_STREAM: whoever still sends a body is told that nobody reads it (RFC 9113 §8.1). */
function finish(state: Http2State, streamId: number, out: Uint8Array[]): void {
  if (!findStream(state, streamId)?.[StreamField.IS_ENDED]) out.push(encodeReset(streamId, Http2ErrorCode.NO_ERROR));
  dropStream(state, streamId);
}

function protocolError(detail: string): ProtocolError {
  return new ProtocolError("http2", detail, Http2ErrorCode.PROTOCOL_ERROR);
}
