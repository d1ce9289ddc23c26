// Which node sits in which slot. Slots are dense, so that sets of nodes are small bitsets; those of removed nodes are used
// again.
import type { SlotIds } from "../change/slot-ids.ts";

/** Node ids and slots. */
export class SlotTable {
  readonly #slots: Map<number, number>;
  #ids: number[];
  readonly #free: number[];

  constructor(
    slots: Iterable<readonly [number, number]> = [],
    ids: readonly number[] = [],
    free: readonly number[] = [],
  ) {
    this.#slots = new Map(slots);
    this.#ids = [...ids];
    this.#free = [...free];
  }

  /** A table of its own with the same content. */
  clone(): SlotTable {
    return new SlotTable(this.#slots, this.#ids, this.#free);
  }

  /** The slot of every node, by id. */
  get byId(): ReadonlyMap<number, number> {
    return this.#slots;
  }

  /** Ids by slot, those of free slots being of the nodes that were there last; see {@link SlotIds}. */
  get ids(): SlotIds {
    return this.#ids;
  }

  /** Seats a node in a slot of the caller's choice; for filling an empty table, to be ended with {@link closeGaps}. */
  seat(id: number, slot: number): void {
    this.#slots.set(id, slot);
    this.#ids[slot] = id;
  }

  /** Notes which slots below the highest one are free. */
  closeGaps(isFree: (slot: number) => boolean): void {
    for (let slot = 0; slot < this.#ids.length; slot++) if (isFree(slot)) this.#free.push(slot);
  }

  /** The slot for a node id, an unused one if the node is new. */
  slotFor(id: number): number {
    const known = this.#slots.get(id);
    if (known !== undefined) return known;
    const free = this.#free.pop();
    const slot = free ?? this.#ids.length;
    // Effects that were handed out still name the slot's old node.
    if (free !== undefined) this.#ids = this.#ids.slice();
    this.seat(id, slot);
    return slot;
  }

  /** Frees the slot of a node. */
  release(slot: number): void {
    this.#slots.delete(this.#ids[slot] as number);
    this.#free.push(slot);
  }
}
