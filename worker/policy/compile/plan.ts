// A policy turned into a plan that no longer depends on its shape: atoms, the pairs of atoms that may meet, and the raw
// rules of the packet filter in order (policy.md 9.2). A plan knows no user and no node.
//
// An atom is one selector on one side of rules, with the postures asked for there; equal ones are the same atom. A node
// "touches" an atom when it is selected by it, owns an address of it, or serves a route that overlaps it. Two nodes see
// each other when one touches an atom and the other touches an atom opposite to it (policy.md 13), so visibility, routes
// and filters all come down to small bitsets over atoms.
import type { CapMap, PortRange } from "../../protocol/control/filter-rule.ts";
import { Bitset } from "../bitset.ts";
import type { AccessRule, Policy, Posture, RulePart, Selector, SSHAccessRule } from "../policy.ts";
import { covers, EVERYTHING, INTERNET, NOTHING, type PrefixSet, prefixSet, TAILNET_RANGES } from "../prefix-set.ts";
import type { AttributeTemplate } from "./views/node-attributes.ts";

/** An entry of ssh with its selectors as atoms. */
export interface SSHTemplate {
  readonly rule: SSHAccessRule;
  readonly sources: readonly number[];
  readonly destinations: readonly number[];
  readonly recorders: readonly number[];
}

/** Where an atom stands: targets are those of nodeAttrs. */
export type Side = "source" | "destination" | "target";

/** What an atom selects. The last three are made by the compiler, never written in a policy. */
export type AtomSelector =
  | Selector
  /** Nodes with an approved exit route: the far end of rules that grant the whole internet. */
  | { readonly kind: "exit-nodes" }
  /** Routers that carry one block of a via grant's destinations. */
  | { readonly kind: "router"; readonly tags: readonly string[]; readonly block: ViaBlock }
  | SteeredRouter;

/** Nodes that touch a router atom and are a source of the same grant. */
export interface SteeredRouter {
  readonly kind: "steered-router";
  readonly sources: readonly number[];
  readonly router: number;
}

/** One destination of a via grant. */
export type ViaBlock = { readonly kind: "any" | "internet" } | { readonly kind: "literal"; readonly set: PrefixSet };

/** A selector on one side of rules. */
export interface Atom {
  readonly index: number;
  /** A text that two atoms of any plans share exactly when they select the same. */
  readonly key: string;
  readonly side: Side;
  readonly selector: AtomSelector;
  readonly postures: readonly Posture[] | null;
  /** Atoms on the other side of any rule: nodes that touch them are peers of nodes that touch this one. */
  readonly opposite: Bitset;
  /** As `opposite`, through rules without via only. */
  readonly direct: Bitset;
}

/** Sources, or the destinations of a reversed companion, as one FilterRule's SrcIPs. Equal ones are shared. */
export interface SourceTemplate {
  readonly index: number;
  /** Equal to the key of the same source in a plan that numbers atoms alike. */
  readonly key: string;
  readonly atoms: readonly number[];
  readonly hasAny: boolean;
  readonly hasDangerAll: boolean;
  /** Union of the literal atoms without postures. */
  readonly literal: PrefixSet;
  /** True when literals are narrowed by postures, so that content depends on nodes inside them. */
  readonly isNarrowed: boolean;
}

/** A destination entry of a raw rule. */
export interface RawEntry {
  /** The destination atom. */
  readonly atom: number;
  readonly ports: readonly PortRange[];
  /** For via rules: the router atom that a node must touch to keep the entry. */
  readonly router: number | null;
}

/** A FilterRule before it is merged and reduced to a node (policy.md 9.1). */
export type RawRule = PortsRule | AppRule | SelfPortsRule | SelfAppRule;

/** Sources may send to destinations. */
export interface PortsRule {
  readonly kind: "ports";
  readonly index: number;
  readonly source: number;
  readonly protocol: number | null;
  readonly entries: readonly RawEntry[];
}

/** Sources have capabilities towards the receivers. A companion is reversed: it goes to the sources of its grant. */
export interface AppRule {
  readonly kind: "app";
  readonly index: number;
  readonly source: number;
  readonly isCompanion: boolean;
  /** Atoms whose nodes receive the rule. */
  readonly receivers: readonly number[];
  readonly capMap: CapMap;
}

