// The semantics of policy.md 13, 14.3 and 12 written down pair by pair and packet by packet, without any index: the
// readable twin of the engine, which property tests compare it with. Slow on purpose.
import { type Address, parsePrefix, prefixRange } from "../../protocol/ip.ts";
import { meetsOne } from "../compile/nodes/postures.ts";
import type { PolicyNode, PolicyUser } from "../engine.ts";
import type { AccessRule, Policy, Selector } from "../policy.ts";
import {
  contains,
  covers,
  EVERYTHING,
  INTERNET,
  isExitRange,
  NOTHING,
  overlaps,
  type PrefixSet,
  prefixSet,
  subtract,
  TAILNET_RANGES,
  union,
} from "../prefix-set.ts";
import { selectsNode } from "../selection.ts";
import { addressesOf } from "./naive-access.ts";

/** A packet: from, to, IP protocol and destination port. */
export interface Packet {
  readonly from: Address;
  readonly to: Address;
  readonly protocol: number;
  readonly port: number;
}

const DEFAULT_PROTOCOLS = new Set([1, 6, 17, 58]);

/** Answers for one policy and one tailnet. */
export class NaiveTailnet {
  readonly #policy: Policy;
  readonly #users: ReadonlyMap<number, PolicyUser>;
  readonly #nodes: ReadonlyMap<number, PolicyNode>;
  readonly #primaries: ReadonlyMap<string, number>;
  /** What was worked out before, as thousands of packets ask for the same. */
  readonly #sourcesOf = new Map<AccessRule, PrefixSet>();
  readonly #destinationsOf = new Map<Selector, PrefixSet>();

  constructor(input: {
    readonly policy: Policy;
    readonly users: ReadonlyMap<number, PolicyUser>;
    readonly nodes: ReadonlyMap<number, PolicyNode>;
    readonly primaries: ReadonlyMap<string, number>;
  }) {
    this.#policy = input.policy;
    this.#users = input.users;
    this.#nodes = input.nodes;
    this.#primaries = input.primaries;
  }

  /** Tells whether two nodes see each other (policy.md 13). */
  isVisible(a: PolicyNode, b: PolicyNode): boolean {
    return a.id !== b.id && (this.#grants(a, b) || this.#grants(b, a));
  }

  /** Tells whether some rule has `from` among its sources and `to` among its destinations. */
  #grants(from: PolicyNode, to: PolicyNode): boolean {
    return this.#policy.rules.some((rule) => {
      if (this.#isSelfPair(rule, from, to)) return true;
      const sources = this.#sources(rule);
      if (!this.#touches(sources, from)) return false;
      if (rule.via.length === 0) return rule.destinations.some((group) => this.#reaches(this.#union(group), to));
      return [from, to].some((router) => this.#carried(rule, router).some((block) => this.#reaches(block, to)));
    });
  }

  #isSelfPair(rule: AccessRule, from: PolicyNode, to: PolicyNode): boolean {
    const isOneUser = from.userId !== null && from.userId === to.userId;
    const isSelf = rule.via.length === 0 && rule.parts.some((part) => part.isSelf);
    return isSelf && isOneUser && from.tags.length + to.tags.length === 0 && this.#isSelfSource(rule, from);
  }

  #isSelfSource(rule: AccessRule, node: PolicyNode): boolean {
    return rule.sources.some((selector) => this.#selects(selector, node) && this.#passes(rule, node));
  }

  /** Blocks of a via grant that a router carries: those that overlap its routes, the internet on exit nodes. */
  #carried(rule: AccessRule, router: PolicyNode): PrefixSet[] {
    if (!rule.via.some((tag) => router.tags.includes(tag))) return [];
    return rule.destinations.flat().flatMap((selector): PrefixSet[] => {
      if (selector.kind === "internet") return isExit(router) ? [INTERNET] : [];
      if (selector.kind === "any") return router.routes.length > 0 ? [EVERYTHING] : [];
      if (selector.kind !== "literal") return [];
      return selector.set
        .filter((range) => subnets(router).some((route) => overlaps(route, range)))
        .map((range) => [range]);
    });
  }

