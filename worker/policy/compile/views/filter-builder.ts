// The packet filter of a node, or of all nodes that are like it, put together rule by rule (policy.md 9.4 – 9.6, 10, 12).
import type { NetPortRange, PortRange } from "../../../protocol/control/filter-rule.ts";
import {
  type Address,
  type AddressRange,
  formatAddress,
  formatPrefix,
  formatRange,
  rangePrefixes,
} from "../../../protocol/ip.ts";
import { contains, coversRange, INTERNET, overlaps } from "../../prefix-set.ts";
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
import {
  FilterTemplate,
  hostPrefix,
  type RuleTemplate,
  type TargetPart,
  type TemplateSource,
} from "./filter-template.ts";
import { selfSource } from "./self-sources.ts";
import type { SourceContent, SourceWorld } from "./source-content.ts";

/** What building a filter reads of the tailnet. */
export interface FilterWorld extends SourceWorld {
  contentOf(source: number): SourceContent;
  /** Untagged nodes of a user, in order of registration. */
  nodesOf(userId: number): readonly NodeRecord[];
}

/** A rule on its way, with its place in the list. */
interface Draft {
  readonly position: number;
  readonly rule: RuleTemplate;
}

interface PortsGroup {
  readonly position: number;
  readonly source: TemplateSource;
  readonly protocol: number | null;
  readonly parts: TargetPart[];
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

/** Collects the rules of one node's filter; they fit every node of its class and user unless something is noted. */
export class FilterBuilder {
  #isNodeSpecific: boolean;
  readonly #record: NodeRecord;
  readonly #world: FilterWorld;
  readonly #written: WrittenRanges;
  readonly #groups = new Map<string, PortsGroup>();
  readonly #drafts: Draft[] = [];

  constructor(record: NodeRecord, world: FilterWorld, written: WrittenRanges) {
    this.#record = record;
    this.#world = world;
    this.#written = written;
    // Rules without destinations are left out, and gaps cannot tell that they stay empty.
    this.#isNodeSpecific = record.addresses.length === 0;
  }

