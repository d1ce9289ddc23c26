// Packet filters: the raw rules of a plan, merged over the whole tailnet and then reduced to one node (policy.md 9, 10,
// 12). Filters are built when asked for and kept until something that they show has changed; nodes whose filters name
// no address of their own share them by class.
import type { CapGrant, FilterRule, NetPortRange, PortRange } from "../../../protocol/control/filter-rule.ts";
import {
  type Address,
  addressBits,
  formatAddress,
  formatPrefix,
  formatRange,
  rangePrefixes,
} from "../../../protocol/ip.ts";
import type { Bitset } from "../../bitset.ts";
import { contains, coversRange, INTERNET, overlaps, prefixSet } from "../../prefix-set.ts";
import { isSelected, MEMBER, type NodeClass } from "../nodes/node-class.ts";
import { addressesOf, type NodeRecord } from "../nodes/node-record.ts";
import { type Atom, atomLiteral, type Plan, type RawEntry, type RawRule } from "../plan.ts";
import { addHash, hashAddress, hashText, NO_ADDRESSES } from "./address-hash.ts";
import type { SourceContent, SourceWorld } from "./source-content.ts";

type PortsRule = RawRule & { readonly kind: "ports" };
type AppRule = RawRule & { readonly kind: "app" };

/** What building a filter reads of the tailnet. */
export interface FilterWorld extends SourceWorld {
  contentOf(source: number): SourceContent;
  /** Untagged nodes of the record's user, the record included; empty for a tagged node. */
  nodesOfUser(record: NodeRecord): readonly NodeRecord[];
  /** Slots of the nodes that touch an atom. */
  touching(atom: number): Bitset;
  /** Slots of the nodes with exit routes. */
  readonly exitSlots: Bitset;
}

/** A FilterRule on its way: where it goes in the list and what it has collected so far. */
interface Draft {
  readonly position: number;
  readonly rule: FilterRule;
}

interface PortsGroup {
  position: number;
  readonly sources: readonly string[];
  readonly protocol: number | null;
  readonly targets: NetPortRange[];
}

/** Builds and keeps the packet filters of a tailnet's nodes. */
export class PacketFilters {
  readonly #world: FilterWorld;
  readonly #plan: Plan;
  /** Rules that a node may receive because it touches an atom. */
  readonly #rulesByAtom = new Map<number, RawRule[]>();
  /** Rules with a destination inside the internet: exit nodes receive those. */
  readonly #internetRules: PortsRule[] = [];
  readonly #selfRules: RawRule[];
  readonly #rulesBySource = new Map<number, RawRule[]>();
  readonly #kept = new Map<number, readonly FilterRule[]>();
  readonly #shared = new Map<NodeClass, readonly FilterRule[]>();
  readonly #entryRanges = new Map<RawEntry, readonly NetPortRange[]>();
  /** Merge key → index of the first rule with it, over the rules that are the same for every node. */
  #leaders: ReadonlyMap<string, number> | null = null;

