// One tailnet under one plan: its nodes with their classes, and every index that views are computed from. Changes go
// through `replace`, which keeps the indexes in step and notes in a journal what else they touched; what a change means
// for views is worked out by the engine.
import type { AddressRange } from "../../protocol/ip.ts";
import { Bitset } from "../bitset.ts";
import type { PolicyNode, PolicyUser } from "../inventory.ts";
import type { Policy } from "../policy.ts";
import { EVERYTHING, type PrefixSet, prefixSet } from "../prefix-set.ts";
import type { SlotIds } from "./change/slot-ids.ts";
import { emptyJournal, type Journal } from "./journal.ts";
import { Membership } from "./nodes/membership.ts";
import type { NodeAddress } from "./nodes/node-address.ts";
import { classKey, isSelected, type NodeClass, nodeClass } from "./nodes/node-class.ts";
import { NodeIndexes } from "./nodes/node-indexes.ts";
import {
  hasSameAddresses,
  hasSameDistances,
  hasSameRoutes,
  hasSameTags,
  type NodeRecord,
  type ParsedNode,
} from "./nodes/node-record.ts";
import type { Touches } from "./nodes/touches.ts";
import { type Atom, atomLiteral, Plan } from "./plan.ts";
import { DISABLE_IPV4 } from "./views/node-attributes.ts";
import { PacketFilters, type TailnetFilterWorld } from "./views/packet-filter.ts";
import { accessTo, type RouteWorld, routerFor, type ServedPrefix } from "./views/route-table.ts";
import { ServedPrefixes, type SubnetRoutes } from "./views/served-prefixes.ts";
import { Sights, type SightWorld } from "./views/sights.ts";
import type { SourceContent } from "./views/source-content.ts";
import { SourceContents } from "./views/source-contents.ts";
import { SSHPolicies, type SSHWorld } from "./views/ssh-policies.ts";

/** What a state that is made afresh keeps of an earlier one. */
export interface InitialState {
  /** Primaries to keep: prefix, or prefix and region → node id. */
  readonly holders?: ReadonlyMap<string, number>;
  /** Slots to keep: node id → slot, for every node. */
  readonly slots?: ReadonlyMap<number, number>;
}

/** The nodes and users of a tailnet, indexed for one plan. */
export class TailnetState implements TailnetFilterWorld, RouteWorld, SSHWorld, SightWorld {
  readonly plan: Plan;
  readonly filters: PacketFilters;
  readonly ssh: SSHPolicies;
  readonly sights = new Sights(this);
  readonly #membership: Membership;
  readonly #users: ReadonlyMap<number, PolicyUser>;
  readonly #records: (NodeRecord | undefined)[] = [];
  readonly #classes = new Map<string, NodeClass>();
  /** Peers by class, as long as no node changes. */
  readonly #classPeers = new Map<NodeClass, Bitset>();
  readonly #indexes: NodeIndexes;
  readonly #sources: SourceContents;
  readonly #prefixes: ServedPrefixes;

  /** The state of a tailnet, made afresh. The users map is read, never copied. */
  static load(
    plan: Plan,
    users: ReadonlyMap<number, PolicyUser>,
    nodes: Iterable<PolicyNode>,
    initial: InitialState = {},
  ): TailnetState {
    const state = new TailnetState(plan, users, null);
    state.#load([...nodes], initial);
    return state;
  }

  /** An empty state, or one with all that `earlier` knows and a plan that numbers its atoms alike. */
  private constructor(plan: Plan, users: ReadonlyMap<number, PolicyUser>, earlier: TailnetState | null) {
    this.plan = plan;
    this.#users = users;
    this.#membership = new Membership(plan);
    this.#indexes = new NodeIndexes(plan.atoms.length, earlier === null ? null : earlier.#indexes);
    if (earlier !== null) this.#classifyAll(earlier);
    this.#prefixes =
      earlier === null ? new ServedPrefixes() : earlier.#prefixes.cloneFor((slot) => this.recordAt(slot));
    this.#sources = new SourceContents(this, earlier === null ? null : earlier.#sources);
    this.filters = new PacketFilters(this);
    this.ssh = new SSHPolicies(plan.ssh, this, earlier === null ? null : earlier.ssh);
  }

