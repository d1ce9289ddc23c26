// One tailnet under one plan: its nodes with their classes, and every index that views are computed from. Changes go
// through `replace`, which keeps the indexes in step and notes in a journal what else they touched; what a change means
// for views is worked out by the engine.
import type { AddressRange } from "../../protocol/ip.ts";
import { Bitset } from "../bitset.ts";
import type { PolicyNode, PolicyUser } from "../inventory.ts";
import { EVERYTHING, type PrefixSet, prefixSet } from "../prefix-set.ts";
import type { SlotIds } from "./change/slot-effect.ts";
import { AddressIndex } from "./nodes/address-index.ts";
import { Membership } from "./nodes/membership.ts";
import type { NodeAddress } from "./nodes/node-address.ts";
import { classKey, isSelected, type NodeClass, nodeClass } from "./nodes/node-class.ts";
import { hasSameAddresses, hasSameRoutes, hasSameTags, type NodeRecord, type ParsedNode } from "./nodes/node-record.ts";
import { MEMBER, type Touches } from "./nodes/touches.ts";
import { type Atom, atomLiteral, type Plan } from "./plan.ts";
import { PacketFilters, type TailnetFilterWorld } from "./views/packet-filter.ts";
import { accessTo, electPrimary, NO_ACCESS, type RouteWorld, type ServedPrefix } from "./views/route-table.ts";
import { Sights, type SightWorld } from "./views/sights.ts";
import { SourceContent } from "./views/source-content.ts";
import { SSHPolicies, type SSHWorld } from "./views/ssh-policies.ts";

/** What a series of replacements touched besides the nodes themselves. */
export interface Journal {
  /** Sources whose content may have changed, with the key that they had before. */
  readonly sources: Map<number, string>;
  /** Subnet prefixes whose routers, primary or access may have changed. */
  readonly prefixes: Set<string>;
}

/** What a state takes over from an earlier one. */
export interface InitialState {
  /** Primaries to keep: prefix → node id. */
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
  /** Served subnet prefixes by canonical text. */
  readonly prefixes = new Map<string, ServedPrefix>();
  readonly exitSlots = new Bitset();
  readonly #membership: Membership;
  readonly #users: ReadonlyMap<number, PolicyUser>;
  readonly #records: (NodeRecord | undefined)[] = [];
  readonly #slots = new Map<number, number>();
  #ids: number[] = [];
  readonly #freeSlots: number[] = [];
  readonly #classes = new Map<string, NodeClass>();
  /** Peers by class, as long as no node changes. */
  readonly #classPeers = new Map<NodeClass, Bitset>();
  readonly #addresses = new AddressIndex();
  readonly #members: Bitset[];
  readonly #touching: Bitset[];
  readonly #contents: SourceContent[];
  readonly #narrowed: readonly SourceContent[];
  readonly #userSlots = new Map<number, Set<number>>();
  #subnetRoutes: { readonly texts: readonly string[]; readonly key: string } = { texts: [], key: "" };

  /** Builds the state of a tailnet at once. The users map is read, never copied. */
  constructor(plan: Plan, users: ReadonlyMap<number, PolicyUser>, nodes: Iterable<PolicyNode>, initial: InitialState) {
    this.plan = plan;
    this.#users = users;
    this.#membership = new Membership(plan);
    this.#members = plan.atoms.map(() => new Bitset());
    this.#touching = plan.atoms.map(() => new Bitset());
    this.#contents = plan.sources.map((template) => new SourceContent(template));
    this.#narrowed = this.#contents.filter((content) => content.template.isNarrowed);
    this.filters = new PacketFilters(this);
    this.ssh = new SSHPolicies(plan.ssh, this);
    this.#load([...nodes], initial);
  }