  #touches(set: PrefixSet, node: PolicyNode): boolean {
    return (
      addressesOf(node).some((address) => contains(set, address)) || subnets(node).some((route) => meet(set, route))
    );
  }

  #reaches(set: PrefixSet, node: PolicyNode): boolean {
    return this.#touches(set, node) || (isExit(node) && covers(set, INTERNET));
  }

  #sources(rule: AccessRule): PrefixSet {
    const known = this.#sourcesOf.get(rule);
    if (known !== undefined) return known;
    const set = rule.sources.reduce<PrefixSet>((sum, selector) => union(sum, this.#sourceSet(selector, rule)), NOTHING);
    this.#sourcesOf.set(rule, set);
    return set;
  }

  #sourceSet(selector: Selector, rule: AccessRule): PrefixSet {
    const nodes = [...this.#nodes.values()];
    if (selector.kind === "any") {
      const routes = nodes.flatMap((node) => subnets(node).flat());
      const passing = nodes.filter((node) => this.#passes(rule, node)).flatMap(hostRanges);
      return prefixSet([...routes, ...(rule.postures === null ? TAILNET_RANGES : passing)]);
    }
    if (selector.kind === "literal" || selector.kind === "danger-all") {
      const failing = nodes.filter((node) => !this.#passes(rule, node)).flatMap(hostRanges);
      return subtract(selector.kind === "literal" ? selector.set : EVERYTHING, prefixSet(failing));
    }
    return prefixSet(
      nodes.filter((node) => this.#selects(selector, node) && this.#passes(rule, node)).flatMap(hostRanges),
    );
  }

  #union(selectors: readonly Selector[]): PrefixSet {
    return selectors.reduce<PrefixSet>((set, selector) => union(set, this.#destinationSet(selector)), NOTHING);
  }

  #destinationSet(selector: Selector): PrefixSet {
    const known = this.#destinationsOf.get(selector) ?? this.#destinationSetNow(selector);
    this.#destinationsOf.set(selector, known);
    return known;
  }

  #destinationSetNow(selector: Selector): PrefixSet {
    if (selector.kind === "any") return EVERYTHING;
    if (selector.kind === "internet") return INTERNET;
    if (selector.kind === "literal") return selector.set;
    return prefixSet([...this.#nodes.values()].filter((node) => this.#selects(selector, node)).flatMap(hostRanges));
  }

  #selects(selector: Selector, node: PolicyNode): boolean {
    const user = node.userId === null ? undefined : this.#users.get(node.userId);
    return selectsNode(selector, { ...node, loginName: user?.loginName ?? null, role: user?.role ?? null });
  }

  #passes(rule: AccessRule, node: PolicyNode): boolean {
    return rule.postures === null || meetsOne(rule.postures, node.attributes);
  }

  /** Routes of a peer in the view of a viewer, sorted (policy.md 14.3). */
  peerRoutes(viewer: PolicyNode, peer: PolicyNode): string[] {
    if (!this.isVisible(viewer, peer)) return [];
    return peer.routes
      .filter((route) =>
        isExitRoute(route) ? this.#mayExit(viewer, peer) : this.#routerFor(viewer, route) === peer.id,
      )
      .sort();
  }

  #routerFor(viewer: PolicyNode, route: string): number | null {
    const range = routeSet(route);
    const owners = [...this.#nodes.values()].filter((node) => node.routes.includes(route)).sort((a, b) => a.id - b.id);
    const primary = this.#primaryFor(viewer, route, owners);
    const granting = this.#policy.rules.filter(
      (rule) =>
        this.#touches(this.#sources(rule), viewer) &&
        rule.destinations.flat().some((selector) => {
          const isSteeredElsewhere = rule.via.length > 0 && !["literal", "any"].includes(selector.kind);
          return !isSteeredElsewhere && meet(this.#destinationSet(selector), range);
        }),
    );
    if (viewer.routes.includes(route)) return this.#primaries.get(route) as number;
    if (granting.some((rule) => rule.via.length === 0)) return primary;
    if (granting.length > 0) {
      const tags = new Set(granting.flatMap((rule) => rule.via));
      const routers = owners.filter((node) => node.tags.some((tag) => tags.has(tag)));
      const online = routers.filter((node) => node.isOnline);
      return (closest(viewer, online)[0] ?? online[0] ?? routers[0])?.id ?? null;
    }
    const isReverse = this.#policy.rules.some(
      (rule) => meet(this.#sources(rule), range) && this.#isFarEnd(rule, viewer, primary),
    );
    return isReverse ? primary : null;
  }

  /** Of the closest region's routers the one that is elected there; the tailnet's where distance decides nothing. */
  #primaryFor(viewer: PolicyNode, route: string, owners: readonly PolicyNode[]): number {
    const everybodys = this.#primaries.get(route) as number;
    const near = closest(
      viewer,
      owners.filter((node) => node.isOnline),
    );
    const [home] = near.map((node) => node.distances?.home);
    return home === undefined ? everybodys : (this.#primaries.get(`${route} ${home}`) as number);
  }

  #isFarEnd(rule: AccessRule, viewer: PolicyNode, primary: number): boolean {
    if (rule.via.length === 0) return rule.destinations.some((group) => this.#reaches(this.#union(group), viewer));
    if (this.#carried(rule, viewer).length > 0) return true;
    const router = this.#nodes.get(primary) as PolicyNode;
    return this.#carried(rule, router).some((block) => this.#reaches(block, viewer));
  }

  #mayExit(viewer: PolicyNode, peer: PolicyNode): boolean {
    return this.#policy.rules.some((rule) => {
      if (!this.#touches(this.#sources(rule), viewer)) return false;
      if (rule.via.length === 0) return rule.destinations.some((group) => covers(this.#union(group), INTERNET));
      const isInternet = rule.destinations.flat().some(({ kind }) => kind === "internet" || kind === "any");
      return isInternet && rule.via.some((tag) => peer.tags.includes(tag));
    });
  }

  /** Tells whether the policy lets a packet in at a node. */
  allows(node: PolicyNode, packet: Packet): boolean {
    return this.#policy.rules.some((rule) =>
      rule.parts.some((part) => {
        if (part.kind !== "ports") return false;
        const isProtocol =
          part.protocol === null ? DEFAULT_PROTOCOLS.has(packet.protocol) : part.protocol === packet.protocol;
        if (!isProtocol) return false;
        return part.entries.some(({ selector, ports }) => {
          const isPort = ports.some(({ First, Last }) => First <= packet.port && packet.port <= Last);
          return (
            isPort &&
            (part.isSelf ? this.#allowsSelf(rule, node, packet) : this.#allowsFrom(rule, selector, node, packet))
          );
        });
      }),
    );
  }

  #allowsSelf(rule: AccessRule, node: PolicyNode, packet: Packet): boolean {
    if (rule.via.length > 0 || node.tags.length > 0 || !addressesOf(node).includes(packet.to)) return false;
    return [...this.#nodes.values()].some(
      (other) =>
        other.userId === node.userId && this.#isSelfSource(rule, other) && addressesOf(other).includes(packet.from),
    );
  }

  #allowsFrom(rule: AccessRule, selector: Selector, node: PolicyNode, packet: Packet): boolean {
    if (!contains(this.#sources(rule), packet.from)) return false;
    if (rule.via.length === 0) return contains(this.#destinationSet(selector), packet.to);
    const alone = { ...rule, destinations: [[selector]] };
    return this.#carried(alone, node).some((block) => contains(block, packet.to));
  }
}

/** The routers of the region closest to the viewer; none when it measured none of their regions. */
function closest(viewer: PolicyNode, online: readonly PolicyNode[]): readonly PolicyNode[] {
  const far = Number.POSITIVE_INFINITY;
  const homes = new Set(online.map(({ distances }) => distances?.home ?? 0));
  if (homes.size < 2) return [];
  const distanceTo = (home: number) => {
    if (home === 0 || viewer.distances === undefined) return far;
    return home === viewer.distances.home ? -1 : (viewer.distances.latencies.get(home) ?? far);
  };
  const least = Math.min(...[...homes].map(distanceTo));
  const home = [...homes].find((region) => distanceTo(region) === least);
  return least === far ? [] : online.filter(({ distances }) => distances?.home === home);
}

function hostRanges(node: PolicyNode) {
  return addressesOf(node).map((address) => ({ first: address, last: address }));
}

function routeSet(route: string): PrefixSet {
  const prefix = parsePrefix(route);
  return prefix === undefined ? NOTHING : [prefixRange(prefix)];
}

function isExitRoute(route: string): boolean {
  return routeSet(route).some(isExitRange);
}

/** Tells whether a node is an exit node. */
function isExit(node: PolicyNode): boolean {
  return node.routes.some(isExitRoute);
}

/** A node's subnet routes, each as a set. */
function subnets(node: PolicyNode): PrefixSet[] {
  return node.routes.filter((route) => !isExitRoute(route)).map(routeSet);
}

function meet(a: PrefixSet, b: PrefixSet): boolean {
  return b.some((range) => overlaps(a, range));
}