  #load(nodes: readonly PolicyNode[], { holders, slots }: InitialState): void {
    const journal = emptyJournal();
    const parsed: [number, ParsedNode][] = nodes
      .toSorted((a, b) => a.id - b.id)
      .map((node, i) => [slots?.get(node.id) ?? i, this.#parse(node)]);
    this.#indexes.addresses.load(parsed.flatMap(([slot, node]) => node.addresses.map((at) => ({ at, slot }))));
    for (const [slot, node] of parsed) {
      this.#indexes.slots.seat(node.node.id, slot);
      this.#place(slot, node, journal);
    }
    this.#indexes.slots.closeGaps((slot) => this.#records[slot] === undefined);
    this.#settleRouters(journal);
    this.settlePrefixes(journal, (election) => this.#indexes.slots.byId.get(holders?.get(election) ?? -1) ?? null);
  }

  /** Routers over nodes are classified again once the nodes behind their routes are. */
  #settleRouters(journal: Journal): void {
    for (const slot of this.#prefixes.routersOverNodes((range) => this.#indexes.addresses.slotsIn(range))) {
      this.reclassify(slot, journal);
    }
  }

  /**
   * The same tailnet under another policy. What both policies say is taken over, so that the work is in proportion to what
   * differs between them.
   */
  under(policy: Policy): TailnetState {
    const plan = new Plan(policy, this.plan);
    if (plan.inherited > 0) {
      const state = new TailnetState(plan, this.#users, this);
      if (state.#hidesAsBefore()) {
        state.#settleTakenOver();
        return state;
      }
    }
    const holders = new Map([...this.elected()].map(([key, slot]) => [key, this.idAt(slot)]));
    const nodes = [...this.records].map((record) => record.node);
    return TailnetState.load(new Plan(policy), this.#users, nodes, { holders, slots: this.#indexes.slots.byId });
  }

  /** Classifies the nodes of an earlier state: only atoms that are new here are looked at. */
  #classifyAll(earlier: TailnetState): void {
    const { inherited, atoms } = this.plan;
    const news = new Membership(this.plan, inherited);
    const inside = (slot: number) => (range: AddressRange) => this.#touchesInside(range, slot);
    const same = new Map<NodeClass, NodeClass>();
    for (const old of earlier.records) {
      const { touches } = old.class;
      const now =
        inherited === atoms.length ? touches : news.touchesOf(old, earlier.userOf(old), inside(old.slot), touches);
      const isSame = now.size === touches.size;
      const known = isSame ? same.get(old.class) : undefined;
      const record = { ...old, class: known ?? this.#classFor(now, old.exits.length > 0) };
      if (isSame) same.set(old.class, record.class);
      else this.#indexes.addTouches(record, inherited);
      record.class.size++;
      this.#records[old.slot] = record;
    }
  }

  /** Tells whether the policy hides the IPv4 addresses of the same nodes as the earlier one did. */
  #hidesAsBefore(): boolean {
    return this.#records.every(
      (record) => record === undefined || Object.hasOwn(record.class.capMap, DISABLE_IPV4) === record.isIPv4Hidden,
    );
  }

  #settleTakenOver(): void {
    const holders = new Map(this.elected());
    const journal: Journal = { ...emptyJournal(), prefixes: new Set(this.prefixes.keys()) };
    this.#settleRouters(journal);
    this.settlePrefixes(journal, (election) => holders.get(election) ?? null);
  }

  /** The record of a node; undefined when there is none. */
  record(id: number): NodeRecord | undefined {
    const slot = this.#indexes.slots.byId.get(id);
    return slot === undefined ? undefined : this.#records[slot];
  }

  /** The record in a slot that is in use. */
  recordAt(slot: number): NodeRecord {
    return this.#records[slot] as NodeRecord;
  }

  /** The record in a slot; undefined when the slot is free. */
  recordIn(slot: number): NodeRecord | undefined {
    return this.#records[slot];
  }

  /** Id of the node that is or was in a slot. */
  idAt(slot: number): number {
    return this.ids[slot] as number;
  }

  /** Ids by slot; see {@link SlotIds}. */
  get ids(): SlotIds {
    return this.#indexes.slots.ids;
  }

  get records(): Iterable<NodeRecord> {
    return this.#records.filter((record) => record !== undefined);
  }

  userOf(record: NodeRecord): PolicyUser | undefined {
    const { node } = record;
    return node.tags.length > 0 || node.userId === null ? undefined : this.#users.get(node.userId);
  }

  nodesOf(userId: number): readonly NodeRecord[] {
    return this.slotsOfUser(userId).map((slot) => this.recordAt(slot));
  }

  get userIds(): Iterable<number> {
    return this.#indexes.userIds;
  }

  /** Slots of the untagged nodes of a user, ascending. */
  slotsOfUser(userId: number): number[] {
    return this.#indexes.slotsOfUser(userId);
  }

  membersOf(atoms: readonly number[]): readonly NodeRecord[] {
    const records: NodeRecord[] = [];
    this.memberSlots(atoms).visit((slot) => records.push(this.recordAt(slot)));
    return records.sort((a, b) => a.node.id - b.node.id);
  }

