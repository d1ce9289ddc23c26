// Finds which atoms a node touches (policy.md 4.2, 13): by identity through an index from what the node is to the atoms
// that select it, by address and by route through the literal atoms.
import type { AddressRange } from "../../../protocol/ip.ts";
import type { PolicyNode, PolicyUser } from "../../inventory.ts";
import { contains, overlaps, type PrefixSet } from "../../prefix-set.ts";
import { type Atom, atomLiteral, type Plan, type ViaBlock } from "../plan.ts";
import { capMapFor, DISABLE_IPV4 } from "../views/node-attributes.ts";
import { parseAddresses } from "./node-address.ts";
import { type ParsedNode, parseNode, type SubnetRoute } from "./node-record.ts";
import { meetsOne } from "./postures.ts";
import { CONTAINED, MEMBER, NO_TOUCHES, OVERLAPPED, type Touches } from "./touches.ts";

/** Answers which atoms of a plan a node touches. */
export class Membership {
  readonly #plan: Plan;
  /** Identity key → atoms that select nodes with it. */
  readonly #byIdentity = new Map<string, number[]>();
  readonly #literals: { readonly atom: Atom; readonly set: PrefixSet }[] = [];
  /** Atoms that stand for every node, or for every node that meets a posture. */
  readonly #everyone: Atom[] = [];
  readonly #routers: Atom[] = [];
  readonly #steered: Atom[] = [];
  readonly #mayHideIPv4: boolean;

  /** Answers for the atoms from number `first` on. */
  constructor(plan: Plan, first = 0) {
    this.#plan = plan;
    for (const atom of plan.atoms.slice(first)) this.#register(atom);
    const { disableIPv4 } = plan.policy.network;
    this.#mayHideIPv4 = disableIPv4 || plan.attributes.some(({ capMap }) => Object.hasOwn(capMap, DISABLE_IPV4));
  }