/** A user's nodes may send to each other (policy.md 9.5). */
export interface SelfPortsRule {
  readonly kind: "self-ports";
  readonly index: number;
  /** Index among the plan's self sources. */
  readonly self: number;
  readonly protocol: number | null;
  readonly ports: readonly PortRange[];
}

/** A user's nodes have capabilities towards each other. */
export interface SelfAppRule {
  readonly kind: "self-app";
  readonly index: number;
  readonly self: number;
  readonly isCompanion: boolean;
  readonly capMap: CapMap;
}

/** A grant with via: who is steered to which routers. */
export interface ViaGrant {
  readonly sources: readonly number[];
  readonly tags: readonly string[];
  readonly blocks: readonly { readonly block: ViaBlock; readonly destination: number; readonly router: number }[];
}

/** Capabilities that come with another one, towards the sources (policy.md 10). */
const COMPANIONS: readonly (readonly [string, string])[] = [
  ["tailscale.com/cap/drive", "tailscale.com/cap/drive-sharer"],
  ["tailscale.com/cap/relay", "tailscale.com/cap/relay-target"],
];

/** The compiled form of a policy's access rules. */
export class Plan {
  readonly policy: Policy;
  readonly atoms: Atom[] = [];
  readonly sources: SourceTemplate[] = [];
  readonly rawRules: RawRule[] = [];
  readonly viaGrants: ViaGrant[] = [];
  /** The atoms of kind "steered-router". */
  readonly steeredRouters: { readonly selector: SteeredRouter; readonly opposite: Bitset }[] = [];
  /** The different lists of source atoms of rules to `autogroup:self`. */
  readonly selfSources: (readonly number[])[] = [];
  readonly ssh: readonly SSHTemplate[];
  readonly attributes: readonly AttributeTemplate[];
  /** Index of the atom of exit nodes. */
  readonly exitNodes: number;
  /** How many atoms are numbered as in the earlier plan; those that no rule names any more meet nobody. */
  readonly inherited: number = 0;
  readonly #used = new Set<number>();
  readonly #steered = new Set<number>();
  readonly #atomIndex = new Map<string, number>();
  readonly #sourceIndex = new Map<string, number>();

  /** The plan of a policy that may follow an earlier one: atoms then keep their numbers, unless too many fell out of use. */
  constructor(policy: Policy, earlier: Plan | null = null) {
    this.policy = policy;
    if (earlier !== null && earlier.atoms.length <= 2 * earlier.#used.size) {
      for (const { key, side, selector, postures } of earlier.atoms) this.#addAtom(key, side, selector, postures);
      this.inherited = this.atoms.length;
    }
    this.exitNodes = this.#intern("exit-nodes", "destination", { kind: "exit-nodes" }, null);
    for (const rule of policy.rules) {
      if (rule.via.length > 0) this.#addViaRule(rule);
      else this.#addRule(rule);
    }
    this.ssh = policy.ssh.map((rule) => ({
      rule,
      sources: rule.sources.map((selector) => this.atomOf(selector, "source", rule.postures)),
      destinations: rule.destinations.map((selector) => this.atomOf(selector, "destination")),
      recorders: rule.recorders.map((tag) => this.atomOf({ kind: "tag", tag }, "target")),
    }));
    this.attributes = policy.nodeAttrs.map(({ targets, capMap }) => ({
      targets: targets.map((selector) => this.atomOf(selector, "target")),
      capMap,
    }));
  }

  /** The atom of a selector on a side. */
  atomOf(selector: Selector, side: Side, postures: readonly Posture[] | null = null): number {
    const asked = postures === null ? "" : JSON.stringify(postures.map(({ conditions }) => conditions));
    return this.#intern(`${side} ${asked} ${selectorKey(selector)}`, side, selector, postures);
  }

