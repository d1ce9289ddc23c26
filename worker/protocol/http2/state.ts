// The state of one HTTP/2 connection, as plain data that survives structuredClone: it lives in a socket's attachment
// between any two messages. Property names are stored with it, so streams, of which there may be 100, are tuples.
// Worst case: 100 streams (44 bytes each), a full dynamic table (4 KB) and a header block in pieces (4 KB): 13 KB.
// With one open stream: under 300 bytes.
import type { FloodCounts } from "./flood.ts";
import type { HpackTable } from "./hpack/table.ts";
import type { RequestHead } from "./request-head.ts";

/** What one connection remembers. Only the functions of this folder read or change it. */
export interface Http2State {
  /** What the peer must send next: the preface, its first SETTINGS, or anything. */
  phase: "preface" | "settings" | "open";
  /** The beginning of a frame that is not complete; never DATA payload. Owns its buffer, so that a clone is small. */
  partial: Uint8Array;
  /** The DATA frame whose payload is arriving. */
  data: DataInProgress | undefined;
  /** Payload bytes to drop after `data`: padding, unknown frames, DATA of closed streams. */
  skip: number;
  /** The header block that CONTINUATION frames must complete before anything else. */
  block: BlockInProgress | undefined;
  readonly table: HpackTable;
  /** Largest dynamic table that the peer may use now: 4096 until it acknowledges our SETTINGS. */
  tableLimit: number;
  /** Open streams, in order of their ids. Whatever is not here and not above `highestId` is closed. */
  readonly streams: Http2Stream[];
  highestId: number;
  /** What the peer allows us to send on the connection, and on a new stream. */
  sendWindow: number;
  initialWindow: number;
  /** Received bytes of the connection's window that were not returned yet. */
  used: number;
  /** GOAWAY was sent: new streams are refused. */
  isGoingAway: boolean;
  readonly flood: FloodCounts;
}

/** A stream on which we may still send. It leaves the state when we end it or either side resets it. */
export type Http2Stream = [
  id: number,
  sendWindow: number,
  /** Received bytes of the stream's window that were not returned yet. */
  used: number,
  /** What is missing of a declared content-length. */
  bodyLeft: number | undefined,
  /** The peer sent END_STREAM. */
  isEnded: boolean,
];

/** Indexes into {@link Http2Stream}. */
export const StreamField = { ID: 0, SEND_WINDOW: 1, USED: 2, BODY_LEFT: 3, IS_ENDED: 4 } as const;

/** A DATA frame whose header was read. */
export interface DataInProgress {
  readonly streamId: number;
  left: number;
  readonly endStream: boolean;
}

/** A header block without its last fragment. */
export interface BlockInProgress {
  readonly streamId: number;
  readonly endStream: boolean;
  bytes: Uint8Array;
  continuations: number;
}

/** What happened on a connection, in order. */
export type Http2Event =
  | { readonly type: "request"; readonly streamId: number; readonly head: RequestHead; readonly endStream: boolean }
  /** A piece of a request body: a view on the received chunk. Trailers come as an empty last piece. */
  | { readonly type: "data"; readonly streamId: number; readonly data: Uint8Array; readonly endStream: boolean }
  /** The stream is gone: reset by the peer, or by this codec because the peer broke a rule of streams. */
  | { readonly type: "reset"; readonly streamId: number; readonly code: number }
  /** More may be sent than before, on one stream or (0) on all. */
  | { readonly type: "writable"; readonly streamId: number }
  /** The peer will open no more streams; those that are open go on. */
  | { readonly type: "goaway"; readonly code: number };

/** One call of `receive`: the state with what comes in and what goes out. */
export interface Turn {
  readonly state: Http2State;
  /** ms; for the flood counters. */
  readonly now: number;
  readonly out: Uint8Array[];
  readonly events: Http2Event[];
}

/** The open stream with an id. */
export function findStream(state: Http2State, streamId: number): Http2Stream | undefined {
  return state.streams.find((stream) => stream[StreamField.ID] === streamId);
}

/** Forgets a stream: from now on its id is closed. */
export function dropStream(state: Http2State, streamId: number): void {
  const at = state.streams.findIndex((stream) => stream[StreamField.ID] === streamId);
  if (at >= 0) state.streams.splice(at, 1);
}
