import { describe, expect, it } from "vitest";
import { HANDSHAKE_RATE } from "../protocol/limits.ts";
import { RateLimit, sourceOf } from "./rate-limit.ts";

describe("RateLimit", () => {
  it("allows a burst, then one per interval, and says how long to wait", () => {
    const limit = new RateLimit({ burst: 2, perSecond: 0.5 });
    expect([0, 0, 0, 2_000].map((now) => limit.take("a", now))).toEqual([0, 0, 2, 0]);
    expect(limit.take("a", 2_000)).toBe(2);
  });

  it("counts askers apart, and never saves up more than the burst", () => {
    const limit = new RateLimit({ burst: 1, perSecond: 1 });
    expect([limit.take("a", 0), limit.take("b", 0), limit.take("a", 0)]).toEqual([0, 0, 1]);
    expect([limit.take("a", 60_000), limit.take("a", 60_000)]).toEqual([0, 1]);
  });

  it("forgets when it remembers too many, which forgives", () => {
    const limit = new RateLimit({ burst: 1, perSecond: 1 });
    limit.take("a", 0);
    for (let i = 0; i <= 10_000; i++) limit.take(String(i), 0);
    expect(limit.take("a", 0)).toBe(0);
  });

  it("lets 1,000 nodes behind one gateway come back at once, each with two connections, again a little later", () => {
    const limit = new RateLimit(HANDSHAKE_RATE);
    const comeBack = (now: number) => Array.from({ length: 2_000 }, () => limit.take("gateway", now));
    expect(
      comeBack(0)
        .concat(comeBack(10_000))
        .filter((wait) => wait > 0),
    ).toEqual([]);
  });
});

const sameNetwork = sourceOf("2001:db8:1:2::");

describe("sourceOf", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2::1", sameNetwork],
    ["2001:db8:1:2:ffff::9", sameNetwork],
    ["not an address", "not an address"],
  ])("counts %s as %s", (address, source) => {
    expect(sourceOf(address)).toBe(source);
  });

  it("counts neighbouring networks apart", () => {
    expect(sourceOf("2001:db8:1:3::1")).not.toBe(sameNetwork);
  });
});
