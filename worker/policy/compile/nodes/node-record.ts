// A node as the compiler keeps it: addresses and routes parsed once, its slot, and the class that it belongs to.
import { type AddressRange, parsePrefix, prefixRange } from "../../../protocol/ip.ts";
import type { PolicyNode } from "../../inventory.ts";
import { isExitRange } from "../../prefix-set.ts";
import { type NodeAddress, parseAddresses } from "./node-address.ts";
import type { NodeClass } from "./node-class.ts";

/** A subnet route of a node. */
export interface SubnetRoute {
  readonly text: string;
  readonly range: AddressRange;
}

/** A node with everything parsed that the compiler needs of it. */
export interface NodeRecord {
  /** Dense index of the node in bitsets; reused after removal. */
  readonly slot: number;
  readonly node: PolicyNode;
  /** IPv4 first; without it while the attribute disable-ipv4 hides it. */
  readonly addresses: readonly NodeAddress[];
  readonly isIPv4Hidden: boolean;
  /** Effective subnet routes, sorted by text. */
  readonly subnets: readonly SubnetRoute[];
  /** Effective exit routes, sorted. */
  readonly exits: readonly string[];
  readonly class: NodeClass;
}

/** A node that is not yet classified. */
export type ParsedNode = Omit<NodeRecord, "slot" | "class">;

/**
 * Parses a node's addresses, but for a hidden one, and its routes; malformed ones are left out. What is as it was in an
 * earlier record is taken from there.
 */
export function parseNode(node: PolicyNode, hidesIPv4 = false, earlier?: ParsedNode): ParsedNode {
  const old = earlier?.isIPv4Hidden === hidesIPv4 ? earlier : undefined;
  const isAddressed = old !== undefined && old.node.ipv4 === node.ipv4 && old.node.ipv6 === node.ipv6;
  const addresses = isAddressed ? old.addresses : parseAddresses(hidesIPv4 ? [node.ipv6] : [node.ipv4, node.ipv6]);
  const isRouted = earlier !== undefined && sameTexts(earlier.node.routes, node.routes);
  const { subnets, exits } = isRouted ? earlier : parseRoutes(node.routes);
  return { node, addresses, isIPv4Hidden: hidesIPv4, subnets, exits };
}

function parseRoutes(routes: readonly string[]): Pick<NodeRecord, "subnets" | "exits"> {
  const subnets: SubnetRoute[] = [];
  const exits: string[] = [];
  for (const text of [...new Set(routes)].sort()) {
    const prefix = parsePrefix(text);
    if (prefix === undefined) continue;
    const range = prefixRange(prefix);
    if (isExitRange(range)) exits.push(text);
    else subnets.push({ text, range });
  }
  return { subnets, exits };
}

/** Tells whether two records have the same visible addresses. */
export function hasSameAddresses(a: ParsedNode, b: ParsedNode): boolean {
  return (
    a.addresses === b.addresses ||
    (a.addresses.length === b.addresses.length &&
      a.addresses.every(({ address }, i) => address === b.addresses[i]?.address))
  );
}

/** Tells whether two records have the same routes, in any order. */
export function hasSameRoutes(a: ParsedNode, b: ParsedNode): boolean {
  return a.node.routes.length === b.node.routes.length && a.node.routes.every((route) => b.node.routes.includes(route));
}

/** Tells whether two nodes have the same tags in the same order. */
export function hasSameTags(a: PolicyNode, b: PolicyNode): boolean {
  return sameTexts(a.tags, b.tags);
}

/** Tells whether two nodes are equal in everything that the policy can see. */
export function isSameNode(a: PolicyNode, b: PolicyNode): boolean {
  return (
    a === b ||
    (a.userId === b.userId &&
      a.ipv4 === b.ipv4 &&
      a.ipv6 === b.ipv6 &&
      a.isOnline === b.isOnline &&
      sameTexts(a.tags, b.tags) &&
      sameTexts(a.routes, b.routes) &&
      hasSameDistances(a, b) &&
      sameAttributes(a.attributes, b.attributes))
  );
}

/** Tells whether two nodes are as far from every region. */
export function hasSameDistances({ distances: a }: PolicyNode, { distances: b }: PolicyNode): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.home !== b.home || a.latencies.size !== b.latencies.size) return false;
  for (const [region, latency] of a.latencies) if (b.latencies.get(region) !== latency) return false;
  return true;
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((text, i) => text === b[i]));
}

function sameAttributes(a: PolicyNode["attributes"], b: PolicyNode["attributes"]): boolean {
  if (a === b) return true;
  const left = Object.entries(a ?? {});
  return left.length === Object.keys(b ?? {}).length && left.every(([name, value]) => b?.[name] === value);
}
