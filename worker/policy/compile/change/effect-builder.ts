// Collects what a change did to the views of nodes, by slot while the change is worked out and by id in the result. Most
// changes do the same to many viewers; these share one record until something sets them apart.
import type { Bitset } from "../../bitset.ts";
import type { PolicyEffect, ViewerEffect } from "../../effect.ts";

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

/** Builds a {@link PolicyEffect}. */
export class EffectBuilder {
  readonly filters = new Set<number>();
  readonly sshPolicies = new Set<number>();
  readonly capMaps = new Set<number>();
  readonly primaries = new Map<string, number | null>();
  readonly selves = new Set<number>();
  readonly #viewers = new Map<number, ViewerEffect>();

  /** The viewer, by id, sees these peers newly or no more. */
  setPeers(viewer: number, added: readonly number[], removed: readonly number[]): void {
    if (added.length > 0 || removed.length > 0) this.#viewers.set(viewer, { added, removed, changed: NONE });
  }

  /** Each of the viewers sees the peer newly, no more, or differently. Called once for a peer and a kind. */
  mark(viewers: Iterable<number>, peer: number, kind: keyof ViewerEffect): void {
    const alone: ViewerEffect = { added: NONE, removed: NONE, changed: NONE, [kind]: [peer] };
    for (const viewer of viewers) {
      const known = this.#viewers.get(viewer);
      if (known === undefined) this.#viewers.set(viewer, alone);
      else if (!known[kind].includes(peer)) this.#viewers.set(viewer, { ...known, [kind]: [...known[kind], peer] });
    }
  }

  /** The finished effect. */
  finish(): PolicyEffect {
    for (const [viewer, effect] of this.#viewers) {
      const isSorted = [effect.added, effect.removed, effect.changed].every(isAscending);
      if (!isSorted) this.#viewers.set(viewer, sorted(effect));
    }
    const { filters, sshPolicies, capMaps, primaries, selves } = this;
    return { viewers: this.#viewers, filters, sshPolicies, capMaps, primaries, selves };
  }
}

function isAscending(ids: readonly number[]): boolean {
  for (let i = 1; i < ids.length; i++) if ((ids[i - 1] as number) > (ids[i] as number)) return false;
  return true;
}

function sorted({ added, removed, changed }: ViewerEffect): ViewerEffect {
  return { added: ascending(added), removed: ascending(removed), changed: ascending(changed) };
}

function ascending(ids: readonly number[]): readonly number[] {
  return ids.toSorted((a, b) => a - b);
}

/** Ids of the nodes in these slots. */
export function idsOf(slots: Bitset, idAt: (slot: number) => number): number[] {
  const ids: number[] = [];
  slots.visit((slot) => ids.push(idAt(slot)));
  return ids;
}
