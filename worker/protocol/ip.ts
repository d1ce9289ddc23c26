// IP addresses, prefixes and ranges: strict parsing and canonical text as Go's net/netip has them (RFC 4291 §2.2,
// RFC 5952). An address is one bigint for both families, so that order, containment and set algebra need no cases.
// Left out: zones (`fe80::1%eth0` is refused) and leading zeros in IPv4 octets (refused, as netip does).

/** An address: IPv4 as 0 … 2³²−1, IPv6 as 2¹²⁸ + its value. No IPv4 address is adjacent to an IPv6 one. */
export type Address = bigint;

/** An inclusive range of addresses of one family. */
export interface AddressRange {
  readonly first: Address;
  readonly last: Address;
}

/** A prefix as written: `address` may have bits set below `bits`; see {@link maskPrefix}. */
export interface Prefix {
  readonly address: Address;
  /** 0–32 for IPv4, 0–128 for IPv6. */
  readonly bits: number;
}

const V6 = 1n << 128n;
const MAPPED = V6 + 0xffff_0000_0000n; // ::ffff:0:0/96

/** Tells the family of an address. */
export function isIPv4(address: Address): boolean {
  return address < V6;
}

/** Number of bits in an address of this family: 32 or 128. */
export function addressBits(address: Address): number {
  return isIPv4(address) ? 32 : 128;
}

/** Parses an address of either family; undefined when malformed. */
export function parseAddress(text: string): Address | undefined {
  if (text.includes(":")) return parseIPv6(text);
  const value = parseIPv4(text);
  return value === undefined ? undefined : BigInt(value);
}

function parseIPv4(text: string): number | undefined {
  const octets = text.split(".");
  if (octets.length !== 4) return undefined;
  let value = 0;
  for (const octet of octets) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(octet) || Number(octet) > 255) return undefined;
    value = value * 256 + Number(octet);
  }
  return value;
}

function parseIPv6(text: string): Address | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] as string, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const zeros = 8 - head.length - tail.length;
  if (halves.length === 1 ? zeros !== 0 : zeros < 1) return undefined;
  const groups = [...head, ...new Array<number>(zeros).fill(0), ...tail];
  return V6 + BigInt(`0x${groups.map((g) => g.toString(16).padStart(4, "0")).join("")}`);
}

/** Groups of 16 bits; the last may be a dotted IPv4 address where the text ends the address. */
function parseGroups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (endsAddress && i === parts.length - 1 && part.includes(".")) {
      const v4 = parseIPv4(part);
      if (v4 === undefined) return undefined;
      groups.push(Math.floor(v4 / 0x10000), v4 % 0x10000);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

/** Canonical text of an address. */
export function formatAddress(address: Address): string {
  if (isIPv4(address)) return formatIPv4(Number(address));
  if (address >= MAPPED && address <= MAPPED + 0xffff_ffffn) return `::ffff:${formatIPv4(Number(address - MAPPED))}`;
  const groups: number[] = [];
  for (let shift = 96n; shift >= 0n; shift -= 32n) {
    const word = Number((address >> shift) & 0xffff_ffffn);
    groups.push(word >>> 16, word & 0xffff);
  }
  return compressZeros(groups);
}

function formatIPv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** Joins eight groups, with `::` for the first of the longest runs of at least two zeros. */
function compressZeros(groups: readonly number[]): string {
  let start = 0;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
  }
  const texts = groups.map((group) => group.toString(16));
  if (length < 2) return texts.join(":");
  return `${texts.slice(0, start).join(":")}::${texts.slice(start + length).join(":")}`;
}

/** Parses `address/bits`; host bits are kept. Undefined when malformed. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.lastIndexOf("/");
  if (slash < 0) return undefined;
  const address = parseAddress(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === undefined || !/^(0|[1-9][0-9]{0,2})$/.test(digits)) return undefined;
  const bits = Number(digits);
  return bits > addressBits(address) ? undefined : { address, bits };
}

/** Clears the host bits of a prefix. */
export function maskPrefix(prefix: Prefix): Prefix {
  return { address: prefixRange(prefix).first, bits: prefix.bits };
}

/** Canonical text of a prefix, `/32` and `/128` included. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.address)}/${prefix.bits}`;
}

/** The addresses of a prefix. */
export function prefixRange(prefix: Prefix): AddressRange {
  const hostMask = (1n << BigInt(addressBits(prefix.address) - prefix.bits)) - 1n;
  const first = (prefix.address | hostMask) - hostMask;
  return { first, last: first + hostMask };
}

/** Parses an address, a CIDR (masked) or a range `a-b`; undefined when malformed or when a > b. */
export function parseRange(text: string): AddressRange | undefined {
  if (text.includes("/")) {
    const prefix = parsePrefix(text);
    return prefix === undefined ? undefined : prefixRange(prefix);
  }
  const dash = text.indexOf("-");
  const first = parseAddress(dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : parseAddress(text.slice(dash + 1));
  if (first === undefined || last === undefined) return undefined;
  return first <= last && isIPv4(first) === isIPv4(last) ? { first, last } : undefined;
}

/** Text of a range: a bare address, a CIDR when the range is exactly one, else `a-b`. */
export function formatRange(range: AddressRange): string {
  if (range.first === range.last) return formatAddress(range.first);
  const bits = exactBits(range);
  if (bits !== undefined) return formatPrefix({ address: range.first, bits });
  return `${formatAddress(range.first)}-${formatAddress(range.last)}`;
}

function exactBits(range: AddressRange): number | undefined {
  const size = range.last - range.first + 1n;
  if ((size & (size - 1n)) !== 0n || (range.first & (size - 1n)) !== 0n) return undefined;
  return addressBits(range.first) - (size.toString(2).length - 1);
}

/** The fewest prefixes that make up a range, in order; at most 62 for IPv4 and 254 for IPv6. */
export function rangePrefixes(range: AddressRange): Prefix[] {
  const prefixes: Prefix[] = [];
  const width = addressBits(range.first);
  for (let at = range.first; at <= range.last; ) {
    let hostBits = 0;
    while (hostBits < width && fits(at, hostBits + 1, range.last)) hostBits++;
    prefixes.push({ address: at, bits: width - hostBits });
    at += 1n << BigInt(hostBits);
  }
  return prefixes;
}

function fits(first: Address, hostBits: number, last: Address): boolean {
  const mask = (1n << BigInt(hostBits)) - 1n;
  return (first & mask) === 0n && first + mask <= last;
}

/** Masks and spells a prefix canonically; a bare address becomes /32 or /128. Undefined when malformed. */
export function canonicalPrefix(text: string): string | undefined {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return formatPrefix(maskPrefix(prefix));
  const address = parseAddress(text);
  return address === undefined ? undefined : formatPrefix({ address, bits: addressBits(address) });
}
