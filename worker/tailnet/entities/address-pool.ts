// Addresses of nodes: an IPv4 address from 100.64.0.0/10 and the IPv6 address that goes with it, both made from one
// index that only grows, so that an address is not reused until the pool wraps around. Reserved addresses are those
// that the hosted service documents (its knowledge base 1610), and those that clients use themselves.

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

/** IPv6 address that goes with an index. */
function ipv6Of(index: number): string {
  const high = index >>> 16;
  const low = (index & 0xffff).toString(16);
  return high === 0 ? IPV6_PREFIX + low : `${IPV6_PREFIX}${high.toString(16)}:${low}`;
}

/** An address pair and the index to start from the next time. */
export interface Allocation {
  readonly ipv4: string;
  readonly ipv6: string;
  readonly nextIndex: number;
}

/**
 * Finds the first free pair at or after `index`.
 * @returns undefined when every address is taken
 */
export function allocateAddresses(index: number, isTaken: (ipv4: string) => boolean): Allocation | undefined {
  for (let step = 0; step < POOL_SIZE; step++) {
    const at = (index + step) % POOL_SIZE;
    const ipv4 = ipv4Of(at);
    if (ipv4 !== undefined && !isTaken(ipv4)) return { ipv4, ipv6: ipv6Of(at), nextIndex: (at + 1) % POOL_SIZE };
  }
  return undefined;
}
