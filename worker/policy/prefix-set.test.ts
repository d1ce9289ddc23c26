// Set algebra of addresses against plain sets of small numbers.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatRange } from "../protocol/ip.ts";
import {
  contains,
  covers,
  coversRange,
  EVERYTHING,
  INTERNET,
  isExitRange,
  overlaps,
  type PrefixSet,
  prefixSet,
  prefixSetOf,
  subtract,
  union,
} from "./prefix-set.ts";

// A small universe that straddles the border between the families.
const V6 = 1n << 128n;
const UNIVERSE = [...Array(24).keys()].map((i) => (i < 12 ? BigInt(i) : V6 + BigInt(i - 12)));
const range = fc
  .tuple(fc.integer({ min: 0, max: 11 }), fc.integer({ min: 0, max: 11 }), fc.boolean())
  .map(([a, b, isV6]) => {
    const base = isV6 ? V6 : 0n;
    return { first: base + BigInt(Math.min(a, b)), last: base + BigInt(Math.max(a, b)) };
  });
const ranges = fc.array(range, { maxLength: 6 });

function membersOf(set: PrefixSet): bigint[] {
  return UNIVERSE.filter((address) => contains(set, address));
}

/** What ranges hold, address by address. */
function naive(all: readonly { readonly first: bigint; readonly last: bigint }[]): bigint[] {
  return UNIVERSE.filter((address) => all.some(({ first, last }) => first <= address && address <= last));
}

describe("prefix sets", () => {
  test("hold what their ranges hold, in order and with gaps between them", () => {
    fc.assert(
      fc.property(ranges, (all) => {
        const set = prefixSet(all);
        expect(membersOf(set)).toEqual(naive(all));
        for (const [i, one] of set.entries())
          if (i > 0) expect(one.first).toBeGreaterThan((set[i - 1]?.last ?? 0n) + 1n);
      }),
    );
  });

  test("join, differ, overlap and cover as plain sets do", () => {
    fc.assert(
      fc.property(ranges, ranges, (left, right) => {
        const [a, b] = [prefixSet(left), prefixSet(right)];
        const [x, y] = [naive(left), naive(right)];
        expect(membersOf(union(a, b))).toEqual(naive([...left, ...right]));
        expect(membersOf(subtract(a, b))).toEqual(x.filter((address) => !y.includes(address)));
        expect(subtract(a, b)).toEqual(prefixSet(subtract(a, b)));
        expect(covers(a, b)).toBe(y.every((address) => x.includes(address)));
        for (const one of right) {
          expect(overlaps(a, one)).toBe(naive([one]).some((address) => x.includes(address)));
          expect(coversRange(a, one)).toBe(naive([one]).every((address) => x.includes(address)));
        }
      }),
      { numRuns: 500 },
    );
  });

  test("the internet is what autogroup:internet is sent as", () => {
    expect(INTERNET.map(formatRange)).toEqual([
      "0.0.0.0-9.255.255.255",
      "11.0.0.0-100.63.255.255",
      "100.128.0.0-169.253.255.255",
      "169.255.0.0-172.15.255.255",
      "172.32.0.0-192.167.255.255",
      "192.169.0.0-255.255.255.255",
      "2000::/3",
    ]);
  });

  test("only the two default routes are exit ranges", () => {
    expect(EVERYTHING.map(isExitRange)).toEqual([true, true]);
    expect(prefixSetOf("0.0.0.0/1", "::/1").map(isExitRange)).toEqual([false, false]);
  });

  test("constants refuse a malformed range", () => {
    expect(() => prefixSetOf("10.0.0.0/33")).toThrow("malformed range");
  });
});
