// Leaving without a stampede (kubernetes.md C.1 G9, C.10): bridges end one after another over the drain time, so that
// their clients reach the other gateways one after another.
import { setTimeout as sleep } from "node:timers/promises";
import type { Bridge } from "./bridge/bridges.ts";

const STEP_MS = 50;
/** Part of the drain time in which bridges are told to end; the rest is for their last bytes. */
const SPREAD = 0.8;

/** The time as a drain sees it; tests replace it. */
export interface DrainClock {
  /** Milliseconds since an instant of its own. */
  now(): number;
  sleep(ms: number): Promise<void>;
}

const REAL_TIME: DrainClock = { now: () => performance.now(), sleep: (ms) => sleep(ms) };

/** Ends all bridges, evenly over `seconds`; resolves when none stands or the time is over. */
export async function drainBridges(
  bridges: Iterable<Bridge> & { readonly size: number },
  seconds: number,
  clock: DrainClock = REAL_TIME,
): Promise<void> {
  const leaving = [...bridges];
  const startedAt = clock.now();
  let told = 0;
  for (;;) {
    const elapsed = (clock.now() - startedAt) / 1_000;
    const share = elapsed < seconds ? (elapsed + STEP_MS / 1_000) / (seconds * SPREAD) : 1;
    for (const due = Math.ceil(leaving.length * share); told < due; told++) leaving[told]?.drain();
    if (bridges.size === 0 || elapsed >= seconds) return;
    await clock.sleep(STEP_MS);
  }
}
