// How far a log stream has come and how it fares (api-v2.md 2.14). The log itself is the queue: a stream that fails
// stays where it is and goes on from there, for as long as the log keeps its entries.

/** The state of a stream. Instants are milliseconds since 1970. */
export interface LogStreamState {
  /** Number of the last entry that was sent and answered. */
  readonly position: number;
  /** Entries up to `position` that were refused for reasons that pass, in order; absent: none. */
  readonly postponed?: readonly PostponedEntry[];
  /** Entries that were given up, since they were refused for good; absent: none. */
  readonly refused?: number;
  /** Attempts that brought nothing since the last one that did. */
  readonly failures: number;
  /** Nothing is sent before. */
  readonly notBefore: number;
  /** 0: never. */
  readonly lastActivityAt: number;
  /** Empty: the last attempt brought all that it carried. */
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

/** An entry that will be sent again. */
export interface PostponedEntry {
  readonly id: number;
  /** How often it was refused while others of its request were taken. */
  readonly tries: number;
}

/** What an attempt came to. */
export interface LogAttempt {
  /** Of the body as it was sent. */
  readonly bytes: number;
  /** Numbers of the entries, in order. */
  readonly entries: readonly number[];
  /** What went wrong; empty: all were taken. */
  readonly error: string;
  /** What a destination that judges entries one by one said of them; undefined: the error is about all of them. */
  readonly judged?: { readonly postponed: ReadonlySet<number>; readonly refused: ReadonlySet<number> };
}

const NOTHING: LogStreamCounts = { bytes: 0, entries: 0, requests: 0, failed: 0 };
const RATE_WINDOW_MS = 5 * 60_000;
const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 60 * 60_000;
const ERROR_MAX = 500;
/** An entry that was refused so often while others were taken is given up: reasons that pass have passed by then. */
const TRIES_MAX = 12;

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

/**
 * The state after an attempt. Entries that a destination refused one by one never hold up the others: they are given up,
 * or go along with what comes next.
 */
export function attempted(state: LogStreamState, attempt: LogAttempt, now: number): LogStreamState {
  const { bytes, entries, error, judged } = attempt;
  const { postponed, refused } = outcomeOf(state, attempt);
  const taken =
    judged === undefined ? (error === "" ? entries.length : 0) : entries.length - postponed.length - refused;
  const isAnswered = judged !== undefined || error === "";
  const isToBeTriedAgain = !isAnswered || postponed.length > 0;
  const failures = isToBeTriedAgain && taken === 0 ? state.failures + 1 : 0;
  const more = {
    bytes: taken > 0 ? bytes : 0,
    entries: taken,
    requests: 1,
    failed: error === "" ? 0 : 1,
  };
  const isStale = now - state.recentSince > RATE_WINDOW_MS;
  return {
    position: isAnswered ? Math.max(state.position, entries.at(-1) ?? 0) : state.position,
    postponed: isAnswered ? postponed : (state.postponed ?? []),
    refused: (state.refused ?? 0) + refused,
    failures,
    notBefore: isToBeTriedAgain ? now + pauseAfter(failures) : now,
    lastActivityAt: now,
    lastError: error.slice(0, ERROR_MAX),
    maxBodySize: Math.max(state.maxBodySize, bytes),
    total: sum(state.total, more),
    recent: sum(isStale ? NOTHING : state.recent, more),
    recentSince: isStale ? now : state.recentSince,
  };
}

/** Which entries are sent again, and how many are given up. */
function outcomeOf(state: LogStreamState, { entries, judged }: LogAttempt) {
  if (judged === undefined) return { postponed: [], refused: 0 };
  const triesOf = new Map(state.postponed?.map(({ id, tries }) => [id, tries]));
  const areOthersTaken = judged.postponed.size + judged.refused.size < entries.length;
  const postponed = entries
    .filter((_, place) => judged.postponed.has(place))
    .map((id) => ({ id, tries: (triesOf.get(id) ?? 0) + (areOthersTaken ? 1 : 0) }));
  const kept = postponed.filter(({ tries }) => tries < TRIES_MAX);
  return { postponed: kept, refused: judged.refused.size + postponed.length - kept.length };
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
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.min(Math.max(failures - 1, 0), 20), LONGEST_PAUSE_MS);
}

function sum(a: LogStreamCounts, b: LogStreamCounts): LogStreamCounts {
  return {
    bytes: a.bytes + b.bytes,
    entries: a.entries + b.entries,
    requests: a.requests + b.requests,
    failed: a.failed + b.failed,
  };
}