  #intern(key: string, side: Side, selector: AtomSelector, postures: readonly Posture[] | null): number {
    const index = this.#atomIndex.get(key) ?? this.#addAtom(key, side, selector, postures);
    this.#used.add(index);
    return index;
  }

  #addAtom(key: string, side: Side, selector: AtomSelector, postures: readonly Posture[] | null): number {
    const index = this.atoms.length;
    this.atoms.push({ index, key, side, selector, postures, opposite: new Bitset(), direct: new Bitset() });
    this.#atomIndex.set(key, index);
    return index;
  }

  #addRule(rule: AccessRule): void {
    const sources = rule.sources.map((selector) => this.atomOf(selector, "source", rule.postures));
    for (const group of rule.destinations) {
      const atoms = group.map((selector) => this.atomOf(selector, "destination"));
      if (coversInternet(group)) atoms.push(this.exitNodes);
      this.#connect(sources, atoms, true);
    }
    for (const part of rule.parts) this.#addPart(part, sources);
  }

  #connect(sources: readonly number[], destinations: readonly number[], isDirect: boolean): void {
    const from = Bitset.of(sources);
    const to = Bitset.of(destinations);
    for (const source of sources) this.#meet(source, to, isDirect);
    for (const destination of destinations) this.#meet(destination, from, isDirect);
  }

  #meet(atom: number, others: Bitset, isDirect: boolean): void {
    const { opposite, direct } = this.atoms[atom] as Atom;
    opposite.addAll(others);
    if (isDirect) direct.addAll(others);
  }

  #addPart(part: RulePart, sources: readonly number[]): void {
    if (part.isSelf) {
      this.#addSelfPart(part, this.#selfSource(sources));
    } else if (part.kind === "app") {
      this.#addAppRules(part, sources);
    } else {
      const entries = part.entries.map(({ selector, ports }) => {
        return { atom: this.atomOf(selector, "destination"), ports, router: null };
      });
      this.#addPortsRule(part.protocol, sources, entries);
    }
  }

  #addPortsRule(protocol: number | null, sources: readonly number[], entries: readonly RawEntry[]): void {
    if (entries.length === 0) return;
    const source = this.#sourceTemplate(sources);
    this.rawRules.push({ kind: "ports", index: this.rawRules.length, source, protocol, entries });
  }

  #addAppRules({ destinations, capMap }: RulePart & { readonly kind: "app" }, sources: readonly number[]): void {
    const to = destinations.map((selector) => this.atomOf(selector, "destination"));
    const add = (from: readonly number[], receivers: readonly number[], isCompanion: boolean, values: CapMap) => {
      const source = this.#sourceTemplate(from);
      const index = this.rawRules.length;
      this.rawRules.push({ kind: "app", index, source, isCompanion, receivers, capMap: values });
    };
    add(sources, to, false, capMap);
    for (const companion of companionsOf(capMap)) add(to, sources, true, companion);
  }

  #addSelfPart(part: RulePart, self: number): void {
    if (part.kind === "ports") {
      for (const { ports } of part.entries) {
        this.rawRules.push({ kind: "self-ports", index: this.rawRules.length, self, protocol: part.protocol, ports });
      }
      return;
    }
    const add = (isCompanion: boolean, capMap: CapMap) =>
      this.rawRules.push({ kind: "self-app", index: this.rawRules.length, self, isCompanion, capMap });
    add(false, part.capMap);
    for (const companion of companionsOf(part.capMap)) add(true, companion);
  }

  #selfSource(atoms: readonly number[]): number {
    const known = this.selfSources.findIndex((other) => other.join() === atoms.join());
    return known >= 0 ? known : this.selfSources.push(atoms) - 1;
  }

  /** A via grant: its app capabilities reach nobody, but count for visibility (policy.md 11). */
  #addViaRule(rule: AccessRule): void {
    const sources = rule.sources.map((selector) => this.atomOf(selector, "source", rule.postures));
    const blocks = new Map<Selector, ViaGrant["blocks"]>();
    for (const selector of rule.destinations.flat()) blocks.set(selector, this.#viaBlocks(selector, rule, sources));
    this.viaGrants.push({ sources, tags: rule.via, blocks: [...blocks.values()].flat() });
    for (const part of rule.parts) {
      if (part.kind !== "ports" || part.isSelf) continue;
      const entries = part.entries.flatMap(({ selector, ports }) =>
        (blocks.get(selector) ?? []).map(({ destination, router }) => ({ atom: destination, ports, router })),
      );
      this.#addPortsRule(part.protocol, sources, entries);
    }
  }

  #viaBlocks(selector: Selector, rule: AccessRule, sources: readonly number[]): ViaGrant["blocks"] {
    return splitBlocks(selector).map(([block, written]) => {
      const key = `${selectorKey(written)} ${rule.via.join(",")}`;
      const router = this.#intern(`router ${key}`, "destination", { kind: "router", tags: rule.via, block }, null);
      const destination = this.atomOf(written, "destination");
      const steered = this.#steeredRouter({ kind: "steered-router", sources, router });
      const farEnd = coversInternet([written]) ? [destination, this.exitNodes] : [destination];
      this.#connect(sources, [router], false);
      this.#connect([steered], farEnd, false);
      return { block, destination, router };
    });
  }

  #steeredRouter(selector: SteeredRouter): number {
    const index = this.#intern(`steered ${selector.router} ${selector.sources.join(",")}`, "source", selector, null);
    if (!this.#steered.has(index)) {
      this.#steered.add(index);
      this.steeredRouters.push({ selector, opposite: (this.atoms[index] as Atom).opposite });
    }
    return index;
  }

  #sourceTemplate(atoms: readonly number[]): number {
    const distinct = [...new Set(atoms)].sort((a, b) => a - b);
    const key = distinct.join(",");
    const known = this.#sourceIndex.get(key);
    if (known !== undefined) return known;
    const index = this.sources.length;
    const members = distinct.map((atom) => this.atoms[atom] as Atom);
    const literals = members.filter((atom) => atomLiteral(atom) !== undefined);
    this.sources.push({
      index,
      key,
      atoms: distinct,
      hasAny: members.some((atom) => atom.selector.kind === "any"),
      hasDangerAll: members.some((atom) => atom.selector.kind === "danger-all" && atom.postures === null),
      literal: prefixSet(
        literals.filter((atom) => atom.postures === null).flatMap((atom) => atomLiteral(atom) ?? NOTHING),
      ),
      isNarrowed: literals.some((atom) => atom.postures !== null),
    });
    this.#sourceIndex.set(key, index);
    return index;
  }
}

