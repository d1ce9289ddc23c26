// What a change did to the peer lists of viewers. Kept as marks, a peer with a bitset of viewers each, and taken apart only
// when somebody reads it: viewers with the same marks then share one record.
import { Bitset } from "../../bitset.ts";
import type { ViewerEffect, ViewerEffects } from "../../effect.ts";
import { idsOf, type SlotIds } from "./slot-ids.ts";

/** A peer that many viewers see newly, no more, or differently. */
interface Mark {
  readonly peer: number;
  readonly kind: keyof ViewerEffect;
  readonly viewers: Bitset;
}

/** Viewers with the same marks: those of the group `before`, and one more. */
interface Group {
  readonly before: number;
  readonly mark: Mark | null;
}

/** Effects by viewer; to be read when nothing more is noted. */
export class ViewerTable implements ViewerEffects {
  readonly #ids: SlotIds;
  readonly #views = new Map<number, ViewEffect>();
  readonly #marks: Mark[] = [];
  #byId: ReadonlyMap<number, ViewerEffect> | null = null;

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

  get size(): number {
    let size = 0;
    this.forEach(() => {
      size++;
    });
    return size;
  }

  get(viewer: number): ViewerEffect | undefined {
    return this.#listed().get(viewer);
  }

  keys(): Iterable<number> {
    return this.#listed().keys();
  }

  values(): Iterable<ViewerEffect> {
    return this.#listed().values();
  }

  [Symbol.iterator](): Iterator<[number, ViewerEffect]> {
    return this.#listed()[Symbol.iterator]();
  }

  #listed(): ReadonlyMap<number, ViewerEffect> {
    if (this.#byId !== null) return this.#byId;
    const byId = new Map<number, ViewerEffect>();
    this.forEach((effect, viewer) => {
      byId.set(viewer, effect);
    });
    this.#byId = byId;
    return byId;
  }

  /** Visits all viewers without listing them. */
  forEach(visit: (effect: ViewerEffect, viewer: number) => void): void {
    const { groups, groupOf, marked } = this.#groupViewers();
    const shared = new Map<number, ViewerEffect>();
    for (const [viewer, view] of this.#views) {
      const whole = addMarks(view, groupOf[viewer] as number, groups);
      if (!whole.isEmpty()) visit(whole, this.#ids[viewer] as number);
    }
    marked.visit((viewer) => {
      if (this.#views.has(viewer)) return;
      const group = groupOf[viewer] as number;
      const effect = shared.get(group) ?? addMarks(new ViewEffect(this.#ids), group, groups).toLists();
      shared.set(group, effect);
      visit(effect, this.#ids[viewer] as number);
    });
  }

  /** Moves every marked viewer, mark by mark, from the group of those with the same marks so far to the next one. */
  #groupViewers(): { readonly groups: readonly Group[]; readonly groupOf: Int32Array; readonly marked: Bitset } {
    const groups: Group[] = [{ before: 0, mark: null }];
    const groupOf = new Int32Array(this.#ids.length);
    const marked = new Bitset();
    for (const mark of this.#marks) {
      const next = new Map<number, number>();
      marked.addAll(mark.viewers);
      mark.viewers.visit((viewer) => {
        const before = groupOf[viewer] as number;
        let after = next.get(before);
        if (after === undefined) {
          after = groups.push({ before, mark }) - 1;
          next.set(before, after);
        }
        groupOf[viewer] = after;
      });
    }
    return { groups, groupOf, marked };
  }
}

function addMarks(view: ViewEffect, group: number, groups: readonly Group[]): ViewEffect {
  for (let at = groups[group] as Group; at.mark !== null; at = groups[at.before] as Group) {
    view[`${at.mark.kind}Slots`].add(at.mark.peer);
  }
  return view;
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

  /** The effect as plain lists, for many to read. */
  toLists(): ViewerEffect {
    return { added: this.added, removed: this.removed, changed: this.changed };
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
