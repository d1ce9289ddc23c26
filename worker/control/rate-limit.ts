// Limits how often one machine may ask to register: each request costs a look-up, a hash and perhaps a write, and the
// asker has proved nothing but its own key. Kept in memory; a wake forgives.

const BURST = 60;
const PER_SECOND = 1;
/** Machines remembered at a time; beyond it the memory is cleared, which only forgives. */
const MACHINES_MAX = 10_000;

interface Bucket {
  tokens: number;
  at: number;
}

/** Token buckets by machine key. */
export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();

  /** Takes a token. @returns 0, or seconds until there will be one */
  take(machineKey: string, now: number): number {
    if (this.#buckets.size > MACHINES_MAX) this.#buckets.clear();
    const bucket = this.#buckets.get(machineKey) ?? { tokens: BURST, at: now };
    bucket.tokens = Math.min(BURST, bucket.tokens + ((now - bucket.at) / 1_000) * PER_SECOND);
    bucket.at = now;
    this.#buckets.set(machineKey, bucket);
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / PER_SECOND);
    bucket.tokens -= 1;
    return 0;
  }
}
