// Sets of addresses as sorted, disjoint, non-adjacent ranges of both families, and their algebra. Values are immutable.
// Sets of nodes are bitsets elsewhere; these hold what a policy file writes down: literals, hosts and ipsets.
import { type Address, type AddressRange, isIPv4, parseRange } from "../protocol/ip.ts";

/** A set of addresses: ranges in ascending order with a gap between any two. */
export type PrefixSet = readonly AddressRange[];

/** The set without addresses. */
export const NOTHING: PrefixSet = [];

/** Makes a set of any ranges, in any order, overlapping or not. */
export function prefixSet(ranges: Iterable<AddressRange>): PrefixSet {
  const sorted = [...ranges];
  if (!isSorted(sorted)) sorted.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const merged: AddressRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last === undefined || range.first > last.last + 1n) merged.push(range);
    else if (range.last > last.last) merged[merged.length - 1] = { first: last.first, last: range.last };
  }
  return merged;
}

function isSorted(ranges: readonly AddressRange[]): boolean {
  return ranges.every((range, i) => i === 0 || (ranges[i - 1] as AddressRange).first <= range.first);
}

/** The set of the given texts: addresses, CIDRs and ranges. @throws Error on a malformed one; for constants. */
export function prefixSetOf(...texts: string[]): PrefixSet {
  return prefixSet(
    texts.map((text) => {
      const range = parseRange(text);
      if (range === undefined) throw new Error(`malformed range ${text}`);
      return range;
    }),
  );
}

/** All addresses of either set. */
export function union(a: PrefixSet, b: PrefixSet): PrefixSet {
  if (a.length === 0) return b;
  return b.length === 0 ? a : prefixSet([...a, ...b]);
}

/** The addresses of `a` that are not in `b`. */
export function subtract(a: PrefixSet, b: PrefixSet): PrefixSet {
  const rest: AddressRange[] = [];
  let skip = 0;
  for (const range of a) {
    while (skip < b.length && (b[skip] as AddressRange).last < range.first) skip++;
    let first = range.first;
    for (let i = skip; i < b.length && (b[i] as AddressRange).first <= range.last; i++) {
      const hole = b[i] as AddressRange;
      if (hole.first > first) rest.push({ first, last: hole.first - 1n });
      if (hole.last >= first) first = hole.last + 1n;
    }
    if (first <= range.last) rest.push({ first, last: range.last });
  }
  return rest;
}

/** Tells whether the set has the address. */
export function contains(set: PrefixSet, address: Address): boolean {
  return overlaps(set, { first: address, last: address });
}

/** Tells whether the set and the range share an address. */
export function overlaps(set: PrefixSet, range: AddressRange): boolean {
  const candidate = set[firstEndingAt(set, range.first)];
  return candidate !== undefined && candidate.first <= range.last;
}

/** Tells whether the set has every address of the range. */
export function coversRange(set: PrefixSet, range: AddressRange): boolean {
  const candidate = set[firstEndingAt(set, range.first)];
  return candidate !== undefined && candidate.first <= range.first && candidate.last >= range.last;
}

/** Tells whether `a` has every address of `b`. */
export function covers(a: PrefixSet, b: PrefixSet): boolean {
  return b.every((range) => coversRange(a, range));
}

/** Index of the first range that ends at or after the address; the length when there is none. */
function firstEndingAt(set: PrefixSet, address: Address): number {
  let low = 0;
  let high = set.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((set[middle] as AddressRange).last < address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What `*` stands for as a source, and what nodes' addresses are taken from (policy.md 3, 4.2). */
export const TAILNET_RANGES: PrefixSet = prefixSetOf(
  "100.64.0.0-100.115.91.255",
  "100.115.94.0-100.127.255.255",
  "fd7a:115c:a1e0::/48",
);

/** What `autogroup:internet` stands for (policy.md 4.2). */
export const INTERNET: PrefixSet = subtract(
  prefixSetOf("0.0.0.0/0", "2000::/3"),
  prefixSetOf("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
);

/** Every address of both families. */
export const EVERYTHING: PrefixSet = prefixSetOf("0.0.0.0/0", "::/0");

/** Tells whether the range is one of the two exit routes, 0.0.0.0/0 and ::/0. */
export function isExitRange(range: AddressRange): boolean {
  return isIPv4(range.first)
    ? range.last - range.first === 0xffff_ffffn
    : range.last - range.first === (1n << 128n) - 1n;
}