  #load(nodes: readonly PolicyNode[], { holders, slots }: InitialState): void {
    const journal: Journal = { sources: new Map(), prefixes: new Set() };
    const parsed: [number, ParsedNode][] = nodes
      .toSorted((a, b) => a.id - b.id)
      .map((node, i) => [slots?.get(node.id) ?? i, this.#parse(node)]);
    this.#addresses.load(parsed.flatMap(([slot, node]) => node.addresses.map((at) => ({ at, slot }))));
    for (const [slot, node] of parsed) {
      this.#slots.set(node.node.id, slot);
      this.#ids[slot] = node.node.id;
      this.#place(slot, node, journal);
    }
    for (let slot = 0; slot < this.#ids.length; slot++) {
      if (this.#records[slot] === undefined) this.#freeSlots.push(slot);
    }
    for (const slot of this.#routersOverNodes()) this.reclassify(slot, journal);
    this.settlePrefixes(journal, (prefix) => this.#slots.get(holders?.get(prefix) ?? -1) ?? null);
  }

  /** The slot of every node, by id. */
  get slots(): ReadonlyMap<number, number> {
    return this.#slots;
  }

  /** The record of a node; undefined when there is none. */
  record(id: number): NodeRecord | undefined {
    const slot = this.#slots.get(id);
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
    return this.#ids[slot] as number;
  }

  /** Ids by slot; see {@link SlotIds}. */
  get ids(): SlotIds {
    return this.#ids;
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
    return this.#userSlots.keys();
  }

  /** Slots of the untagged nodes of a user, ascending. */
  slotsOfUser(userId: number): number[] {
    return [...(this.#userSlots.get(userId) ?? [])].sort((a, b) => a - b);
  }

  membersOf(atoms: readonly number[]): readonly NodeRecord[] {
    const records: NodeRecord[] = [];
    this.memberSlots(atoms).visit((slot) => records.push(this.recordAt(slot)));
    return records.sort((a, b) => a.node.id - b.node.id);
  }

  /** Slots of the nodes that one of the atoms selects by identity. */
  memberSlots(atoms: readonly number[]): Bitset {
    const slots = new Bitset();
    for (const atom of atoms) slots.addAll(this.#members[atom] as Bitset);
    return slots;
  }

  touching(atom: number): Bitset {
    return this.#touching[atom] as Bitset;
  }

  contentOf(source: number): SourceContent {
    return this.#contents[source] as SourceContent;
  }

  get subnetRoutes(): { readonly texts: readonly string[]; readonly key: string } {
    return this.#subnetRoutes;
  }

  memberAddresses(atoms: readonly number[]): readonly NodeAddress[] {
    return this.#addresses.addressesOf(this.memberSlots(atoms), (slot) => this.recordAt(slot).addresses);
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
      for (const slot of this.#addresses.slotsIn(range)) {
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

  /**
   * Slots of the routers, besides the node itself, whose touches depend on the node's addresses because one of their
   * routes contains them. There are none in a sane tailnet.
   */
  routersOver(addresses: readonly NodeAddress[]): number[] {
    const slots = new Set<number>();
    for (const { range, owners } of this.prefixes.values()) {
      if (!addresses.some(({ address }) => range.first <= address && address <= range.last)) continue;
      for (const owner of owners) slots.add(owner.slot);
    }
    return [...slots];
  }

  #routersOverNodes(): Set<number> {
    const slots = new Set<number>();
    for (const { range, owners } of this.prefixes.values()) {
      if (this.#addresses.slotsIn(range).length === 0) continue;
      for (const owner of owners) slots.add(owner.slot);
    }
    return slots;
  }

  /** The slot for a node id, an unused one if the node is new. */
  slotFor(id: number): number {
    const known = this.#slots.get(id);
    if (known !== undefined) return known;
    const free = this.#freeSlots.pop();
    const slot = free ?? this.#ids.length;
    // Effects that were handed out still name the slot's old node.
    if (free !== undefined) this.#ids = this.#ids.slice();
    this.#ids[slot] = id;
    this.#slots.set(id, slot);
    return slot;
  }

  /** Puts a node into a slot, or empties it. Routers over its addresses must be classified again afterwards. */
  replace(slot: number, node: PolicyNode | null, journal: Journal): void {
    const old = this.#records[slot];
    if (old !== undefined) {
      for (const address of old.addresses) this.#addresses.delete(address, slot);
      this.#withdraw(old, journal);
    }
    if (node === null) {
      this.#records[slot] = undefined;
      if (old !== undefined) this.#slots.delete(old.node.id);
      this.#freeSlots.push(slot);
      return;
    }
    const parsed = this.#parse(node);
    for (const address of parsed.addresses) this.#addresses.add(address, slot);
    this.#place(slot, parsed, journal);
  }

  /** Tells whether a record's node may take another value without any selector, rule or route noticing. */
  standsAsBefore(record: NodeRecord, node: PolicyNode): boolean {
    const old = record.node;
    const mayMatter = old.isOnline !== node.isOnline && record.subnets.length > 0;
    if (mayMatter || old.userId !== node.userId || !hasSameTags(old, node)) return false;
    const parsed = this.#parse(node);
    if (!hasSameAddresses(record, parsed) || !hasSameRoutes(record, parsed)) return false;
    return classKey(this.#touchesOf(parsed, record.slot), parsed.exits.length > 0) === record.class.key;
  }

  /** Gives a record another value of its node that stands as before. */
  refresh(slot: number, node: PolicyNode): void {
    this.#records[slot] = { ...this.recordAt(slot), node };
    for (const { text } of this.recordAt(slot).subnets) {
      const prefix = this.prefixes.get(text);
      if (prefix !== undefined) prefix.owners = prefix.owners.map((owner) => this.recordAt(owner.slot));
    }
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

  #parse(node: PolicyNode): ParsedNode {
    return this.#membership.parse(node, node.userId === null ? undefined : this.#users.get(node.userId));
  }

  #place(slot: number, parsed: ParsedNode, journal: Journal): void {
    const { node, subnets, exits } = parsed;
    const touches = this.#touchesOf(parsed, slot);
    const record: NodeRecord = { ...parsed, slot, class: this.#classFor(touches, exits.length > 0) };
    record.class.size++;
    this.#forgetPeers();
    this.#records[slot] = record;
    for (const [atom, touch] of touches) {
      this.touching(atom).add(slot);
      if ((touch & MEMBER) !== 0) (this.#members[atom] as Bitset).add(slot);
    }
    for (const source of record.class.memberOf) {
      this.#note(source, journal);
      this.contentOf(source).join(record);
    }
    this.#noteNarrowed(journal);
    if (exits.length > 0) this.exitSlots.add(slot);
    for (const { text, range } of subnets) this.#addOwner(text, range, record, journal);
    if (node.tags.length === 0 && node.userId !== null) {
      const slots = this.#userSlots.get(node.userId);
      if (slots === undefined) this.#userSlots.set(node.userId, new Set([slot]));
      else slots.add(slot);
      this.filters.forgetUser(node.userId);
    }
  }

  #forgetPeers(): void {
    this.#classPeers.clear();
    this.sights.clear();
  }

  #withdraw(record: NodeRecord, journal: Journal): void {
    this.#forgetPeers();
    const { slot, node } = record;
    for (const [atom, touch] of record.class.touches) {
      this.touching(atom).delete(slot);
      if ((touch & MEMBER) !== 0) (this.#members[atom] as Bitset).delete(slot);
    }
    for (const source of record.class.memberOf) {
      this.#note(source, journal);
      this.contentOf(source).leave(record);
    }
    this.#noteNarrowed(journal);
    this.exitSlots.delete(slot);
    for (const { text } of record.subnets) this.#removeOwner(text, slot, journal);
    if (node.userId !== null) this.#removeFromUser(node.userId, slot);
    if (--record.class.size === 0) this.#classes.delete(record.class.key);
  }

  #removeFromUser(userId: number, slot: number): void {
    const slots = this.#userSlots.get(userId);
    slots?.delete(slot);
    if (slots?.size === 0) this.#userSlots.delete(userId);
    this.filters.forgetUser(userId);
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
    for (const slot of this.#addresses.slotsIn(range)) {
      const record = this.#records[slot];
      if (record !== undefined && slot !== except) yield record.class.touches;
    }
  }

  #note(source: number, journal: Journal): void {
    if (!journal.sources.has(source)) journal.sources.set(source, this.contentOf(source).knownKey(this));
  }

  /** Literals narrowed by postures depend on every node with an address inside them. */
  #noteNarrowed(journal: Journal): void {
    for (const content of this.#narrowed) {
      this.#note(content.template.index, journal);
      content.forget();
    }
  }

  #addOwner(text: string, range: AddressRange, record: NodeRecord, journal: Journal): void {
    journal.prefixes.add(text);
    const known = this.prefixes.get(text);
    if (known === undefined) {
      this.prefixes.set(text, { text, range, owners: [record], primary: record.slot, access: NO_ACCESS });
    } else {
      known.owners = [...known.owners, record].sort((a, b) => a.node.id - b.node.id);
    }
  }

  #removeOwner(text: string, slot: number, journal: Journal): void {
    journal.prefixes.add(text);
    const known = this.prefixes.get(text);
    if (known !== undefined) known.owners = known.owners.filter((owner) => owner.slot !== slot);
  }

  /** Elects primaries and works out access anew for these prefixes, after all of a change's replacements. */
  settlePrefixes(journal: Journal, holderOf: (prefix: string) => number | null): void {
    this.sights.clear();
    let isListChanged = false;
    for (const text of journal.prefixes) {
      const prefix = this.prefixes.get(text);
      if (prefix === undefined) continue;
      isListChanged ||= prefix.owners.length === 0 || !this.#subnetRoutes.texts.includes(text);
      if (prefix.owners.length === 0) {
        this.prefixes.delete(text);
        continue;
      }
      prefix.primary = electPrimary(prefix.owners, holderOf(text));
      const inside = (range: AddressRange) => this.#touchesInside(range, null);
      prefix.access = accessTo(prefix.range, this.#membership.overlapping(prefix.range, inside), this.plan);
    }
    if (isListChanged) this.#listRoutes(journal);
  }

  #listRoutes(journal: Journal): void {
    const withRoutes = this.#contents.filter((content) => content.template.hasAny);
    for (const content of withRoutes) this.#note(content.template.index, journal);
    const texts = [...this.prefixes.keys()].sort();
    this.#subnetRoutes = { texts, key: texts.join(" ") };
    for (const content of withRoutes) content.forget();
  }
}
