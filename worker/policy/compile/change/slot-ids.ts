// Node ids by slot.
import type { Bitset } from "../../bitset.ts";

/** Slot → node id. Never changed in place once an effect refers to it, but for new slots at its end. */
export type SlotIds = readonly number[];

/** Ids of the nodes in these slots, ascending. */
export function idsOf(slots: Bitset, ids: SlotIds): number[] {
  const found: number[] = [];
  let isAscending = true;
  let last = -1;
  slots.visit((slot) => {
    const id = ids[slot] as number;
    isAscending &&= id > last;
    last = id;
    found.push(id);
  });
  return isAscending ? found : found.sort((a, b) => a - b);
}
