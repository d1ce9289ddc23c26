// Counts the frames that cost a peer nothing and us something: resets (RFC 9113 §10.5, "rapid reset"), PING, SETTINGS and
// empty DATA. Plain data, so that a flood cannot be hidden behind a hibernation.
import { Http2ErrorCode, ProtocolError } from "../errors.ts";
import {
  HTTP2_FLOOD_WINDOW_MS,
  HTTP2_MAX_EMPTY_DATA,
  HTTP2_MAX_PINGS,
  HTTP2_MAX_RESETS,
  HTTP2_MAX_SETTINGS,
} from "../limits.ts";

/** Frames counted since the instant `since` (ms). */
export interface FloodCounts {
  since: number;
  /** RST_STREAM from the peer, and stream errors that it made us answer with one. */
  resets: number;
  pings: number;
  settings: number;
  emptyData: number;
}

const MAXIMUM = {
  resets: HTTP2_MAX_RESETS,
  pings: HTTP2_MAX_PINGS,
  settings: HTTP2_MAX_SETTINGS,
  emptyData: HTTP2_MAX_EMPTY_DATA,
} as const;

/** Nothing counted yet. */
export function noFlood(): FloodCounts {
  return { since: 0, resets: 0, pings: 0, settings: 0, emptyData: 0 };
}

/** Counts one frame. @throws ProtocolError ENHANCE_YOUR_CALM above the maximum of HTTP2_FLOOD_WINDOW_MS. */
export function count(counts: FloodCounts, kind: keyof typeof MAXIMUM, now: number): void {
  if (now - counts.since >= HTTP2_FLOOD_WINDOW_MS) Object.assign(counts, noFlood(), { since: now });
  counts[kind]++;
  if (counts[kind] > MAXIMUM[kind]) {
    throw new ProtocolError("http2", "too many control frames", Http2ErrorCode.ENHANCE_YOUR_CALM);
  }
}
