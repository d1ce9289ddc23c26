// Where the nodes of a tailnet are found: by slot, address, atom and user.
import { Bitset } from "../../bitset.ts";
import { AddressIndex } from "./address-index.ts";
import type { NodeRecord } from "./node-record.ts";
import { SlotTable } from "./slot-table.ts";
import { MEMBER } from "./touches.ts";

/** The indexes, kept in step with the nodes by their owner; addresses and slots separately from the rest. */
export class NodeIndexes {
  readonly slots: SlotTable;
  readonly addresses: AddressIndex;
  /** Slots of the nodes with exit routes. */
  readonly exits: Bitset;
  readonly #members: readonly Bitset[];
  readonly #touching: readonly Bitset[];
  readonly #users: Map<number, Set<number>>;

  /** Indexes over so many atoms: empty, or with all that `earlier` holds, whose atoms come first. */
  constructor(atoms: number, earlier: NodeIndexes | null) {
    this.slots = earlier === null ? new SlotTable() : earlier.slots.clone();
    this.addresses = earlier === null ? new AddressIndex() : earlier.addresses.clone();
    this.exits = earlier === null ? new Bitset() : earlier.exits.clone();
    this.#members = grown(earlier === null ? [] : earlier.#members, atoms);
    this.#touching = grown(earlier === null ? [] : earlier.#touching, atoms);
    this.#users = new Map();
    for (const [id, slots] of earlier === null ? [] : earlier.#users) this.#users.set(id, new Set(slots));
  }

  /** Slots of the nodes that an atom selects by identity. Not to be written to. */
  members(atom: number): Bitset {
    return this.#members[atom] as Bitset;
  }

  /** Slots of the nodes that touch an atom. Not to be written to. */
  touching(atom: number): Bitset {
    return this.#touching[atom] as Bitset;
  }

  /** Slots of the untagged nodes of a user, ascending. */
  slotsOfUser(userId: number): number[] {
    return [...(this.#users.get(userId) ?? [])].sort((a, b) => a - b);
  }

  /** Ids of the users that have untagged nodes. */
  get userIds(): Iterable<number> {
    return this.#users.keys();
  }

  /** Enters a node. */
  add(record: NodeRecord): void {
    const { slot, node, exits } = record;
    this.addTouches(record, 0);
    if (exits.length > 0) this.exits.add(slot);
    if (node.tags.length > 0 || node.userId === null) return;
    const slots = this.#users.get(node.userId);
    if (slots === undefined) this.#users.set(node.userId, new Set([slot]));
    else slots.add(slot);
  }

  /** Enters a node under the atoms that it touches from number `first` on. */
  addTouches({ slot, class: { touches } }: NodeRecord, first: number): void {
    for (const [atom, touch] of touches) {
      if (atom < first) continue;
      this.touching(atom).add(slot);
      if ((touch & MEMBER) !== 0) this.members(atom).add(slot);
    }
  }

  /** Takes out a node that was entered as it is. */
  delete({ slot, node, class: { touches } }: NodeRecord): void {
    for (const [atom, touch] of touches) {
      this.touching(atom).delete(slot);
      if ((touch & MEMBER) !== 0) this.members(atom).delete(slot);
    }
    this.exits.delete(slot);
    const slots = node.userId === null ? undefined : this.#users.get(node.userId);
    slots?.delete(slot);
    if (slots?.size === 0) this.#users.delete(node.userId as number);
  }
}

function grown(sets: readonly Bitset[], count: number): readonly Bitset[] {
  return Array.from({ length: count }, (_, i) => sets[i]?.clone() ?? new Bitset());
}
