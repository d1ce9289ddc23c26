// Hashes of address sets: equal for equal sets however they are cut, different for different ones.
import fc from "fast-check";
import { expect, test } from "vitest";
import { prefixSet } from "../../prefix-set.ts";
import { addHash, hashAddress, hashRanges, hashText, NO_ADDRESSES, removeHash } from "./address-hash.ts";

const V6 = 1n << 128n;
const address = fc.oneof(fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }), fc.bigInt({ min: V6, max: 2n * V6 - 1n }));
const addresses = fc.uniqueArray(address, { maxLength: 20 });
const single = (one: bigint) => ({ first: one, last: one });

test("a set hashes alike as single addresses and as ranges", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 1n << 31n }), fc.integer({ min: 1, max: 40 }), (first, size) => {
      const all = [...Array(size).keys()].map((i) => first + BigInt(i));
      const sum = all.map(hashAddress).reduce(addHash, NO_ADDRESSES);
      expect(sum).toEqual(hashRanges(prefixSet(all.map(single))));
    }),
  );
});

test("what joins and leaves again leaves no trace", () => {
  fc.assert(
    fc.property(addresses, address, (all, extra) => {
      const sum = all.map(hashAddress).reduce(addHash, NO_ADDRESSES);
      expect(removeHash(addHash(sum, hashAddress(extra)), hashAddress(extra))).toEqual(sum);
    }),
  );
});

test("ten thousand neighbouring addresses and their pairs hash apart", () => {
  const seen = new Set<string>();
  const base = 0x64400000n;
  for (let i = 0n; i < 10_000n; i++) {
    seen.add(hashText(hashAddress(base + i)));
    seen.add(hashText(hashAddress(V6 + base + i)));
    seen.add(hashText(addHash(hashAddress(base + i), hashAddress(base + i + 2n))));
  }
  expect(seen.size).toBe(30_000);
});
