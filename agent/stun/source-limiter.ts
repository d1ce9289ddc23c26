// How many answers each source may cause: a token bucket for each IPv4 address and each IPv6 /64, of which the least
// recently heard are forgotten. A flood under ever new false addresses therefore finds memory of a fixed size; what it
// gains is a fresh bucket for an address that the flood itself has pushed out, and the limit over all sources stands.
import { type Address, isIPv4 } from "../../worker/protocol/ip.ts";

/** Sources that are remembered; about 9 MB (docs/stun.md). */
const SOURCES_MAX = 65_536;

/** A rate in the long run, and what may come at once. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Token buckets by source. Times are milliseconds of one steady clock. */
export class SourceLimiter {
  readonly #rate: Rate;
  readonly #max: number;
  /** By source, the least recently heard first. */
  readonly #buckets = new Map<bigint, Bucket>();

  constructor(rate: Rate, max = SOURCES_MAX) {
    this.#rate = rate;
    this.#max = max;
  }

  /** How many sources are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes a token of the source; false when it has none. */
  take(address: Address, now: number): boolean {
    const source = sourceOf(address);
    const bucket = this.#bucket(source, now);
    this.#buckets.set(source, bucket);
    refill(bucket, this.#rate, now);
    return takeFrom(bucket);
  }

  /** The bucket of a source, taken out of the order so that it is put in as the newest. */
  #bucket(source: bigint, now: number): Bucket {
    const known = this.#buckets.get(source);
    if (known !== undefined) {
      this.#buckets.delete(source);
      return known;
    }
    if (this.#buckets.size >= this.#max) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    return { tokens: this.#rate.burst, at: now };
  }
}

/** One token bucket, for all sources together. */
export class TotalLimiter {
  readonly #rate: Rate;
  readonly #bucket: Bucket;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#bucket = { tokens: rate.burst, at: now };
  }

  /** Takes a token; false when there is none. */
  take(now: number): boolean {
    refill(this.#bucket, this.#rate, now);
    return takeFrom(this.#bucket);
  }
}

/** A subscriber has at least a /64 of IPv6, so that single addresses there say nothing. The two kinds never meet: the
 *  number of an IPv6 address has bit 128 set. */
function sourceOf(address: Address): bigint {
  return isIPv4(address) ? address : address >> 64n;
}

function refill(bucket: Bucket, { perSecond, burst }: Rate, now: number): void {
  const gained = (Math.max(0, now - bucket.at) * perSecond) / 1_000;
  bucket.tokens = Math.min(burst, bucket.tokens + gained);
  bucket.at = now;
}

function takeFrom(bucket: Bucket): boolean {
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}
