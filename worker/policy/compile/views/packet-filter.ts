// Packet filters: the raw rules of a plan, merged over the whole tailnet and then reduced to one node (policy.md 9, 10,
// 12). Filters are made when asked for and kept until something that they show has changed. Nodes of one class and user
// share a template, and the filter itself when that has no gaps.
import type { FilterRule } from "../../../protocol/control/filter-rule.ts";
import { Bitset } from "../../bitset.ts";
import { coversRange, INTERNET } from "../../prefix-set.ts";
import type { NodeClass } from "../nodes/node-class.ts";
import type { NodeRecord } from "../nodes/node-record.ts";
import {
  type AppRule,
  type Atom,
  atomLiteral,
  type Plan,
  type PortsRule,
  type RawEntry,
  type RawRule,
  type SelfAppRule,
  type SelfPortsRule,
} from "../plan.ts";
import { FilterBuilder, type FilterWorld, WrittenRanges } from "./filter-builder.ts";
import type { FilterTemplate } from "./filter-template.ts";
import { SelfSources } from "./self-sources.ts";

/** What keeping filters reads of the tailnet, besides what building one does. */
export interface TailnetFilterWorld extends FilterWorld {
  /** Slots of the nodes that touch an atom. */
  touching(atom: number): Bitset;
  /** Slots of the nodes with exit routes. */
  readonly exitSlots: Bitset;
  /** Slots of the untagged nodes of a user. */
  slotsOfUser(userId: number): readonly number[];
  /** Ids of the users that have untagged nodes. */
  readonly userIds: Iterable<number>;
}

/** Rules that always merge, having both in common. */
interface MergeUnit {
  readonly protocol: number | null;
  readonly source: number;
  /** Index of the first of them that is the same for every node; null when all are via rules. */
  leader: number | null;
}

/** Merge key → index of the first rule with it. */
type Leaders = ReadonlyMap<string, number>;

/** Builds and keeps the packet filters of a tailnet's nodes. */
export class PacketFilters {
  readonly #world: TailnetFilterWorld;
  readonly #plan: Plan;
  readonly #selfSources: SelfSources;
  readonly #written = new WrittenRanges();
  /** Rules that a node may receive because it touches an atom. */
  readonly #rulesByAtom = new Map<number, RawRule[]>();
  /** Rules with a destination inside the internet: exit nodes receive those. */
  readonly #internetRules = new Set<RawRule>();
  readonly #selfRules: (SelfPortsRule | SelfAppRule)[] = [];
  /** Source → atoms whose nodes receive rules that list it. */
  readonly #receivers = new Map<number, Bitset>();
  /** Sources of rules with a destination inside the internet. */
  readonly #internetSources = new Set<number>();
  readonly #units = new Map<string, MergeUnit>();
  readonly #rulesByClass = new WeakMap<NodeClass, readonly RawRule[]>();
  readonly #kept = new Map<number, readonly FilterRule[]>();
  /** Class → user, null where rules do not depend on one → template. */
  readonly #templates = new Map<NodeClass, Map<number | null, FilterTemplate>>();
  /** Leaders over the rules that are the same for every node; null when they must be found anew. */
  #leaders: Leaders | null = null;

  constructor(world: TailnetFilterWorld) {
    this.#world = world;
    this.#plan = world.plan;
    this.#selfSources = new SelfSources(world);
    for (const rule of this.#plan.rawRules) {
      if (rule.kind === "ports" || rule.kind === "app") this.#register(rule);
      else this.#selfRules.push(rule);
    }
  }

  #register(rule: PortsRule | AppRule): void {
    const receivers = this.#receivers.get(rule.source) ?? new Bitset();
    this.#receivers.set(rule.source, receivers);
    for (const atom of receiversOf(rule)) {
      receivers.add(atom);
      append(this.#rulesByAtom, atom, rule);
    }
    if (rule.kind === "app") return;
    this.#registerUnit(rule);
    if (rule.entries.some((entry) => this.#isWithinInternet(entry))) {
      this.#internetRules.add(rule);
      this.#internetSources.add(rule.source);
    }
  }

  #registerUnit(rule: PortsRule): void {
    const { protocol, source } = rule;
    const isLeader = !isVia(rule);
    const key = `${protocol} ${source}`;
    const known = this.#units.get(key);
    if (known === undefined) this.#units.set(key, { protocol, source, leader: isLeader ? rule.index : null });
    else if (isLeader) known.leader ??= rule.index;
  }

  #isWithinInternet(entry: RawEntry): boolean {
    const literal = atomLiteral(this.#plan.atoms[entry.atom] as Atom);
    return entry.router === null && (literal ?? []).some((range) => coversRange(INTERNET, range));
  }

  /** The node's packet filter; the same reference until it changes. */
  filterOf(record: NodeRecord): readonly FilterRule[] {
    const kept = this.#kept.get(record.slot);
    if (kept !== undefined) return kept;
    const filter = this.templateOf(record).fill(record);
    this.#kept.set(record.slot, filter);
    return filter;
  }

  /** The filter that is kept of a node; undefined when it was never asked for. */
  kept(record: NodeRecord): readonly FilterRule[] | undefined {
    return this.#kept.get(record.slot);
  }

  /** Keeps a filter that equals the node's own, so that its reference stays the same. */
  adopt(record: NodeRecord, filter: readonly FilterRule[] | undefined): void {
    if (filter !== undefined) this.#kept.set(record.slot, filter);
  }

