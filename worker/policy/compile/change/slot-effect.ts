// What a change did to the views of nodes, kept by slot in bitsets and turned into ids only when somebody reads it: a
// change that ten thousand viewers notice costs the engine no more than one that ten notice.
import { Bitset } from "../../bitset.ts";
import type { PolicyEffect, ViewerEffect } from "../../effect.ts";

/** Slot → node id. Never changed in place once an effect refers to it, but for new slots at its end. */
export type SlotIds = readonly number[];

const NONE: readonly number[] = [];

/** The effect of a change that nobody notices. */
export const NO_EFFECT: PolicyEffect = {
  viewers: new Map(),
  filters: new Set(),
  sshPolicies: new Set(),
  capMaps: new Set(),
  primaries: new Map(),
  selves: new Set(),
};

/** A peer that many viewers see newly, no more, or differently. */
interface Mark {
  readonly peer: number;
  readonly kind: keyof ViewerEffect;
  readonly viewers: Bitset;
}

/** A {@link PolicyEffect} in the making; it may be handed out as soon as nothing more is noted. */
export class SlotEffect implements PolicyEffect {
  readonly capMaps = new Set<number>();
  readonly primaries = new Map<string, number | null>();
  readonly selves = new Set<number>();
  /** Slots of the nodes with a new packet filter. */
  readonly filterSlots = new Bitset();
  /** Slots of the nodes with a new SSH policy. */
  readonly sshSlots = new Bitset();
  readonly #ids: SlotIds;
  readonly #views = new Map<number, ViewEffect>();
  readonly #marks: Mark[] = [];
  #viewers: ReadonlyMap<number, ViewerEffect> | null = null;
  #filters: ReadonlySet<number> | null = null;
  #sshPolicies: ReadonlySet<number> | null = null;

  constructor(ids: SlotIds) {
    this.#ids = ids;
  }

  /** The effect on one viewer, to be added to. */
  viewOf(viewer: number): ViewEffect {
    const known = this.#views.get(viewer);
    if (known !== undefined) return known;
    const view = new ViewEffect(this.#ids);
    this.#views.set(viewer, view);
    return view;
  }

  /** Each of the viewers sees the peer newly, no more, or differently. */
  mark(viewers: Bitset, peer: number, kind: keyof ViewerEffect): void {
    if (!viewers.isEmpty()) this.#marks.push({ viewers, peer, kind });
  }

  get viewers(): ReadonlyMap<number, ViewerEffect> {
    this.#viewers ??= this.#listViewers();
    return this.#viewers;
  }

  get filters(): ReadonlySet<number> {
    this.#filters ??= new Set(idsOf(this.filterSlots, this.#ids));
    return this.#filters;
  }

  get sshPolicies(): ReadonlySet<number> {
    this.#sshPolicies ??= new Set(idsOf(this.sshSlots, this.#ids));
    return this.#sshPolicies;
  }

  /** Viewers with the same single mark share one record. */
  #listViewers(): ReadonlyMap<number, ViewerEffect> {
    const alone = new Map<number, ViewerEffect>();
    const first = new Map<number, Mark>();
    for (const mark of this.#marks) {
      const shared = { added: NONE, removed: NONE, changed: NONE, [mark.kind]: [this.#ids[mark.peer] as number] };
      mark.viewers.visit((viewer) => {
        const earlier = first.get(viewer);
        if (earlier === undefined && !this.#views.has(viewer)) {
          first.set(viewer, mark);
          alone.set(viewer, shared);
        } else {
          const view = this.viewOf(viewer);
          if (earlier !== undefined) view[`${earlier.kind}Slots`].add(earlier.peer);
          view[`${mark.kind}Slots`].add(mark.peer);
        }
      });
    }
    const viewers = new Map<number, ViewerEffect>();
    for (const [viewer, effect] of alone) viewers.set(this.#ids[viewer] as number, effect);
    for (const [viewer, view] of this.#views) if (!view.isEmpty()) viewers.set(this.#ids[viewer] as number, view);
    return viewers;
  }
}

/** The effect on one viewer; lists ids when read. */
export class ViewEffect implements ViewerEffect {
  readonly addedSlots = new Bitset();
  readonly removedSlots = new Bitset();
  readonly changedSlots = new Bitset();
  readonly #ids: SlotIds;

  constructor(ids: SlotIds) {
    this.#ids = ids;
  }

  isEmpty(): boolean {
    return this.addedSlots.isEmpty() && this.removedSlots.isEmpty() && this.changedSlots.isEmpty();
  }

  get added(): readonly number[] {
    return idsOf(this.addedSlots, this.#ids);
  }

  get removed(): readonly number[] {
    return idsOf(this.removedSlots, this.#ids);
  }

  get changed(): readonly number[] {
    return idsOf(this.changedSlots, this.#ids);
  }
}

/** Ids of the nodes in these slots, ascending. */
export function idsOf(slots: Bitset, ids: SlotIds): number[] {
  const found: number[] = [];
  let isAscending = true;
  slots.visit((slot) => {
    const id = ids[slot] as number;
    isAscending &&= id > (found.at(-1) ?? -1);
    found.push(id);
  });
  return isAscending ? found : found.sort((a, b) => a - b);
}
