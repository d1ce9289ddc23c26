// Hashes of address sets that do not depend on how a set is cut into ranges, so that two sources can be compared without
// rendering them and a node can join or leave a set at constant cost. The hash of a range is position(last + 1) −
// position(first) for a pseudo-random position function; sums telescope, hence adjacent ranges hash like their union.
import type { Address, AddressRange } from "../../../protocol/ip.ts";

/** A sum of range hashes: two independent 32-bit lanes. */
export interface AddressHash {
  readonly a: number;
  readonly b: number;
}

/** The hash of the empty set. */
export const NO_ADDRESSES: AddressHash = { a: 0, b: 0 };

/** Hash of the union of disjoint sets. */
export function addHash(x: AddressHash, y: AddressHash): AddressHash {
  return { a: (x.a + y.a) | 0, b: (x.b + y.b) | 0 };
}

/** Hash of `x` without its subset `y`. */
export function removeHash(x: AddressHash, y: AddressHash): AddressHash {
  return { a: (x.a - y.a) | 0, b: (x.b - y.b) | 0 };
}

/** Hash of disjoint ranges. */
export function hashRanges(ranges: Iterable<AddressRange>): AddressHash {
  let sum = NO_ADDRESSES;
  for (const { first, last } of ranges) sum = addHash(sum, removeHash(position(last + 1n), position(first)));
  return sum;
}

/** Hash of one address. */
export function hashAddress(address: Address): AddressHash {
  return removeHash(position(address + 1n), position(address));
}

/** A text that equal hashes share. */
export function hashText(hash: AddressHash): string {
  return `${(hash.a >>> 0).toString(36)}.${(hash.b >>> 0).toString(36)}`;
}

/** A point on the number line of addresses, mixed into two lanes word by word (the mixing of MurmurHash3). */
function position(address: Address): AddressHash {
  let a = 0x9747b28c;
  let b = 0x3c6ef372;
  for (let shift = 128n; shift >= 0n; shift -= 32n) {
    const word = Number((address >> shift) & 0xffff_ffffn);
    a = finish(Math.imul(a ^ word, 0xcc9e2d51) + 0x7f4a7c15);
    b = finish(Math.imul(b ^ word, 0x1b873593) + 0x5851f42d);
  }
  return { a, b };
}

function finish(h: number): number {
  let x = h | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) | 0;
}