function companionsOf(capMap: CapMap): CapMap[] {
  return COMPANIONS.filter(([name]) => Object.hasOwn(capMap, name)).map(([, companion]) => ({ [companion]: null }));
}

/** The addresses that an atom names by itself; undefined when it stands for nodes. */
export function atomLiteral(atom: Atom): PrefixSet | undefined {
  if (atom.selector.kind === "literal") return atom.selector.set;
  if (atom.selector.kind === "internet") return INTERNET;
  if (atom.selector.kind === "danger-all" && atom.postures !== null) return EVERYTHING;
  return atom.selector.kind === "any" && atom.side === "source" && atom.postures === null ? TAILNET_RANGES : undefined;
}

/** A text that two selectors share exactly when they mean the same. */
function selectorKey(selector: Selector): string {
  switch (selector.kind) {
    case "literal":
      return `literal ${selector.set.map(({ first, last }) => `${first.toString(36)}-${last.toString(36)}`).join()}`;
    case "user":
      return `user ${selector.login}`;
    case "group":
      return `group ${JSON.stringify(selector.members)}`;
    case "service":
      return selector.name;
    case "tag":
      return selector.tag;
    case "domain":
      return `domain ${selector.domain}`;
    case "role":
      return `role ${selector.role}`;
    default:
      return selector.kind;
  }
}

/** Tells whether destinations together contain the whole internet, which makes exit nodes their far end. */
function coversInternet(destinations: readonly Selector[]): boolean {
  if (destinations.some(({ kind }) => kind === "any" || kind === "internet")) return true;
  const literal = destinations.flatMap((selector) => (selector.kind === "literal" ? selector.set : NOTHING));
  return literal.length > 0 && covers(prefixSet(literal), INTERNET);
}

/** The destinations of a via grant that a route can overlap, each with the selector that stands for it alone. */
function splitBlocks(selector: Selector): (readonly [ViaBlock, Selector])[] {
  if (selector.kind === "any") return [[{ kind: "any" }, selector]];
  if (selector.kind === "internet") return [[{ kind: "internet" }, selector]];
  if (selector.kind !== "literal") return [];
  return selector.set.map((range) => [
    { kind: "literal", set: [range] },
    { kind: "literal", set: [range] },
  ]);
}