  constructor(world: FilterWorld) {
    this.#world = world;
    this.#plan = world.plan;
    this.#selfRules = this.#plan.rawRules.filter((rule) => rule.isSelf);
    for (const rule of this.#plan.rawRules) this.#register(rule);
  }

  #register(rule: RawRule): void {
    append(this.#rulesBySource, rule.source, rule);
    if (rule.isSelf) return;
    for (const atom of receiversOf(rule)) append(this.#rulesByAtom, atom, rule);
    if (rule.kind === "ports" && rule.entries.some((entry) => this.#isWithinInternet(entry))) {
      this.#internetRules.push(rule);
    }
  }

  /** The node's packet filter; the same reference until it changes. */
  filterOf(record: NodeRecord): readonly FilterRule[] {
    const kept = this.#kept.get(record.slot);
    if (kept !== undefined) return kept;
    const filter = this.#find(record);
    this.#kept.set(record.slot, filter);
    return filter;
  }

  /** The filter that is kept of a node; undefined when it was never asked for. */
  kept(record: NodeRecord): readonly FilterRule[] | undefined {
    return this.#kept.get(record.slot);
  }

  /** The node's filter, without keeping it. */
  peek(record: NodeRecord): readonly FilterRule[] {
    return this.#kept.get(record.slot) ?? this.#find(record);
  }

  /** Keeps a filter that equals the node's own, so that its reference stays the same. */
  adopt(record: NodeRecord, filter: readonly FilterRule[] | undefined): void {
    if (filter !== undefined) this.#kept.set(record.slot, filter);
  }

  #find(record: NodeRecord): readonly FilterRule[] {
    return (this.#mayShare(record) ? this.#shared.get(record.class) : undefined) ?? this.#build(record);
  }

  /** Classes say nothing about users, on whom rules to autogroup:self depend. */
  #mayShare(record: NodeRecord): boolean {
    return this.#selfRules.length === 0 || record.node.tags.length > 0;
  }

  /** Forgets the filters of these nodes. */
  forget(slots: Bitset): void {
    this.#shared.clear();
    slots.visit((slot) => this.#kept.delete(slot));
  }

  /** Adds the slots of all nodes whose filters list these sources. */
  addHolders(source: number, slots: Bitset): void {
    for (const rule of this.#rulesBySource.get(source) ?? []) {
      if (rule.isSelf) continue;
      for (const atom of receiversOf(rule)) slots.addAll(this.#world.touching(atom));
      if (rule.kind === "ports" && this.#internetRules.includes(rule)) slots.addAll(this.#world.exitSlots);
    }
  }

  /** Works out anew which rules merge. Adds to `slots` the holders of rules whose place in the list has moved. */
  regroup(slots: Bitset): void {
    const before = this.#leaders;
    this.#leaders = null;
    if (before === null) return;
    const moved = new Set<number>();
    for (const [key, leader] of this.#leadersNow()) if (before.get(key) !== leader) moved.add(leader);
    for (const [key, leader] of before) if (this.#leadersNow().get(key) !== leader) moved.add(leader);
    if (moved.size === 0) return;
    for (const [source, rules] of this.#rulesBySource) {
      if (rules.some((rule) => rule.kind === "ports" && this.#isMoved(rule, moved))) this.addHolders(source, slots);
    }
  }

  #isMoved(rule: PortsRule, moved: ReadonlySet<number>): boolean {
    const leader = this.#leadersNow().get(this.#mergeKey(rule));
    return moved.has(rule.index) || (leader !== undefined && moved.has(leader));
  }

  #leadersNow(): ReadonlyMap<string, number> {
    if (this.#leaders !== null) return this.#leaders;
    const leaders = new Map<string, number>();
    for (const rule of this.#plan.rawRules) {
      if (rule.kind !== "ports" || rule.isSelf || isVia(rule)) continue;
      const key = this.#mergeKey(rule);
      if (!leaders.has(key)) leaders.set(key, rule.index);
    }
    this.#leaders = leaders;
    return leaders;
  }

  #mergeKey(rule: PortsRule): string {
    return `${rule.protocol ?? ""} ${this.#world.contentOf(rule.source).key(this.#world)}`;
  }

  #isWithinInternet(entry: RawEntry): boolean {
    const literal = atomLiteral(this.#plan.atoms[entry.atom] as Atom);
    return entry.router === null && (literal ?? []).some((range) => coversRange(INTERNET, range));
  }

  #build(record: NodeRecord): readonly FilterRule[] {
    const builder = new FilterBuilder(record, this.#world, this.#entryRanges);
    for (const rule of this.#rulesOf(record)) {
      if (rule.kind === "app") builder.addApp(rule);
      else if (rule.isSelf) builder.addSelfPorts(rule);
      else builder.addPorts(rule, this.#mergeKey(rule));
    }
    const filter = builder.finish(this.#leadersNow());
    if (builder.isShareable && this.#mayShare(record)) this.#shared.set(record.class, filter);
    return filter;
  }

  /** The rules that may reach a node, in order. */
  #rulesOf(record: NodeRecord): RawRule[] {
    const rules = new Set<RawRule>();
    for (const atom of record.class.touches.keys()) {
      for (const rule of this.#rulesByAtom.get(atom) ?? []) rules.add(rule);
    }
    if (record.class.isExit) for (const rule of this.#internetRules) rules.add(rule);
    if (record.node.tags.length === 0) for (const rule of this.#selfRules) rules.add(rule);
    return [...rules].sort((a, b) => a.index - b.index);
  }
}

function receiversOf(rule: RawRule): readonly number[] {
  return rule.kind === "app" ? rule.receivers : rule.entries.map((entry) => entry.router ?? entry.atom);
}

function isVia(rule: PortsRule): boolean {
  return rule.entries.some((entry) => entry.router !== null);
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else if (list.at(-1) !== value) list.push(value);
}

/** Collects the rules of one node's filter. */
class FilterBuilder {
  /** True while nothing in the filter is particular to this node. */
  isShareable = true;
  readonly #record: NodeRecord;
  readonly #world: FilterWorld;
  readonly #entryRanges: Map<RawEntry, readonly NetPortRange[]>;
  readonly #addresses: readonly Address[];
  readonly #groups = new Map<string, PortsGroup>();
  readonly #drafts: Draft[] = [];
  readonly #ownRanges = new Map<readonly PortRange[], readonly NetPortRange[]>();

  constructor(record: NodeRecord, world: FilterWorld, entryRanges: Map<RawEntry, readonly NetPortRange[]>) {
    this.#record = record;
    this.#world = world;
    this.#entryRanges = entryRanges;
    this.#addresses = addressesOf(record);
  }

  /** Adds the entries of an ordinary or via rule that concern the node. */
  addPorts(rule: PortsRule, key: string): void {
    const targets = rule.entries.flatMap((entry) => this.#keptRanges(entry));
    const content = this.#world.contentOf(rule.source);
    if (targets.length === 0 || content.isEmpty(this.#world)) return;
    this.#merge(rule, key, content.render(this.#world), targets);
  }

  /** Adds a rule to autogroup:self: from the user's own nodes to this one (policy.md 9.5). */
  addSelfPorts(rule: PortsRule): void {
    const sources = this.#selfSources(this.#sourceAtoms(rule));
    if (sources.length === 0) return;
    const targets = rule.entries.flatMap((entry) => this.#own(entry.ports));
    const key = `${rule.protocol ?? ""} ${hashText(sources.map(hashAddress).reduce(addHash, NO_ADDRESSES))}`;
    this.#merge(rule, key, renderAddresses(sources), targets);
  }

  #merge(rule: PortsRule, key: string, sources: readonly string[], targets: readonly NetPortRange[]): void {
    const group = this.#groups.get(key);
    if (group === undefined) {
      this.#groups.set(key, { position: rule.index, sources, protocol: rule.protocol, targets: [...targets] });
    } else {
      group.targets.push(...targets);
    }
  }

  /** Adds a capability rule; its sources may be empty, unlike those of other rules (policy.md 7). */
  addApp(rule: AppRule): void {
    this.isShareable = false;
    const receives = rule.isSelf ? this.#selfReceives(rule) : this.#grantDestinations(rule.receivers);
    const sources = rule.isSelf ? this.#selfAppSources(rule) : this.#world.contentOf(rule.source).render(this.#world);
    if (receives.length === 0 || (sources.length === 0 && rule.isCompanion)) return;
    const CapGrant: CapGrant[] = [{ Dsts: receives, CapMap: rule.capMap }];
    this.#drafts.push({ position: rule.index, rule: { SrcIPs: sources, CapGrant } });
  }

  /** The finished filter. A merged rule stands where its first part would in the list for the whole tailnet. */
  finish(leaders: ReadonlyMap<string, number>): readonly FilterRule[] {
    for (const [key, { position, sources, protocol, targets }] of this.#groups) {
      const rule: FilterRule = {
        SrcIPs: sources,
        ...(protocol === null ? {} : { IPProto: [protocol] }),
        DstPorts: targets,
      };
      this.#drafts.push({ position: Math.min(position, leaders.get(key) ?? position), rule });
    }
    return this.#drafts.sort((a, b) => a.position - b.position).map((draft) => draft.rule);
  }

  #keptRanges(entry: RawEntry): readonly NetPortRange[] {
    const { class: nodeClass } = this.#record;
    const atom = this.#world.plan.atoms[entry.atom] as Atom;
    if (entry.router !== null) return nodeClass.touched.has(entry.router) ? this.#written(entry, atom) : [];
    const touch = nodeClass.touches.get(entry.atom) ?? 0;
    if (atomLiteral(atom) === undefined) {
      if (touch === 0) return [];
      return atom.selector.kind === "any" ? this.#written(entry, atom) : this.#identityRanges(entry, touch);
    }
    return touch === 0 && !nodeClass.isExit ? [] : this.#literalRanges(entry, atom);
  }

  /** Entries of a selector that stands for nodes: this node's addresses, and those of nodes behind its routes. */
  #identityRanges(entry: RawEntry, touch: number): readonly NetPortRange[] {
    const ranges = (touch & MEMBER) === 0 ? [] : this.#own(entry.ports);
    if ((touch & ~MEMBER) === 0) return ranges;
    this.isShareable = false;
    const behind = this.#world
      .memberAddresses([entry.atom])
      .filter((address) => !this.#addresses.includes(address) && this.#serves(address));
    return [...ranges, ...portRanges(behind.map(formatAddress), entry.ports)];
  }

  #serves(address: Address): boolean {
    return this.#record.subnets.some(({ range }) => range.first <= address && address <= range.last);
  }

  #literalRanges(entry: RawEntry, atom: Atom): readonly NetPortRange[] {
    const set = atomLiteral(atom) ?? [];
    const written = this.#written(entry, atom);
    if (set.length > 1 && atom.selector.kind !== "internet") this.isShareable = false;
    const kept = set.map((range) => this.#concerns(range));
    if (kept.every((isKept) => isKept)) return written;
    if (!kept.includes(true)) return [];
    this.isShareable = false;
    // Entries are range by range, each with all of its ports.
    return written.filter((_, i) => kept[Math.floor(i / entry.ports.length)]);
  }

  /** Tells whether a written range stays in this node's filter (policy.md 12). */
  #concerns(range: { readonly first: Address; readonly last: Address }): boolean {
    const { subnets, class: nodeClass } = this.#record;
    return (
      this.#addresses.some((address) => range.first <= address && address <= range.last) ||
      subnets.some((subnet) => overlaps([range], subnet.range)) ||
      (nodeClass.isExit && coversRange(INTERNET, range))
    );
  }

  #written(entry: RawEntry, atom: Atom): readonly NetPortRange[] {
    const known = this.#entryRanges.get(entry);
    if (known !== undefined) return known;
    const ranges = portRanges(writtenTexts(atom), entry.ports);
    this.#entryRanges.set(entry, ranges);
    return ranges;
  }

  #own(ports: readonly PortRange[]): readonly NetPortRange[] {
    this.isShareable = false;
    const known = this.#ownRanges.get(ports);
    if (known !== undefined) return known;
    const ranges = portRanges(this.#addresses.map(formatAddress), ports);
    this.#ownRanges.set(ports, ranges);
    return ranges;
  }

  #sourceAtoms(rule: RawRule): readonly number[] {
    return rule.kind === "app" ? rule.selfSources : (this.#world.plan.sources[rule.source]?.atoms ?? []);
  }

  /** Addresses of the user's nodes that match a source of a rule to autogroup:self. */
  #selfSources(atoms: readonly number[]): readonly Address[] {
    this.isShareable = false;
    return this.#world
      .nodesOfUser(this.#record)
      .filter((node) => isSelected(node.class, atoms))
      .flatMap(addressesOf);
  }

  #selfAppSources(rule: AppRule): readonly string[] {
    if (rule.isCompanion) return renderAddresses(this.#world.nodesOfUser(this.#record).flatMap(addressesOf));
    return renderAddresses(this.#selfSources(rule.selfSources));
  }

  #selfReceives(rule: AppRule): readonly string[] {
    if (this.#selfSources(rule.selfSources).length === 0) return [];
    if (rule.isCompanion && !isSelected(this.#record.class, rule.selfSources)) return [];
    return this.#addresses.map(hostPrefix);
  }

  /** Dsts of a capability: the node's addresses among the receivers, and prefixes that overlap its routes. */
  #grantDestinations(receivers: readonly number[]): readonly string[] {
    const { touches } = this.#record.class;
    const destinations = new Set<string>();
    for (const index of receivers) {
      const touch = touches.get(index);
      if (touch === undefined) continue;
      const atom = this.#world.plan.atoms[index] as Atom;
      const literal = atomLiteral(atom);
      for (const address of this.#addresses) {
        if (literal === undefined || contains(literal, address)) destinations.add(hostPrefix(address));
      }
      if (atom.selector.kind === "literal") for (const prefix of this.#overlapping(atom)) destinations.add(prefix);
    }
    return [...destinations];
  }

  #overlapping(atom: Atom): string[] {
    return (atomLiteral(atom) ?? [])
      .filter((range) => this.#record.subnets.some((subnet) => overlaps([range], subnet.range)))
      .flatMap((range) => rangePrefixes(range).map(formatPrefix));
  }
}

/** How a destination that is no node is spelt; the internet as ranges even where one is a CIDR (policy.md 4.2). */
function writtenTexts(atom: Atom): readonly string[] {
  if (atom.selector.kind === "any") return ["*"];
  const isInternet = atom.selector.kind === "internet";
  return (atomLiteral(atom) ?? []).map((range) =>
    isInternet ? `${formatAddress(range.first)}-${formatAddress(range.last)}` : formatRange(range),
  );
}

function portRanges(texts: readonly string[], ports: readonly PortRange[]): readonly NetPortRange[] {
  return texts.flatMap((IP) => ports.map((Ports) => ({ IP, Ports })));
}

function renderAddresses(addresses: readonly Address[]): readonly string[] {
  return prefixSet(addresses.map((address) => ({ first: address, last: address })))
    .map(formatRange)
    .sort();
}

function hostPrefix(address: Address): string {
  return formatPrefix({ address, bits: addressBits(address) });
}
