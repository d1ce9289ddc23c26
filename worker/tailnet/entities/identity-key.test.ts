import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type IdentityKey, needsNewKey, publishedKeys, signingKey } from "./identity-key.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const keyOf = (id: string, createdAt: number): IdentityKey => ({ id, createdAt, privateKey: "" });

describe("identity keys", () => {
  it("begin with one that signs at once", () => {
    expect(needsNewKey([], 0)).toBe(true);
    expect(signingKey([], 0)).toBeUndefined();
    expect(signingKey([keyOf("a", 0)], 0)?.id).toBe("a");
    expect(needsNewKey([keyOf("a", 0)], 89 * DAY)).toBe(false);
  });

  it("publish a successor for a day before it signs, and the old key for a day after", () => {
    expect(needsNewKey([keyOf("a", 0)], 90 * DAY)).toBe(true);
    const keys = [keyOf("a", 0), keyOf("b", 90 * DAY)];
    const at = (now: number) => [
      signingKey(keys, now)?.id,
      publishedKeys(keys, now)
        .map(({ id }) => id)
        .join(""),
    ];
    expect(at(90 * DAY)).toEqual(["a", "ab"]);
    expect(at(91 * DAY - 1)).toEqual(["a", "ab"]);
    expect(at(91 * DAY)).toEqual(["b", "ab"]);
    expect(at(92 * DAY)).toEqual(["b", "b"]);
  });

  it("go on with the old key for a day when nobody has asked for years", () => {
    const keys = [keyOf("a", 0), keyOf("b", 1_000 * DAY)];
    expect(signingKey(keys, 1_000 * DAY)?.id).toBe("a");
    expect(publishedKeys(keys, 1_000 * DAY)).toHaveLength(2);
    expect(signingKey(keys, 1_001 * DAY)?.id).toBe("b");
  });

  it("never sign with what a relying party cannot have seen, nor unpublish what has signed within an hour", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 * 24 }), { minLength: 1, maxLength: 60 }), (pauses) => {
        let keys: readonly IdentityKey[] = [];
        let now = 0;
        let last: { key: IdentityKey; at: number } | undefined;
        for (const pause of pauses) {
          now += pause * HOUR;
          if (last !== undefined && now - last.at <= HOUR) expect(publishedKeys(keys, now)).toContain(last.key);
          if (needsNewKey(keys, now)) keys = [...publishedKeys(keys, now), keyOf(String(now), now)];
          const key = signingKey(keys, now);
          if (key === undefined) throw new Error("nothing signs");
          expect(publishedKeys(keys, now)).toContain(key);
          expect(now - key.createdAt >= DAY || keys.length === 1).toBe(true);
          last = { key, at: now };
        }
      }),
      { numRuns: 200 },
    );
  });
});