  /** Slots of the nodes that one of the atoms selects by identity. */
  memberSlots(atoms: readonly number[]): Bitset {
    const slots = new Bitset();
    for (const atom of atoms) slots.addAll(this.#indexes.members(atom));
    return slots;
  }

  touching(atom: number): Bitset {
    return this.#indexes.touching(atom);
  }

  contentOf(source: number): SourceContent {
    return this.#sources.of(source);
  }

  get subnetRoutes(): SubnetRoutes {
    return this.#prefixes.routes;
  }

  /** Served subnet prefixes by canonical text. */
  get prefixes(): ReadonlyMap<string, ServedPrefix> {
    return this.#prefixes.byText;
  }

  /** Primary routers: prefix, or prefix and region → slot. */
  elected(): Iterable<[key: string, slot: number]> {
    return this.#prefixes.elected();
  }

  /** What tells viewers of one class apart by distance: the routers that they are led to. */
  steeringOf(record: NodeRecord): string {
    if (record.node.distances === undefined) return "";
    return this.#prefixes
      .regional()
      .map((prefix) => routerFor(record, prefix, this) ?? "")
      .join();
  }

  get exitSlots(): Bitset {
    return this.#indexes.exits;
  }

  memberAddresses(atoms: readonly number[]): readonly NodeAddress[] {
    return this.#indexes.addresses.addressesOf(this.memberSlots(atoms), (slot) => this.recordAt(slot).addresses);
  }

  /** Every address that a destination atom stands for. */
  atomAddresses(atom: number): PrefixSet {
    const { selector } = this.plan.atoms[atom] as Atom;
    if (selector.kind === "any") return EVERYTHING;
    return atomLiteral(this.plan.atoms[atom] as Atom) ?? prefixSet(this.memberAddresses([atom]));
  }

  failingAddresses(atom: number, set: PrefixSet): readonly AddressRange[] {
    const failing: AddressRange[] = [];
    for (const range of set) {
      for (const slot of this.#indexes.addresses.slotsIn(range)) {
        const record = this.recordAt(slot);
        if (isSelected(record.class, [atom])) continue;
        failing.push(...record.addresses);
      }
    }
    return failing;
  }

  /** Slots of the peers of a node (policy.md 13). */
  peers(record: NodeRecord): Bitset {
    const peers = this.seenBy(record);
    peers.delete(record.slot);
    return peers;
  }

  seenBy(record: NodeRecord): Bitset {
    const seen = this.peersOfClass(record.class).clone();
    const { userId } = record.node;
    for (const other of this.hasSelfPeers(record) && userId !== null ? this.nodesOf(userId) : []) {
      if (record.class.isSelfSource || other.class.isSelfSource) seen.add(other.slot);
    }
    return seen;
  }

  /** Tells whether rules to autogroup:self may make peers of the node and other nodes of its user. */
  hasSelfPeers({ node }: NodeRecord): boolean {
    return this.plan.selfSources.length > 0 && node.userId !== null && node.tags.length === 0;
  }

  /** Slots of the peers of a class's nodes but for autogroup:self, themselves included. Not to be written to. */
  peersOfClass(nodeClass: NodeClass): Bitset {
    const known = this.#classPeers.get(nodeClass);
    if (known !== undefined) return known;
    const peers = new Bitset();
    nodeClass.reach.visit((atom) => peers.addAll(this.touching(atom)));
    this.#classPeers.set(nodeClass, peers);
    return peers;
  }

  /** Tells whether two different nodes are peers; the twin of {@link peers} for one pair. */
  arePeers(a: NodeRecord, b: NodeRecord): boolean {
    if (a.slot === b.slot) return false;
    if (a.class.reach.intersects(b.class.touched)) return true;
    if (!a.class.isSelfSource && !b.class.isSelfSource) return false;
    const isOneUser = a.node.userId !== null && a.node.userId === b.node.userId;
    return isOneUser && a.node.tags.length === 0 && b.node.tags.length === 0;
  }

  /** Slots of the routers whose touches depend on these addresses because one of their routes contains them. */
  routersOver(addresses: readonly NodeAddress[]): number[] {
    return this.#prefixes.routersOver(addresses);
  }

  /** The slot for a node id, an unused one if the node is new. */
  slotFor(id: number): number {
    return this.#indexes.slots.slotFor(id);
  }

  /** Puts a node into a slot, or empties it. Routers over its addresses must be classified again afterwards. */
  replace(slot: number, node: PolicyNode | null, journal: Journal): void {
    const old = this.#records[slot];
    if (old !== undefined) this.#withdraw(old, journal);
    const parsed = node === null ? null : this.#parse(node, old);
    // A node that keeps its addresses keeps the very list of them.
    if (parsed?.addresses !== old?.addresses) {
      for (const address of old?.addresses ?? []) this.#indexes.addresses.delete(address, slot);
      for (const address of parsed?.addresses ?? []) this.#indexes.addresses.add(address, slot);
    }
    if (parsed !== null) {
      this.#place(slot, parsed, journal);
      return;
    }
    this.#records[slot] = undefined;
    this.#indexes.slots.release(slot);
  }

  /** Tells whether a record's node may take another value without any selector, rule or route noticing. */
  standsAsBefore(record: NodeRecord, node: PolicyNode): boolean {
    const old = record.node;
    const mayMatter = old.isOnline !== node.isOnline && record.subnets.length > 0;
    if (mayMatter || old.userId !== node.userId || !hasSameTags(old, node)) return false;
    const isCloserOrFarther = !hasSameDistances(old, node);
    if (isCloserOrFarther && (record.subnets.length > 0 || this.#prefixes.regional().length > 0)) return false;
    const parsed = this.#parse(node, record);
    if (!hasSameAddresses(record, parsed) || !hasSameRoutes(record, parsed)) return false;
    return classKey(this.#touchesOf(parsed, record.slot), parsed.exits.length > 0) === record.class.key;
  }

  /** Gives a record another value of its node that stands as before. */
  refresh(slot: number, node: PolicyNode): void {
    const record = { ...this.recordAt(slot), node };
    this.#records[slot] = record;
    this.#prefixes.refresh(record);
  }

  #touchesOf(parsed: ParsedNode, slot: number): Touches {
    const { userId } = parsed.node;
    const user = userId === null ? undefined : this.#users.get(userId);
    return this.#membership.touchesOf(parsed, user, (range) => this.#touchesInside(range, slot));
  }

  /** Classifies a node again whose own data did not change. */
  reclassify(slot: number, journal: Journal): void {
    const record = this.recordAt(slot);
    this.#withdraw(record, journal);
    this.#place(slot, record, journal);
  }

  #parse(node: PolicyNode, earlier?: ParsedNode): ParsedNode {
    return this.#membership.parse(node, node.userId === null ? undefined : this.#users.get(node.userId), earlier);
  }

  #place(slot: number, parsed: ParsedNode, journal: Journal): void {
    const { node, exits } = parsed;
    const touches = this.#touchesOf(parsed, slot);
    const record: NodeRecord = { ...parsed, slot, class: this.#classFor(touches, exits.length > 0) };
    record.class.size++;
    this.#forgetPeers();
    this.#records[slot] = record;
    this.#indexes.add(record);
    this.#sources.join(record, journal);
    this.#prefixes.add(record, journal);
    if (node.userId !== null) this.filters.forgetUser(node.userId);
  }

  #forgetPeers(): void {
    this.#classPeers.clear();
    this.sights.clear();
  }

  #withdraw(record: NodeRecord, journal: Journal): void {
    this.#forgetPeers();
    this.#indexes.delete(record);
    this.#sources.leave(record, journal);
    this.#prefixes.remove(record, journal);
    if (record.node.userId !== null) this.filters.forgetUser(record.node.userId);
    if (--record.class.size === 0) this.#classes.delete(record.class.key);
  }

  #classFor(touches: Touches, isExit: boolean): NodeClass {
    const key = classKey(touches, isExit);
    const known = this.#classes.get(key);
    if (known !== undefined) return known;
    const created = nodeClass(key, touches, isExit, this.plan);
    this.#classes.set(key, created);
    return created;
  }

  /** Touches of the nodes with an address in a range, but for a node that is being classified itself. */
  *#touchesInside(range: AddressRange, except: number | null): Generator<Touches, void> {
    for (const slot of this.#indexes.addresses.slotsIn(range)) {
      const record = this.#records[slot];
      if (record !== undefined && slot !== except) yield record.class.touches;
    }
  }

  /** Elects primaries and works out access anew for the prefixes of a journal, after all of a change's replacements. */
  settlePrefixes(journal: Journal, holderOf: (election: string) => number | null): void {
    this.sights.clear();
    const inside = (range: AddressRange) => this.#touchesInside(range, null);
    const isListChanged = this.#prefixes.settle(journal.prefixes, holderOf, (range) =>
      accessTo(range, this.#membership.overlapping(range, inside), this.plan),
    );
    if (isListChanged) this.#sources.changeRoutes(journal, () => this.#prefixes.list());
  }
}
