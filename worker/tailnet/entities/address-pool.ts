// Addresses of nodes: an IPv4 address from 100.64.0.0/10 and the IPv6 address that goes with it, both made from one
// index that only grows, so that an address is not reused until the pool wraps around. Reserved addresses are those
// that the hosted service documents (its knowledge base 1610), and those that clients use themselves.
import type { AddressRange } from "../../protocol/ip.ts";

const POOL_SIZE = 1 << 22;
const IPV6_PREFIX = "fd7a:115c:a1e0::";

/** IPv4 of an index, or undefined where an address is reserved. Index 1 is 100.64.0.1. */
function ipv4Of(index: number): string | undefined {
  const second = 64 + (index >>> 16);
  const third = (index >>> 8) & 0xff;
  const fourth = index & 0xff;
  if (fourth === 0 || fourth === 255) return undefined; // some clients take them for broadcast
  if (index === 0x53) return undefined; // its IPv6 address would be fd7a:115c:a1e0::53, which is MagicDNS
  if (second === 100 && (third === 0 || third === 100)) return undefined; // 100.100.100.100 is MagicDNS
  if (second === 101 && third === 102 && fourth === 103) return undefined; // a demonstration server of the service
  if (second === 115 && (third === 92 || third === 93)) return undefined; // 100.115.92.0/23: ChromeOS
  return `100.${second}.${third}.${fourth}`;
}

/** Tells whether an address may be given to a node or a Service: in the pool and not reserved. */
export function isAllocatable(ipv4: string): boolean {
  const match = /^100\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(ipv4);
  if (match === null) return false;
  const [second, third, fourth] = match.slice(1).map(Number) as [number, number, number];
  return second >= 64 && second <= 127 && ipv4Of(((second - 64) << 16) | (third << 8) | fourth) === ipv4;
}

/** IPv6 address that goes with an index. */
function ipv6Of(index: number): string {
  const high = index >>> 16;
  const low = (index & 0xffff).toString(16);
  return high === 0 ? IPV6_PREFIX + low : `${IPV6_PREFIX}${high.toString(16)}:${low}`;
}

/** IPv6 address that goes with an IPv4 address of the pool. */
export function pairedIpv6(ipv4: string): string {
  const [, second = 0, third = 0, fourth = 0] = ipv4.split(".").map(Number);
  return ipv6Of(((second - 64) << 16) | (third << 8) | fourth);
}

/** An address pair and the index to start from the next time. */
export interface Allocation {
  readonly ipv4: string;
  readonly ipv6: string;
  readonly nextIndex: number;
}

/** Where addresses are taken from, and which are in use. */
export interface AddressPool {
  /** IPv4 ranges within 100.64.0.0/10 that the policy prescribes (its ipPool); absent or empty for the whole pool. */
  readonly within?: readonly AddressRange[];
  readonly isTaken: (ipv4: string) => boolean;
}

/**
 * Finds a free pair: the first at or after `index`, or the lowest of the prescribed ranges, which leave the index alone.
 * @returns undefined when every address is taken
 */
export function allocateAddresses(index: number, { within = [], isTaken }: AddressPool): Allocation | undefined {
  if (within.length > 0) {
    const found = firstFree(indexesIn(within), isTaken);
    return found === undefined ? undefined : { ...found.pair, nextIndex: index };
  }
  const found = firstFree(indexesFrom(index), isTaken);
  return found === undefined ? undefined : { ...found.pair, nextIndex: (found.index + 1) % POOL_SIZE };
}

function* indexesFrom(index: number): Generator<number> {
  for (let step = 0; step < POOL_SIZE; step++) yield (index + step) % POOL_SIZE;
}

const POOL_START = 0x64400000n; // 100.64.0.0

function* indexesIn(ranges: readonly AddressRange[]): Generator<number> {
  for (const { first, last } of ranges) {
    const end = Math.min(Number(last - POOL_START), POOL_SIZE - 1);
    for (let index = Math.max(Number(first - POOL_START), 0); index <= end; index++) yield index;
  }
}

function firstFree(indexes: Iterable<number>, isTaken: AddressPool["isTaken"]) {
  for (const index of indexes) {
    const ipv4 = ipv4Of(index);
    if (ipv4 !== undefined && !isTaken(ipv4)) return { index, pair: { ipv4, ipv6: ipv6Of(index) } };
  }
  return undefined;
}