  #register(atom: Atom): void {
    const { selector, index } = atom;
    const literal = atomLiteral(atom);
    if (literal !== undefined) this.#literals.push({ atom, set: literal });
    else if (selector.kind === "any" || selector.kind === "danger-all") this.#everyone.push(atom);
    else if (selector.kind === "router") this.#routers.push(atom);
    else if (selector.kind === "steered-router") this.#steered.push(atom);
    else if (selector.kind === "group") for (const member of selector.members) this.#add(`user ${member}`, index);
    else for (const key of identityKeysOf(selector)) this.#add(key, index);
  }

  #add(key: string, atom: number): void {
    const atoms = this.#byIdentity.get(key);
    if (atoms === undefined) this.#byIdentity.set(key, [atom]);
    else atoms.push(atom);
  }

  /** Parses a node, without its IPv4 address when an attribute hides that. Targets match the hidden address too. */
  parse(node: PolicyNode, user: PolicyUser | undefined, earlier?: ParsedNode): ParsedNode {
    const parsed = parseNode(node, false, earlier);
    if (!this.#mayHideIPv4) return parsed;
    const touches = new Map<number, number>();
    this.#touchByIdentity(parsed, user, touches);
    this.#touchByAddress(parsed, touches);
    const capMap = capMapFor(this.#plan.attributes, this.#plan.policy.network, touches);
    return Object.hasOwn(capMap, DISABLE_IPV4) ? parseNode(node, true, earlier) : parsed;
  }

  /**
   * The atoms that a node touches, besides others that are known already. `inside` finds the touches of nodes whose
   * addresses lie in a route.
   */
  touchesOf(
    node: ParsedNode,
    user: PolicyUser | undefined,
    inside: RouteInsides,
    known: Touches = NO_TOUCHES,
  ): Touches {
    const touches = new Map(known);
    this.#touchByIdentity(node, user, touches);
    this.#touchByAddress(node, touches);
    for (const route of node.subnets) this.#touchByRoute(route, inside, touches);
    if (node.exits.length > 0) touches.set(this.#plan.exitNodes, MEMBER);
    this.#touchAsRouter(node, touches);
    return touches;
  }

  #touchByIdentity(node: ParsedNode, user: PolicyUser | undefined, touches: Map<number, number>): void {
    for (const key of identityKeys(node, user)) {
      for (const index of this.#byIdentity.get(key) ?? []) {
        const { postures } = this.#plan.atoms[index] as Atom;
        if (postures === null || meetsOne(postures, node.node.attributes)) touches.set(index, MEMBER);
      }
    }
    for (const { index, selector, side, postures } of this.#everyone) {
      if (postures !== null && !meetsOne(postures, node.node.attributes)) continue;
      // Only postured `*` lists the nodes themselves; otherwise both kinds stand for addresses.
      const listsNodes = selector.kind === "any" && side === "source";
      touches.set(index, listsNodes ? MEMBER : CONTAINED);
    }
  }

  #touchByAddress(node: ParsedNode, touches: Map<number, number>): void {
    const shown = node.addresses;
    const all = node.isIPv4Hidden ? parseAddresses([node.node.ipv4, node.node.ipv6]) : shown;
    for (const { atom, set } of this.#literals) {
      const addresses = atom.side === "target" ? all : shown;
      if (!addresses.some(({ address }) => contains(set, address))) continue;
      if (atom.postures === null || meetsOne(atom.postures, node.node.attributes)) add(touches, atom.index, CONTAINED);
    }
  }

  #touchByRoute(route: SubnetRoute, inside: RouteInsides, touches: Map<number, number>): void {
    for (const index of this.overlapping(route.range, inside)) add(touches, index, OVERLAPPED);
  }

  /** The atoms with an address in the range: literal ones, and those that select a node with an address there. */
  overlapping(range: AddressRange, inside: RouteInsides): Set<number> {
    const found = new Set<number>();
    for (const { atom, set } of this.#literals) {
      if (atom.selector.kind === "any" || overlaps(set, range)) found.add(atom.index);
    }
    for (const { index } of this.#everyone) found.add(index);
    for (const touches of inside(range)) {
      for (const [index, how] of touches) {
        if ((how & MEMBER) !== 0 && this.#standsForNodes(index)) found.add(index);
      }
    }
    return found;
  }

  #standsForNodes(index: number): boolean {
    const { kind } = (this.#plan.atoms[index] as Atom).selector;
    return kind !== "exit-nodes" && kind !== "router" && kind !== "steered-router";
  }

  #touchAsRouter(node: ParsedNode, touches: Map<number, number>): void {
    for (const { index, selector } of this.#routers) {
      if (selector.kind !== "router" || !selector.tags.some((tag) => node.node.tags.includes(tag))) continue;
      if (carries(node, selector.block)) touches.set(index, MEMBER);
    }
    for (const { index, selector } of this.#steered) {
      if (selector.kind !== "steered-router" || !touches.has(selector.router)) continue;
      if (selector.sources.some((source) => touches.has(source))) touches.set(index, MEMBER);
    }
  }
}

/** Touches of the nodes that have an address in a range. */
export type RouteInsides = (range: AddressRange) => Iterable<Touches>;

function add(touches: Map<number, number>, atom: number, how: number): void {
  touches.set(atom, (touches.get(atom) ?? 0) | how);
}

function carries(node: ParsedNode, block: ViaBlock): boolean {
  if (block.kind === "internet") return node.exits.length > 0;
  if (block.kind === "any") return node.subnets.length > 0 || node.exits.length > 0;
  return block.kind === "literal" && node.subnets.some(({ range }) => overlaps(block.set, range));
}

/** What a node is, as keys of the identity index. */
function identityKeys(node: ParsedNode, user: PolicyUser | undefined): string[] {
  if (node.node.tags.length > 0) return ["tagged", ...node.node.tags];
  if (user === undefined) return [];
  const { loginName, role } = user;
  const keys = ["member", `user ${loginName}`, `domain ${loginName.slice(loginName.lastIndexOf("@") + 1)}`];
  if (role === "owner") keys.push("role owner", "role admin");
  else if (role !== "member") keys.push(`role ${role}`);
  return keys;
}

/** The identity keys under which an atom is found; none for selectors that stand for no node. */
function identityKeysOf(selector: Atom["selector"]): string[] {
  switch (selector.kind) {
    case "user":
      return [`user ${selector.login}`];
    case "tag":
      return [selector.tag];
    case "domain":
      return [`domain ${selector.domain}`];
    case "role":
      return [`role ${selector.role}`];
    case "member":
    case "tagged":
      return [selector.kind];
    default:
      return [];
  }
}
