import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AddressRange, formatAddress, parseAddress, parseRange, prefixRange } from "../../protocol/ip.ts";
import { allocateAddresses } from "./address-pool.ts";

const POOL_SIZE = 1 << 22;
const free = { isTaken: () => false };

function range(text: string): AddressRange {
  const parsed = parseRange(text);
  if (parsed === undefined) throw new Error(`not a range: ${text}`);
  return parsed;
}

function contains({ first, last }: AddressRange, address: string): boolean {
  const value = parseAddress(address);
  return value !== undefined && value >= first && value <= last;
}

describe("allocateAddresses", () => {
  it("starts at 100.64.0.1 and counts up", () => {
    expect(allocateAddresses(1, free)).toEqual({ ipv4: "100.64.0.1", ipv6: "fd7a:115c:a1e0::1", nextIndex: 2 });
    expect(allocateAddresses(2, free)).toEqual({ ipv4: "100.64.0.2", ipv6: "fd7a:115c:a1e0::2", nextIndex: 3 });
  });

  it("takes the first that is free", () => {
    const taken = new Set(["100.64.0.1", "100.64.0.2", "100.64.0.4"]);
    expect(allocateAddresses(1, { isTaken: (ipv4) => taken.has(ipv4) })?.ipv4).toBe("100.64.0.3");
  });

  it.each([
    [0, "100.64.0.1"],
    [0xff, "100.64.1.1"],
    [0x53, "100.64.0.84"],
    [((100 - 64) << 16) | 0, "100.100.1.1"],
    [((100 - 64) << 16) | (100 << 8) | 1, "100.100.101.1"],
    [((101 - 64) << 16) | (102 << 8) | 103, "100.101.102.104"],
    [((115 - 64) << 16) | (92 << 8) | 1, "100.115.94.1"],
    [POOL_SIZE - 1, "100.64.0.1"],
  ])("passes over the reserved addresses at index %i to %s", (index, ipv4) => {
    expect(allocateAddresses(index, free)?.ipv4).toBe(ipv4);
  });

  it("gives no address that clients or the service use themselves", () => {
    const reserved = ["100.100.0.0/24", "100.100.100.0/24", "100.101.102.103", "100.115.92.0/23", "fd7a:115c:a1e0::53"];
    for (const text of reserved) {
      const { first } = range(text);
      const around = text.includes(":") ? 0x53 : Number(first - range("100.64.0.0").first);
      for (let index = Math.max(0, around - 300); index < around + 600; index++) {
        const { ipv4, ipv6 } = allocateAddresses(index, free) ?? { ipv4: "", ipv6: "" };
        expect(contains(range(text), ipv4) || contains(range(text), ipv6), `${ipv4} ${ipv6}`).toBe(false);
      }
    }
  });

  it("wraps around at the end of the pool", () => {
    const last = allocateAddresses(POOL_SIZE - 2, free);
    expect(last).toEqual({ ipv4: "100.127.255.254", ipv6: "fd7a:115c:a1e0::3f:fffe", nextIndex: POOL_SIZE - 1 });
    const taken = new Set(["100.127.255.254"]);
    expect(allocateAddresses(POOL_SIZE - 2, { isTaken: (ipv4) => taken.has(ipv4) })?.ipv4).toBe("100.64.0.1");
  });

  it("gives up when every address is taken", () => {
    expect(allocateAddresses(1, { isTaken: () => true })).toBeUndefined();
  });

  it("gives canonical addresses of the tailnet's ranges, an IPv6 address of its own to each IPv4", () => {
    const ula = prefixRange({ address: range("fd7a:115c:a1e0::").first, bits: 96 });
    fc.assert(
      fc.property(fc.nat(POOL_SIZE - 1), fc.nat(POOL_SIZE - 1), (a, b) => {
        const [x, y] = [allocateAddresses(a, free), allocateAddresses(b, free)];
        if (x === undefined || y === undefined) throw new Error("the pool is empty");
        expect(x.ipv4 === y.ipv4).toBe(x.ipv6 === y.ipv6);
        for (const { ipv4, ipv6, nextIndex } of [x, y]) {
          expect(contains(range("100.64.0.0/10"), ipv4)).toBe(true);
          expect(contains(ula, ipv6)).toBe(true);
          expect([ipv4, ipv6]).toEqual([ipv4, ipv6].map((text) => formatAddress(parseAddress(text) ?? 0n)));
          expect(nextIndex).toBeLessThan(POOL_SIZE);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("takes the lowest free address of the ranges that the policy prescribes, and leaves the index alone", () => {
    const within = [range("100.81.0.254-100.81.1.2"), range("100.90.0.0/30")];
    const taken = new Set<string>();
    const found: (string | undefined)[] = [];
    for (let i = 0; i < 7; i++) {
      const pair = allocateAddresses(9, { within, isTaken: (ipv4) => taken.has(ipv4) });
      found.push(pair?.ipv4);
      if (pair !== undefined) taken.add(pair.ipv4);
      expect(pair?.nextIndex ?? 9).toBe(9);
    }
    const all = ["100.81.0.254", "100.81.1.1", "100.81.1.2", "100.90.0.1", "100.90.0.2", "100.90.0.3", undefined];
    expect(found).toEqual(all);
  });
});
