// Addresses, prefixes and ranges: text forms as Go's net/netip reads and writes them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addressBits,
  canonicalPrefix,
  formatAddress,
  formatPrefix,
  formatRange,
  isIPv4,
  maskPrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
  parseRange,
  prefixRange,
  rangePrefixes,
} from "./ip.ts";

const V6 = 1n << 128n;
const ipv4 = fc.bigInt({ min: 0n, max: (1n << 32n) - 1n });
const ipv6 = fc.oneof(
  fc.bigInt({ min: V6, max: 2n * V6 - 1n }),
  // Many zero groups, so that compression is exercised.
  fc
    .array(fc.constantFrom("0", "1", "f00d"), { minLength: 8, maxLength: 8 })
    .map((groups) => V6 + BigInt(`0x${groups.map((group) => group.padStart(4, "0")).join("")}`)),
);
const address = fc.oneof(ipv4, ipv6);

describe("addresses", () => {
  test.each([
    ["0.0.0.0", "0.0.0.0"],
    ["100.64.0.1", "100.64.0.1"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["FD7A:115C:A1E0::1", "fd7a:115c:a1e0::1"],
    ["fd7a:115c:a1e0:0:0:0:0:1", "fd7a:115c:a1e0::1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:0:2:2:0:0:3", "1::2:2:0:0:3"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::ffff:1.2.3.4", "::ffff:1.2.3.4"],
    ["::ffff:102:304", "::ffff:1.2.3.4"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
    ["::1.2.3.4", "::102:304"],
  ])("%s is written %s", (text, canonical) => {
    const parsed = parseAddress(text);
    expect(parsed === undefined ? undefined : formatAddress(parsed)).toBe(canonical);
  });

  test.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.256",
    "1.2.3.-4",
    "1.2.3.4 ",
    "1.2.3.4%eth0",
    "0x1.2.3.4",
    "１.2.3.4",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4::5:6:7:8",
    "12345::",
    "g::",
    "fe80::1%eth0",
    "::1.2.3",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "1:",
    ":1",
  ])("%j is no address", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  test("text and number convert into each other", () => {
    fc.assert(
      fc.property(address, (one) => {
        expect(parseAddress(formatAddress(one))).toBe(one);
      }),
    );
  });

  test("families do not mix", () => {
    expect(isIPv4(parseAddress("255.255.255.255") ?? 0n)).toBe(true);
    expect(isIPv4(parseAddress("::") ?? 0n)).toBe(false);
  });
});

describe("prefixes", () => {
  test.each([
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["10.1.2.3/32", "10.1.2.3/32"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["fd7a:115c:a1e0:b1a::7/64", "fd7a:115c:a1e0:b1a::/64"],
    ["::/0", "::/0"],
    ["10.1.2.3", "10.1.2.3/32"],
    ["::1", "::1/128"],
  ])("%s masks to %s", (text, canonical) => {
    expect(canonicalPrefix(text)).toBe(canonical);
  });

  test.each(["10.0.0.0/33", "::/129", "10.0.0.0/08", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "/8", "10.0.0.0/8/8"])(
    "%s is no prefix",
    (text) => {
      expect(parsePrefix(text)).toBeUndefined();
      expect(canonicalPrefix(text)).toBeUndefined();
    },
  );

  const prefix: fc.Arbitrary<Prefix> = address.chain((one) =>
    fc.record({ address: fc.constant(one), bits: fc.integer({ min: 0, max: addressBits(one) }) }),
  );

  test("a prefix has as many addresses as its bits leave, and its own among them", () => {
    fc.assert(
      fc.property(prefix, (one) => {
        const { first, last } = prefixRange(one);
        expect(last - first + 1n).toBe(1n << BigInt(addressBits(one.address) - one.bits));
        expect(first <= one.address && one.address <= last).toBe(true);
        expect(parsePrefix(formatPrefix(one))).toEqual(one);
        expect(maskPrefix(maskPrefix(one))).toEqual(maskPrefix(one));
      }),
    );
  });
});

describe("ranges", () => {
  test.each([
    ["10.0.0.0-10.255.255.255", "10.0.0.0/8"],
    ["10.0.0.1-10.0.0.2", "10.0.0.1-10.0.0.2"],
    ["10.0.0.7-10.0.0.7", "10.0.0.7"],
    ["0.0.0.0-255.255.255.255", "0.0.0.0/0"],
    ["2000::-3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::/3"],
    ["10.1.2.3/16", "10.1.0.0/16"],
  ])("%s is written %s", (text, canonical) => {
    const range = parseRange(text);
    expect(range === undefined ? undefined : formatRange(range)).toBe(canonical);
  });

  test.each(["10.0.0.2-10.0.0.1", "10.0.0.1-::1", "10.0.0.1-", "-10.0.0.1", "a-b", "10.0.0.0/8-10.0.0.1"])(
    "%s is no range",
    (text) => {
      expect(parseRange(text)).toBeUndefined();
    },
  );

  test("prefixes of a range make up the range, in order and without overlap", () => {
    const family = fc.constantFrom(ipv4, ipv6).chain((one) => fc.tuple(one, one));
    fc.assert(
      fc.property(family, ([a, b]) => {
        const range = a < b ? { first: a, last: b } : { first: b, last: a };
        const parts = rangePrefixes(range).map(prefixRange);
        expect(parts[0]?.first).toBe(range.first);
        expect(parts.at(-1)?.last).toBe(range.last);
        for (const [i, part] of parts.entries()) if (i > 0) expect(part.first).toBe((parts[i - 1]?.last ?? 0n) + 1n);
        expect(parts.length).toBeLessThanOrEqual(2 * addressBits(a) - 2);
      }),
    );
  });
});
