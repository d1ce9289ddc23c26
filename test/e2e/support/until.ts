// Waiting for something that no event announces: looks again and again until it is there, and says what was awaited
// when it never comes.
import { setTimeout as sleep } from "node:timers/promises";

/** How long and how often to look. */
export interface UntilOptions {
  readonly timeoutMs?: number;
  readonly everyMs?: number;
}

type Found<T> = Exclude<T, undefined | null | false>;

/**
 * Calls `look` until it returns something other than undefined, null or false, and returns that.
 * An error thrown by `look` counts as not yet, and becomes the cause when time runs out.
 * @throws Error naming `what` after `timeoutMs` (60 s)
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  { timeoutMs = 60_000, everyMs = 100 }: UntilOptions = {},
): Promise<Found<T>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const found = await look();
      if (found !== undefined && found !== null && found !== false) return found as Found<T>;
    } catch (error) {
      if (error instanceof GaveUp) throw error;
      cause = error;
    }
    if (Date.now() >= deadline) throw new Error(`${what}: not within ${timeoutMs} ms`, { cause });
    await sleep(everyMs);
  }
}

/** Thrown inside `look` when waiting any longer is pointless, for example because the process has died. */
export class GaveUp extends Error {
  override name = "GaveUp";
}