  /** Adds the entries of an ordinary or via rule that concern the node. */
  addPorts(rule: PortsRule, key: string): void {
    const content = this.#world.contentOf(rule.source);
    const parts = rule.entries.flatMap((entry) => this.#keptParts(entry));
    if (parts.length === 0 || content.isEmpty(this.#world)) return;
    this.#merge(rule, key, this.#sourceOf(rule.source), parts);
  }

  /** Adds a rule to autogroup:self: from the user's own nodes to this one (policy.md 9.5). */
  addSelfPorts(rule: SelfPortsRule, source: TemplateSource, key: string): void {
    if (source.texts().length > 0) this.#merge(rule, key, source, this.#own(rule.ports));
  }

  #merge(
    { index, protocol }: PortsRule | SelfPortsRule,
    key: string,
    source: TemplateSource,
    parts: readonly TargetPart[],
  ): void {
    const group = this.#groups.get(key);
    if (group !== undefined) group.parts.push(...parts);
    else if (parts.length > 0) this.#groups.set(key, { position: index, source, protocol, parts: [...parts] });
  }

  /** Adds a capability rule; its sources may be empty, unlike those of other rules (policy.md 7). */
  addApp(rule: AppRule): void {
    if (rule.isCompanion && this.#world.contentOf(rule.source).isEmpty(this.#world)) return;
    this.#addGrant(rule, this.#sourceOf(rule.source), this.#grantDestinations(rule.receivers));
  }

  /** Adds capabilities of the user's own nodes towards each other. */
  addSelfApp(rule: SelfAppRule, source: TemplateSource): void {
    const { node, class: nodeClass } = this.#record;
    if (source.texts().length === 0 || node.userId === null) return;
    if (!rule.isCompanion) {
      this.#addGrant(rule, source, "own");
    } else if (isSelected(nodeClass, this.#world.plan.selfSources[rule.self] ?? [])) {
      this.#addGrant(rule, selfSource(this.#world.nodesOf(node.userId)), "own");
    }
  }

  #sourceOf(index: number): TemplateSource {
    const content = this.#world.contentOf(index);
    return { key: content.key(this.#world), texts: () => content.render(this.#world) };
  }

  #addGrant(
    { index, capMap }: AppRule | SelfAppRule,
    source: TemplateSource,
    destinations: readonly string[] | "own",
  ): void {
    if ((destinations === "own" ? this.#record.addresses : destinations).length === 0) return;
    this.#drafts.push({ position: index, rule: { source, capMap, destinations } });
  }

  /** The finished filter. A merged rule stands where its first part would in the list for the whole tailnet. */
  finish(leaders: ReadonlyMap<string, number>): FilterTemplate {
    for (const [key, { position, source, protocol, parts }] of this.#groups) {
      const first = Math.min(position, leaders.get(key) ?? position);
      this.#drafts.push({ position: first, rule: { source, protocol, parts } });
    }
    const rules = this.#drafts.sort((a, b) => a.position - b.position).map((draft) => draft.rule);
    return new FilterTemplate(rules, this.#isNodeSpecific);
  }

  #keptParts(entry: RawEntry): readonly TargetPart[] {
    const { class: nodeClass } = this.#record;
    const atom = this.#world.plan.atoms[entry.atom] as Atom;
    if (entry.router !== null) return nodeClass.touched.has(entry.router) ? written(this.#written.of(entry, atom)) : [];
    const touch = nodeClass.touches.get(entry.atom) ?? 0;
    if (atomLiteral(atom) === undefined) {
      if (touch === 0) return [];
      return atom.selector.kind === "any" ? written(this.#written.of(entry, atom)) : this.#identityParts(entry, touch);
    }
    return touch === 0 && !nodeClass.isExit ? [] : written(this.#literalRanges(entry, atom));
  }

  /** Entries of a selector that stands for nodes: this node's addresses, and those of nodes behind its routes. */
  #identityParts(entry: RawEntry, touch: number): readonly TargetPart[] {
    const parts = (touch & MEMBER) === 0 ? [] : this.#own(entry.ports);
    if ((touch & ~MEMBER) === 0) return parts;
    this.#isNodeSpecific = true;
    const behind = this.#world
      .memberAddresses([entry.atom])
      .filter(({ address }) => !this.#isOwn(address) && this.#serves(address));
    const texts = behind.map(({ text }) => text);
    return [...parts, ...written(portRanges(texts, entry.ports))];
  }

  #isOwn(address: Address): boolean {
    return this.#record.addresses.some((own) => own.address === address);
  }

  #serves(address: Address): boolean {
    return this.#record.subnets.some(({ range }) => range.first <= address && address <= range.last);
  }

  #literalRanges(entry: RawEntry, atom: Atom): readonly NetPortRange[] {
    const set = atomLiteral(atom) ?? [];
    const all = this.#written.of(entry, atom);
    // The class tells whether the node concerns the set, but not which of its ranges. Exit nodes carry the internet whole.
    const isWhole = set.length === 1 || (atom.selector.kind === "internet" && this.#record.class.isExit);
    if (!isWhole) this.#isNodeSpecific = true;
    const kept = set.map((range) => this.#concerns(range));
    if (kept.every((isKept) => isKept)) return all;
    // Entries are range by range, each with all of its ports.
    return all.filter((_, i) => kept[Math.floor(i / entry.ports.length)]);
  }

  /** Tells whether a written range stays in this node's filter (policy.md 12). */
  #concerns(range: AddressRange): boolean {
    const { subnets, class: nodeClass } = this.#record;
    return (
      this.#record.addresses.some(({ address }) => range.first <= address && address <= range.last) ||
      subnets.some((subnet) => overlaps([range], subnet.range)) ||
      (nodeClass.isExit && coversRange(INTERNET, range))
    );
  }

  #own(ports: readonly PortRange[]): readonly TargetPart[] {
    return this.#record.addresses.length === 0 ? [] : [{ ownPorts: ports }];
  }

  /** Dsts of a capability: the node's addresses among the receivers, and prefixes that overlap its routes. */
  #grantDestinations(receivers: readonly number[]): readonly string[] | "own" {
    const { class: nodeClass, addresses } = this.#record;
    const touched = receivers.filter((index) => nodeClass.touched.has(index));
    const literals = touched.filter((index) => atomLiteral(this.#world.plan.atoms[index] as Atom) !== undefined);
    if (literals.length === 0) return isSelected(nodeClass, touched) ? "own" : [];
    this.#isNodeSpecific = true;
    const destinations = new Set<string>();
    for (const index of touched) {
      const atom = this.#world.plan.atoms[index] as Atom;
      const literal = atomLiteral(atom);
      for (const own of isSelected(nodeClass, [index]) ? addresses : []) {
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

/** Ranges as the part of a rule; nothing when there are none. */
function written(ranges: readonly NetPortRange[]): readonly TargetPart[] {
  return ranges.length === 0 ? [] : [{ written: ranges }];
}
