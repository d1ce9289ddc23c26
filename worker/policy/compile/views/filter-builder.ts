// The packet filter of one node, put together rule by rule (policy.md 9.4 – 9.6, 10, 12).
import type { CapGrant, FilterRule, NetPortRange, PortRange } from "../../../protocol/control/filter-rule.ts";
import {
  type Address,
  type AddressRange,
  addressBits,
  formatAddress,
  formatPrefix,
  formatRange,
  rangePrefixes,
} from "../../../protocol/ip.ts";
import { contains, coversRange, INTERNET, overlaps } from "../../prefix-set.ts";
import type { NodeAddress } from "../nodes/node-address.ts";
import { isSelected } from "../nodes/node-class.ts";
import type { NodeRecord } from "../nodes/node-record.ts";
import { MEMBER } from "../nodes/touches.ts";
import {
  type AppRule,
  type Atom,
  atomLiteral,
  type PortsRule,
  type RawEntry,
  type SelfAppRule,
  type SelfPortsRule,
} from "../plan.ts";
import { renderAddresses, type SelfSource } from "./self-sources.ts";
import type { SourceContent, SourceWorld } from "./source-content.ts";

/** What building a filter reads of the tailnet. */
export interface FilterWorld extends SourceWorld {
  contentOf(source: number): SourceContent;
  /** Untagged nodes of a user, in order of registration. */
  nodesOf(userId: number): readonly NodeRecord[];
}

/** A FilterRule on its way: where it goes in the list and what it has collected so far. */
interface Draft {
  readonly position: number;
  readonly rule: FilterRule;
}

interface PortsGroup {
  readonly position: number;
  readonly sources: readonly string[];
  readonly protocol: number | null;
  readonly targets: NetPortRange[];
}

/** Destinations that are no node, as they are spelt; made once an entry and shared by all filters. */
export class WrittenRanges {
  readonly #ranges = new Map<RawEntry, readonly NetPortRange[]>();

