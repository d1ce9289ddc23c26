// What a change did to the views of nodes, kept by slot in bitsets and turned into ids only when somebody reads it: a
// change that ten thousand viewers notice costs the engine no more than one that ten notice.
import { Bitset } from "../../bitset.ts";
import type { PolicyEffect } from "../../effect.ts";
import { idsOf, type SlotIds } from "./slot-ids.ts";
import { ViewerTable } from "./viewer-table.ts";

/** The effect of a change that nobody notices. */
export const NO_EFFECT: PolicyEffect = {
  viewers: new Map(),
  filters: new Set(),
  sshPolicies: new Set(),
  capMaps: new Set(),
  primaries: new Map(),
  selves: new Set(),
};

/** A {@link PolicyEffect} in the making; it may be handed out as soon as nothing more is noted. */
export class SlotEffect implements PolicyEffect {
  readonly viewers: ViewerTable;
  readonly capMaps = new Set<number>();
  readonly primaries = new Map<string, number | null>();
  readonly selves = new Set<number>();
  /** Slots of the nodes with a new packet filter. */
  readonly filterSlots = new Bitset();
  /** Slots of the nodes with a new SSH policy. */
  readonly sshSlots = new Bitset();
  readonly #ids: SlotIds;
  #filters: ReadonlySet<number> | null = null;
  #sshPolicies: ReadonlySet<number> | null = null;

  constructor(ids: SlotIds) {
    this.#ids = ids;
    this.viewers = new ViewerTable(ids);
  }

  get filters(): ReadonlySet<number> {
    this.#filters ??= new Set(idsOf(this.filterSlots, this.#ids));
    return this.#filters;
  }

  get sshPolicies(): ReadonlySet<number> {
    this.#sshPolicies ??= new Set(idsOf(this.sshSlots, this.#ids));
    return this.#sshPolicies;
  }
}
