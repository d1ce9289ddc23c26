// Ports and protocols of access rules (policy.md 5). Functions return the reason as a string when a text is refused.
import type { PortRange } from "../../../protocol/control/filter-rule.ts";
import { quote } from "../document.ts";

/** Every port. */
export const ALL_PORTS: readonly PortRange[] = [{ First: 0, Last: 65535 }];

const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  ipv4: 4,
  "ip-in-ip": 4,
  tcp: 6,
  egp: 8,
  igp: 9,
  udp: 17,
  gre: 47,
  esp: 50,
  ah: 51,
  "ipv6-icmp": 58,
  sctp: 132,
  fc: 133,
};

/** Parses `*` or a list of ports and port ranges, in file order; the reason when malformed. */
function parsePorts(text: string): readonly PortRange[] | string {
  if (text === "*") return ALL_PORTS;
  const ports: PortRange[] = [];
  for (const item of text.split(",")) {
    const range = parsePortRange(item.trim());
    if (typeof range === "string") return `port range ${quote(item.trim())}: ${range}`;
    ports.push(range);
  }
  return ports;
}

function parsePortRange(text: string): PortRange | string {
  const dash = text.indexOf("-");
  const First = parsePort(dash < 0 ? text : text.slice(0, dash));
  if (First === undefined) return "invalid first integer";
  const Last = dash < 0 ? First : parsePort(text.slice(dash + 1));
  if (Last === undefined) return "invalid last integer";
  if (First === 0) return "first port must be >0, or use '*' for wildcard";
  return First > Last ? "first port must not be greater than last port" : { First, Last };
}

function parsePort(text: string): number | undefined {
  return /^[0-9]{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}

/** Parses a protocol name or number; the reason when it is neither. */
export function parseProtocol(text: string): number | string {
  const named = Object.hasOwn(PROTOCOLS, text.toLowerCase()) ? PROTOCOLS[text.toLowerCase()] : undefined;
  if (named !== undefined) return named;
  if (/^[1-9][0-9]{0,2}$/.test(text) && Number(text) <= 255) return Number(text);
  return `proto name ${quote(text)} not known; use protocol number 0-255 or protocol name (icmp, tcp, udp, etc.)`;
}

/** A protocol as one writes it: its first name, else its number. */
export function protocolName(protocol: number): string {
  return Object.entries(PROTOCOLS).find(([, number]) => number === protocol)?.[0] ?? String(protocol);
}

/** Ports as one writes them. */
export function portsText({ First, Last }: PortRange): string {
  if (First === 0 && Last === 65535) return "*";
  return First === Last ? String(First) : `${First}-${Last}`;
}

/** Tells whether a rule for the protocol may name ports: TCP, UDP, SCTP, and no protocol at all. */
export function hasPorts(protocol: number | null): boolean {
  return protocol === null || protocol === 6 || protocol === 17 || protocol === 132;
}

/** What one `ip` entry of a grant lets through. */
export interface Traffic {
  readonly protocol: number | null;
  readonly ports: readonly PortRange[];
}

/** Parses an `ip` entry of a grant: `*`, ports, `proto:*` or `proto:ports`; the reason when malformed. */
export function parseTraffic(text: string): Traffic | string {
  const colon = text.indexOf(":");
  const protocol = colon < 0 ? null : parseProtocol(text.slice(0, colon).trim());
  if (typeof protocol === "string") return protocol;
  const ports = parsePorts(text.slice(colon + 1).trim());
  if (typeof ports === "string") return ports;
  return portsFit(protocol, ports) ?? { protocol, ports };
}

/** The reason why these ports cannot go with the protocol; undefined when they can. */
export function portsFit(protocol: number | null, ports: readonly PortRange[]): string | undefined {
  if (hasPorts(protocol) || ports === ALL_PORTS) return undefined;
  return `protocol ${protocol} has no ports; use '*'`;
}

/** An acl destination taken apart: `host:ports`, split at the last colon. */
export interface AclDestination {
  readonly host: string;
  readonly ports: readonly PortRange[];
}

/** Parses `host:ports`, IPv6 hosts in brackets; the reason when malformed. */
export function parseAclDestination(text: string): AclDestination | string {
  const colon = text.lastIndexOf(":");
  if (colon < 0) return "missing ports";
  const ports = parsePorts(text.slice(colon + 1).trim());
  if (typeof ports === "string") return ports;
  const host = unbracket(text.slice(0, colon).trim());
  return host === undefined ? "brackets are for IPv6 addresses" : { host, ports };
}

/** `[fd7a::1]` → `fd7a::1`, `[fd7a::]/48` → `fd7a::/48`; undefined for brackets around anything else. */
function unbracket(host: string): string | undefined {
  const match = /^\[([^\]]*)\](\/[0-9]+)?$/.exec(host);
  if (match === null) return host.includes("[") || host.includes("]") ? undefined : host;
  const inner = match[1] as string;
  return inner.includes(":") ? inner + (match[2] ?? "") : undefined;
}