  /** The template of a node's filter, as long as nothing changes. */
  templateOf(record: NodeRecord): FilterTemplate {
    const userId = this.selfUserOf(record);
    const byUser = this.#templates.get(record.class);
    const isShared = record.addresses.length > 0;
    const known = isShared ? byUser?.get(userId) : undefined;
    if (known !== undefined) return known;
    const template = this.#build(record);
    if (template.isNodeSpecific) return template;
    if (byUser === undefined) this.#templates.set(record.class, new Map([[userId, template]]));
    else byUser.set(userId, template);
    return template;
  }

  /** The user on whom the node's filter depends through rules to autogroup:self. */
  selfUserOf({ node }: NodeRecord): number | null {
    return this.#selfRules.length === 0 || node.tags.length > 0 ? null : node.userId;
  }

  /** Forgets the filters of these nodes. */
  forget(slots: Bitset): void {
    this.#templates.clear();
    slots.visit((slot) => this.#kept.delete(slot));
  }

  /** Forgets what a user's nodes are as sources of rules to autogroup:self. */
  forgetUser(userId: number): void {
    this.#selfSources.forget(userId);
  }

  /** Adds the slots of all nodes whose filters list one of these sources. */
  addHolders(sources: Iterable<number>, slots: Bitset): void {
    const receivers = new Bitset();
    for (const source of sources) receivers.addAll(this.#receivers.get(source) ?? receivers);
    receivers.visit((atom) => slots.addAll(this.#world.touching(atom)));
    for (const source of sources) if (this.#internetSources.has(source)) slots.addAll(this.#world.exitSlots);
  }

  /** Works out anew which rules merge. Adds to `slots` the holders of rules whose place in the list may have moved. */
  regroup(slots: Bitset): void {
    const before = this.#leaders;
    this.#leaders = null;
    if (before === null) return;
    const moved = new Set<string>();
    for (const [key, leader] of this.#leadersNow()) if (before.get(key) !== leader) moved.add(key);
    for (const key of before.keys()) if (!this.#leadersNow().has(key)) moved.add(key);
    if (moved.size === 0) return;
    const sources = [...this.#units.values()]
      .filter((unit) => moved.has(this.#mergeKey(unit)))
      .map((unit) => unit.source);
    this.addHolders(new Set(sources), slots);
    const contents = new Set([...moved].map((key) => key.slice(key.indexOf(" ") + 1)));
    for (const userId of this.#selfSources.usersWith(contents)) {
      for (const slot of this.#world.slotsOfUser(userId)) slots.add(slot);
    }
  }

  #leadersNow(): Leaders {
    if (this.#leaders !== null) return this.#leaders;
    const leaders = new Map<string, number>();
    for (const unit of this.#units.values()) {
      const key = this.#mergeKey(unit);
      if (unit.leader !== null && !leaders.has(key)) leaders.set(key, unit.leader);
    }
    this.#leaders = leaders;
    return leaders;
  }

  #mergeKey({ protocol, source }: Pick<PortsRule, "protocol" | "source">): string {
    return mergeKey(protocol, this.#world.contentOf(source).key(this.#world));
  }

  #build(record: NodeRecord): FilterTemplate {
    const builder = new FilterBuilder(record, this.#world, this.#written);
    const { userId } = record.node;
    for (const rule of this.#rulesOf(record)) {
      if (rule.kind === "ports") {
        builder.addPorts(rule, this.#mergeKey(rule));
      } else if (rule.kind === "app") {
        builder.addApp(rule);
      } else if (userId !== null) {
        const source = this.#selfSources.sourceOf(userId, rule.self);
        if (rule.kind === "self-ports") builder.addSelfPorts(rule, source, mergeKey(rule.protocol, source.key));
        else builder.addSelfApp(rule, source);
      }
    }
    return builder.finish(this.#leadersNow());
  }

  /** The rules that may reach a node, in order. */
  #rulesOf(record: NodeRecord): readonly RawRule[] {
    const rules = this.#rulesOfClass(record.class);
    if (this.selfUserOf(record) === null) return rules;
    return [...rules, ...this.#selfRules].sort((a, b) => a.index - b.index);
  }

  #rulesOfClass(nodeClass: NodeClass): readonly RawRule[] {
    const known = this.#rulesByClass.get(nodeClass);
    if (known !== undefined) return known;
    const rules = new Set<RawRule>(nodeClass.isExit ? this.#internetRules : []);
    for (const atom of nodeClass.touches.keys()) {
      for (const rule of this.#rulesByAtom.get(atom) ?? []) rules.add(rule);
    }
    const inOrder = [...rules].sort((a, b) => a.index - b.index);
    this.#rulesByClass.set(nodeClass, inOrder);
    return inOrder;
  }
}

function receiversOf(rule: PortsRule | AppRule): readonly number[] {
  return rule.kind === "app" ? rule.receivers : rule.entries.map((entry) => entry.router ?? entry.atom);
}

function isVia(rule: PortsRule): boolean {
  return rule.entries.some((entry) => entry.router !== null);
}

/** Rules with equal keys are merged: the same protocol and sources that render alike (policy.md 9.6). */
function mergeKey(protocol: number | null, content: string): string {
  return `${protocol ?? ""} ${content}`;
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else if (list.at(-1) !== value) list.push(value);
}
