// Paces new connections to the Worker (kubernetes.md C.1 G9). A deploy drops every WebSocket in the same second; then all
// clients come back, and each of their dials waits a random moment first, so that they do not come back in step.
import { setTimeout as sleep } from "node:timers/promises";

/** A drop is collective when so many bridges, and this share of all, end within the window. */
const DROP_WINDOW_MS = 1_000;
const DROP_COUNT = 10;
const DROP_SHARE = 0.2;
/** After a collective drop dials are jittered for this long, by up to this much. */
const RECOVERY_MS = 10_000;
const JITTER_MAX_MS = 2_000;

/** What the limiter needs from the world; tests replace it. Waits use timers of the process. */
export interface DialTiming {
  now(): number;
  random(): number;
  /** @throws AbortError when `signal` aborts */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

const REAL_TIME: DialTiming = {
  now: () => performance.now(),
  random: Math.random,
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
};

/** First-come first-served token bucket with a bounded queue. */
export class DialLimiter {
  readonly #perSecond: number;
  readonly #queueMax: number;
  readonly #timing: DialTiming;
  readonly #waiting = new Set<() => void>();
  #tokens: number;
  #refilledAt: number;
  #timer: NodeJS.Timeout | undefined;
  #drops = 0;
  #dropsSince = Number.NEGATIVE_INFINITY;
  #recoversUntil = Number.NEGATIVE_INFINITY;

  /** `perSecond` dials in the long run and at once; those that would wait longer than `maxWaitMs` are refused. */
  constructor(perSecond: number, maxWaitMs: number, timing: DialTiming = REAL_TIME) {
    this.#perSecond = perSecond;
    this.#queueMax = Math.max(1, (perSecond * maxWaitMs) / 1_000);
    this.#timing = timing;
    this.#tokens = perSecond;
    this.#refilledAt = timing.now();
  }

  /** Dials that wait for their turn. */
  get queued(): number {
    return this.#waiting.size;
  }

  /** Waits for the turn of one dial; false when the queue is full. @throws AbortError when `signal` aborts */
  async take(signal: AbortSignal): Promise<boolean> {
    if (this.#timing.now() < this.#recoversUntil) {
      await this.#timing.sleep(this.#timing.random() * JITTER_MAX_MS, signal);
    }
    signal.throwIfAborted();
    this.#refill();
    if (this.#waiting.size === 0 && this.#tokens >= 1) {
      this.#tokens -= 1;
      return true;
    }
    if (this.#waiting.size >= this.#queueMax) return false;
    await this.#turn(signal);
    return true;
  }

  /** Tells that the Worker's side ended a bridge while `open` of them stood. */
  noteDrop(open: number): void {
    const now = this.#timing.now();
    if (now - this.#dropsSince > DROP_WINDOW_MS) {
      this.#dropsSince = now;
      this.#drops = 0;
    }
    this.#drops += 1;
    // `open` falls as the window goes on; with the dropped ones it is what stood when the window began.
    if (this.#drops >= DROP_COUNT && this.#drops >= (open + this.#drops) * DROP_SHARE) {
      this.#recoversUntil = now + RECOVERY_MS;
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.delete(go);
        reject(signal.reason as Error);
      };
      const go = () => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.add(go);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#timer !== undefined) return;
    const waitMs = Math.max(1, ((1 - this.#tokens) * 1_000) / this.#perSecond);
    this.#timer = setTimeout(() => this.#serve(), waitMs);
  }

  #serve(): void {
    this.#timer = undefined;
    this.#refill();
    for (const go of this.#waiting) {
      if (this.#tokens < 1) break;
      this.#tokens -= 1;
      this.#waiting.delete(go);
      go();
    }
    if (this.#waiting.size > 0) this.#schedule();
  }

  #refill(): void {
    const now = this.#timing.now();
    const gained = ((now - this.#refilledAt) / 1_000) * this.#perSecond;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + Math.max(0, gained));
    this.#refilledAt = now;
  }
}
