// How far a log stream has come and how it fares (api-v2.md 2.14). The log itself is the queue: a stream that fails
// stays where it is and goes on from there, for as long as the log keeps its entries.

/** The state of a stream. Instants are milliseconds since 1970. */
export interface LogStreamState {
  /** Number of the last entry that has arrived. */
  readonly position: number;
  /** Attempts that failed since the last one that did not. */
  readonly failures: number;
  /** Nothing is sent before. */
  readonly notBefore: number;
  /** 0: never. */
  readonly lastActivityAt: number;
  /** Empty: the last attempt succeeded. */
  readonly lastError: string;
  readonly maxBodySize: number;
  readonly total: LogStreamCounts;
  /** What happened since `recentSince`, for rates. */
  readonly recent: LogStreamCounts;
  readonly recentSince: number;
}

/** What was sent. */
export interface LogStreamCounts {
  readonly bytes: number;
  readonly entries: number;
  readonly requests: number;
  readonly failed: number;
}

/** What an attempt came to. */
export interface LogAttempt {
  /** Of the body as it was sent. */
  readonly bytes: number;
  readonly entries: number;
  /** Number of the last of them. */
  readonly last: number;
  /** Empty: it arrived. */
  readonly error: string;
}

const NOTHING: LogStreamCounts = { bytes: 0, entries: 0, requests: 0, failed: 0 };
const RATE_WINDOW_MS = 5 * 60_000;
const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 60 * 60_000;
const ERROR_MAX = 500;

/** A stream that starts behind an entry. */
export function newLogStreamState(position: number, now: number): LogStreamState {
  return {
    position,
    failures: 0,
    notBefore: now,
    lastActivityAt: 0,
    lastError: "",
    maxBodySize: 0,
    total: NOTHING,
    recent: NOTHING,
    recentSince: now,
  };
}

/** The state while an attempt is under way: should it never end, the next one comes after a pause. */
export function attempting(state: LogStreamState, now: number): LogStreamState {
  return { ...state, notBefore: now + pauseAfter(state.failures + 1) };
}

/** The state after an attempt. */
export function attempted(
  state: LogStreamState,
  { bytes, entries, last, error }: LogAttempt,
  now: number,
): LogStreamState {
  const hasFailed = error !== "";
  const more = {
    bytes: hasFailed ? 0 : bytes,
    entries: hasFailed ? 0 : entries,
    requests: 1,
    failed: hasFailed ? 1 : 0,
  };
  const isStale = now - state.recentSince > RATE_WINDOW_MS;
  return {
    position: hasFailed ? state.position : last,
    failures: hasFailed ? state.failures + 1 : 0,
    notBefore: hasFailed ? now + pauseAfter(state.failures + 1) : now,
    lastActivityAt: now,
    lastError: error.slice(0, ERROR_MAX),
    maxBodySize: Math.max(state.maxBodySize, bytes),
    total: sum(state.total, more),
    recent: sum(isStale ? NOTHING : state.recent, more),
    recentSince: isStale ? now : state.recentSince,
  };
}

/** What happened per second of late. */
export function ratesOf({ recent, recentSince }: LogStreamState, now: number): LogStreamCounts {
  const seconds = (now - recentSince) / 1000;
  if (seconds * 1000 > 2 * RATE_WINDOW_MS) return NOTHING;
  const rate = (count: number) => count / Math.max(1, seconds);
  return {
    bytes: rate(recent.bytes),
    entries: rate(recent.entries),
    requests: rate(recent.requests),
    failed: rate(recent.failed),
  };
}

function pauseAfter(failures: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 20), LONGEST_PAUSE_MS);
}

function sum(a: LogStreamCounts, b: LogStreamCounts): LogStreamCounts {
  return {
    bytes: a.bytes + b.bytes,
    entries: a.entries + b.entries,
    requests: a.requests + b.requests,
    failed: a.failed + b.failed,
  };
}
