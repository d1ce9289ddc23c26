import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  equalInConstantTime,
  formToken,
  type LoginSession,
  newSession,
  openSession,
  sealSession,
} from "./login-session.ts";

const KEY = new Uint8Array(32).fill(7);
const NOW = 1_700_000_000_000;
let drawn = 0;
const random = (length: number) => Uint8Array.from({ length }, () => (drawn = (drawn * 5 + 3) % 251));

const session = fc.record<LoginSession>({
  id: fc.stringMatching(/^[0-9A-Za-z]{32}$/),
  userId: fc.option(fc.integer({ min: 1, max: 999_999_999 })),
  expiresAt: fc.integer({ min: NOW + 1, max: NOW + 1e9 }),
});

describe("a sealed session", () => {
  it("opens to what was sealed, until it is over", () => {
    fc.assert(
      fc.property(session, (original) => {
        const text = sealSession(KEY, original);
        expect(openSession(KEY, text, NOW)).toEqual(original);
        expect(openSession(KEY, text, original.expiresAt - 1)).toEqual(original);
        expect(openSession(KEY, text, original.expiresAt)).toBeUndefined();
      }),
    );
  });

  it("does not open with another key or after any change", () => {
    const original = newSession(101, NOW, random);
    const text = sealSession(KEY, original);
    expect(openSession(new Uint8Array(32).fill(8), text, NOW)).toBeUndefined();
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 0, maxLength: 2 }), (at, replacement) => {
        const changed = text.slice(0, at) + replacement + text.slice(at + 1);
        if (changed !== text) expect(openSession(KEY, changed, NOW)).toBeUndefined();
      }),
    );
  });

  it("does not open from arbitrary text", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => openSession(KEY, text, NOW) === undefined));
  });

  it("lasts twelve hours from its beginning", () => {
    expect(newSession(null, NOW, random).expiresAt).toBe(NOW + 43_200_000);
  });
});

describe("a form token", () => {
  it("belongs to one session, and is no signature of a cookie", () => {
    const a = newSession(101, NOW, random);
    const b = newSession(101, NOW, random);
    expect(a.id).not.toBe(b.id);
    expect(formToken(KEY, a)).not.toBe(formToken(KEY, b));
    expect(sealSession(KEY, a)).not.toContain(formToken(KEY, a));
    expect(formToken(KEY, a)).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("equalInConstantTime", () => {
  it("says whether two texts are equal, of whatever lengths", () => {
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => equalInConstantTime(a, b) === (a === b)));
    fc.assert(fc.property(fc.string(), (a) => equalInConstantTime(a, a)));
    expect(equalInConstantTime("abc", "ab")).toBe(false);
    expect(equalInConstantTime("", "a")).toBe(false);
    expect(equalInConstantTime("a\u0000", "a")).toBe(false);
  });
});
