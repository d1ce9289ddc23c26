import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAddress } from "../../worker/protocol/ip.ts";
import { SourceLimiter, TotalLimiter } from "./source-limiter.ts";

const address = (text: string): bigint => parseAddress(text) as bigint;

/** How many of `count` questions at one instant pass. */
function passed(limiter: SourceLimiter, from: string, count: number, now: number): number {
  return Array.from({ length: count }, () => limiter.take(address(from), now)).filter(Boolean).length;
}

describe("the limit per source", () => {
  it("lets a burst pass, then the rate, and leaves others alone", () => {
    const limiter = new SourceLimiter({ perSecond: 10, burst: 5 });
    expect(passed(limiter, "192.0.2.1", 20, 0)).toBe(5);
    expect(passed(limiter, "192.0.2.2", 20, 0)).toBe(5);
    expect(passed(limiter, "192.0.2.1", 20, 300)).toBe(3);
    expect(passed(limiter, "192.0.2.1", 20, 60_000)).toBe(5);
  });

  it("counts a /64 of IPv6 as one source, and each IPv4 address as its own", () => {
    const limiter = new SourceLimiter({ perSecond: 1, burst: 2 });
    expect(passed(limiter, "2001:db8:0:1::1", 2, 0)).toBe(2);
    expect(passed(limiter, "2001:db8:0:1:ffff::2", 2, 0)).toBe(0);
    expect(passed(limiter, "2001:db8:0:2::1", 2, 0)).toBe(2);
    expect(passed(limiter, "::1", 2, 0)).toBe(2);
    expect(passed(limiter, "0.0.0.0", 2, 0)).toBe(2);
  });

  it("remembers so many sources and no more, whoever floods it, and forgets the longest silent first", () => {
    const limiter = new SourceLimiter({ perSecond: 1, burst: 1 }, 100);
    for (let i = 0; i < 10_000; i++) {
      limiter.take(BigInt(i), 0);
      limiter.take(address("198.51.100.1"), 0); // speaks all the time, so it is not forgotten
    }
    expect(limiter.size).toBe(100);
    expect(limiter.take(address("198.51.100.1"), 0)).toBe(false);
    expect(limiter.take(BigInt(0), 0)).toBe(true); // forgotten long ago
  });

  it("never lets more pass than burst and rate allow, at any times", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(400), { maxLength: 200 }), (pauses) => {
        const limiter = new SourceLimiter({ perSecond: 20, burst: 7 });
        let now = 0;
        let count = 0;
        for (const pause of pauses) {
          now += pause;
          if (limiter.take(1n, now)) count++;
        }
        expect(count).toBeLessThanOrEqual(7 + (20 * now) / 1_000);
      }),
    );
  });

  it("is not fooled by a clock that steps back", () => {
    const limiter = new SourceLimiter({ perSecond: 1_000, burst: 1 });
    expect([limiter.take(1n, 1_000), limiter.take(1n, 0), limiter.take(1n, 0)]).toEqual([true, false, false]);
  });
});

it("the limit over all sources holds", () => {
  const limiter = new TotalLimiter({ perSecond: 100, burst: 10 }, 0);
  const take = (now: number) => Array.from({ length: 50 }, () => limiter.take(now)).filter(Boolean).length;
  expect([take(0), take(50), take(10_000)]).toEqual([10, 5, 10]);
});
