// How often the public API may be asked (api-v2.md 1.9): generously by those who hold a token, strictly by those who
// show wrong ones. In memory: a wake forgives.
import { RateLimit } from "../../control/rate-limit.ts";

/** Limits of one tailnet's administration. */
export interface AdministrationLimits {
  /** By credential; null: there is none. */
  readonly requestLimit: RateLimit | null;
  /** By source address. */
  readonly failureLimit: RateLimit;
}

/** Limits for so many requests per second of each credential; 0: as many as it likes. */
export function administrationLimits(requestsPerSecond: number): AdministrationLimits {
  const rate = { burst: requestsPerSecond * 5, perSecond: requestsPerSecond };
  return {
    requestLimit: requestsPerSecond === 0 ? null : new RateLimit(rate),
    failureLimit: new RateLimit({ burst: 20, perSecond: 0.5 }),
  };
}