  /** Range by range, each with all ports of the entry. */
  of(entry: RawEntry, atom: Atom): readonly NetPortRange[] {
    const known = this.#ranges.get(entry);
    if (known !== undefined) return known;
    const ranges = portRanges(writtenTexts(atom), entry.ports);
    this.#ranges.set(entry, ranges);
    return ranges;
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

/** Collects the rules of one node's filter. */
export class FilterBuilder {
  /** True while nothing in the filter is particular to this node. */
  isShareable = true;
  readonly #record: NodeRecord;
  readonly #world: FilterWorld;
  readonly #written: WrittenRanges;
  readonly #addresses: readonly NodeAddress[];
  readonly #groups = new Map<string, PortsGroup>();
  readonly #drafts: Draft[] = [];
  readonly #ownRanges = new Map<readonly PortRange[], readonly NetPortRange[]>();

  constructor(record: NodeRecord, world: FilterWorld, written: WrittenRanges) {
    this.#record = record;
    this.#world = world;
    this.#written = written;
    this.#addresses = record.addresses;
  }

  /** Adds the entries of an ordinary or via rule that concern the node. */
  addPorts(rule: PortsRule, key: string): void {
    const targets = rule.entries.flatMap((entry) => this.#keptRanges(entry));
    const content = this.#world.contentOf(rule.source);
    if (targets.length === 0 || content.isEmpty(this.#world)) return;
    this.#merge(rule, key, content.render(this.#world), targets);
  }

  /** Adds a rule to autogroup:self: from the user's own nodes to this one (policy.md 9.5). */
  addSelfPorts(rule: SelfPortsRule, source: SelfSource, key: string): void {
    this.isShareable = false;
    const sources = source.texts();
    if (sources.length > 0) this.#merge(rule, key, sources, this.#own(rule.ports));
  }

  #merge(
    rule: PortsRule | SelfPortsRule,
    key: string,
    sources: readonly string[],
    targets: readonly NetPortRange[],
  ): void {
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
    const sources = this.#world.contentOf(rule.source).render(this.#world);
    if (sources.length === 0 && rule.isCompanion) return;
    this.#addGrant(rule, sources, this.#grantDestinations(rule.receivers));
  }

  /** Adds capabilities of the user's own nodes towards each other. */
  addSelfApp(rule: SelfAppRule, source: SelfSource): void {
    this.isShareable = false;
    const { node, class: nodeClass } = this.#record;
    const sources = source.texts();
    if (sources.length === 0 || node.userId === null) return;
    const own = this.#addresses.map(hostPrefix);
    if (!rule.isCompanion) {
      this.#addGrant(rule, sources, own);
    } else if (isSelected(nodeClass, this.#world.plan.selfSources[rule.self] ?? [])) {
      this.#addGrant(rule, renderAddresses(this.#world.nodesOf(node.userId)), own);
    }
  }

  #addGrant(rule: AppRule | SelfAppRule, sources: readonly string[], destinations: readonly string[]): void {
    if (destinations.length === 0) return;
    const CapGrant: CapGrant[] = [{ Dsts: destinations, CapMap: rule.capMap }];
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
    if (entry.router !== null) return nodeClass.touched.has(entry.router) ? this.#written.of(entry, atom) : [];
    const touch = nodeClass.touches.get(entry.atom) ?? 0;
    if (atomLiteral(atom) === undefined) {
      if (touch === 0) return [];
      return atom.selector.kind === "any" ? this.#written.of(entry, atom) : this.#identityRanges(entry, touch);
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
      .filter(({ address }) => !this.#addresses.some((own) => own.address === address) && this.#serves(address));
    return [...ranges, ...portRanges(textsOf(behind), entry.ports)];
  }

  #serves(address: Address): boolean {
    return this.#record.subnets.some(({ range }) => range.first <= address && address <= range.last);
  }

  #literalRanges(entry: RawEntry, atom: Atom): readonly NetPortRange[] {
    const set = atomLiteral(atom) ?? [];
    const written = this.#written.of(entry, atom);
    if (set.length > 1 && atom.selector.kind !== "internet") this.isShareable = false;
    const kept = set.map((range) => this.#concerns(range));
    if (kept.every((isKept) => isKept)) return written;
    if (!kept.includes(true)) return [];
    this.isShareable = false;
    // Entries are range by range, each with all of its ports.
    return written.filter((_, i) => kept[Math.floor(i / entry.ports.length)]);
  }

  /** Tells whether a written range stays in this node's filter (policy.md 12). */
  #concerns(range: AddressRange): boolean {
    const { subnets, class: nodeClass } = this.#record;
    return (
      this.#addresses.some(({ address }) => range.first <= address && address <= range.last) ||
      subnets.some((subnet) => overlaps([range], subnet.range)) ||
      (nodeClass.isExit && coversRange(INTERNET, range))
    );
  }

  #own(ports: readonly PortRange[]): readonly NetPortRange[] {
    this.isShareable = false;
    const known = this.#ownRanges.get(ports);
    if (known !== undefined) return known;
    const ranges = portRanges(textsOf(this.#addresses), ports);
    this.#ownRanges.set(ports, ranges);
    return ranges;
  }

  /** Dsts of a capability: the node's addresses among the receivers, and prefixes that overlap its routes. */
  #grantDestinations(receivers: readonly number[]): readonly string[] {
    const { touched } = this.#record.class;
    const destinations = new Set<string>();
    for (const index of receivers) {
      if (!touched.has(index)) continue;
      const atom = this.#world.plan.atoms[index] as Atom;
      const literal = atomLiteral(atom);
      for (const own of isSelected(this.#record.class, [index]) ? this.#addresses : []) {
        if (literal === undefined || contains(literal, own.address)) destinations.add(hostPrefix(own));
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

function portRanges(texts: readonly string[], ports: readonly PortRange[]): readonly NetPortRange[] {
  return texts.flatMap((IP) => ports.map((Ports) => ({ IP, Ports })));
}

function textsOf(addresses: readonly NodeAddress[]): string[] {
  return addresses.map(({ text }) => text);
}

function hostPrefix({ address, text }: NodeAddress): string {
  return `${text}/${addressBits(address)}`;
}
