// Limits how often somebody may ask for what costs work before anything is proved. Kept in memory: a wake forgives.
import { isIPv4, parseAddress } from "../protocol/ip.ts";
import { HANDSHAKE_RATE, REGISTER_RATE, REPORT_RATE, TOKEN_RATE, TRUNK_REFUSAL_RATE } from "../protocol/limits.ts";

/** How much is allowed: `burst` at once, and `perSecond` in the long run. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Askers remembered at a time; beyond it the memory is cleared, which only forgives. */
const ASKERS_MAX = 10_000;

interface Bucket {
  tokens: number;
  at: number;
}

/** Token buckets by who asks. */
export class RateLimit {
  readonly rate: Rate;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate) {
    this.rate = rate;
  }

  /** Takes a token. @returns 0, or seconds until there will be one */
  take(asker: string, now: number): number {
    const bucket = this.#filled(asker, now);
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / this.rate.perSecond);
    bucket.tokens -= 1;
    return 0;
  }

  /** Tokens that an asker has left. */
  remaining(asker: string, now: number): number {
    return Math.floor(this.#filled(asker, now).tokens);
  }

  #filled(asker: string, now: number): Bucket {
    const { burst, perSecond } = this.rate;
    if (this.#buckets.size > ASKERS_MAX) this.#buckets.clear();
    const bucket = this.#buckets.get(asker) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1_000) * perSecond);
    bucket.at = now;
    this.#buckets.set(asker, bucket);
    return bucket;
  }
}

/** What a source is told that makes too many handshakes. */
export const TOO_MANY_HANDSHAKES = "too many connections from this address\n";

/** The limits of one tailnet's control server: of handshakes by source, of refusals by trunk, of the others by machine. */
export class ControlLimits {
  readonly handshakes = new RateLimit(HANDSHAKE_RATE);
  readonly refusals = new RateLimit(TRUNK_REFUSAL_RATE);
  readonly registrations = new RateLimit(REGISTER_RATE);
  readonly tokens = new RateLimit(TOKEN_RATE);
  readonly reports = new RateLimit(REPORT_RATE);
}

/** Who asks from an address: the IPv4 address, or the /64 of an IPv6 address, which one customer has to itself. */
export function sourceOf(address: string): string {
  const parsed = parseAddress(address);
  return parsed === undefined || isIPv4(parsed) ? address : (parsed >> 64n).toString(16);
}
