// BLAKE2s against RFC 7693 and OpenSSL, HMAC and HKDF against noble: every length around the blocks, any division.
import { createHash } from "node:crypto";
import { blake2s as nobleBlake2s } from "@noble/hashes/blake2.js";
import { hkdf as nobleHkdf } from "@noble/hashes/hkdf.js";
import { hmac as nobleHmac } from "@noble/hashes/hmac.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { concat, toHex, utf8 } from "../bytes.ts";
import { blake2s, hkdfPair, hmac } from "./blake2s.ts";

/** Bytes as RFC 7693 Appendix E makes its test data. */
function sequence(length: number, seed: number): Uint8Array {
  let a = Math.imul(0xdead4bad, seed);
  let b = 1;
  return Uint8Array.from({ length }, () => {
    const sum = (a + b) | 0;
    a = b;
    b = sum;
    return sum >>> 24;
  });
}

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

test("RFC 7693 appendix B: BLAKE2s-256 of abc", () => {
  expect(toHex(blake2s(utf8("abc")))).toBe("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
});

test("RFC 7693 appendix E: the self-test's inputs, hashed with OpenSSL too", () => {
  for (const length of [0, 3, 64, 65, 255, 1024]) {
    const input = sequence(length, length);
    expect(blake2s(input), `${length} bytes`).toEqual(new Uint8Array(createHash("blake2s256").update(input).digest()));
  }
});

test("hashes of every length up to four blocks and a byte are OpenSSL's", () => {
  for (let length = 0; length <= 257; length++) {
    const input = sequence(length, 7);
    expect(blake2s(input), `${length} bytes`).toEqual(new Uint8Array(createHash("blake2s256").update(input).digest()));
  }
});

test("the division of the input does not matter", () => {
  fc.assert(
    fc.property(fc.array(bytes(150), { maxLength: 6 }), (parts) => {
      expect(blake2s(...parts)).toEqual(nobleBlake2s(concat(parts)));
    }),
  );
});

test("HMAC is noble's for keys up to a block", () => {
  fc.assert(
    fc.property(bytes(64), fc.array(bytes(150), { maxLength: 4 }), (key, parts) => {
      expect(hmac(key, ...parts)).toEqual(nobleHmac(nobleBlake2s, key, concat(parts)));
    }),
  );
});

test("HMAC refuses a key longer than a block, which Noise does not have", () => {
  expect(() => hmac(new Uint8Array(65), utf8("x"))).toThrow(RangeError);
});

test("HKDF is noble's, also of no secret at all", () => {
  fc.assert(
    fc.property(bytes(64), bytes(150), (chainingKey, secret) => {
      const expected = nobleHkdf(nobleBlake2s, secret, chainingKey, undefined, 64);
      expect(concat(hkdfPair(chainingKey, secret))).toEqual(expected);
    }),
    { examples: [[new Uint8Array(32), new Uint8Array(0)]] },
  );
});

test("keys stand in buffers of their own, and no input is changed", () => {
  const [chainingKey, secret] = [sequence(32, 1), sequence(32, 2)];
  const pair = hkdfPair(chainingKey, secret);
  for (const key of pair) expect(key.buffer.byteLength).toBe(32);
  expect([chainingKey, secret]).toEqual([sequence(32, 1), sequence(32, 2)]);
  expect(hkdfPair(chainingKey, secret)).toEqual(pair);
});
