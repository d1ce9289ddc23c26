// What applied changes mean for those who watch: which records differ and which policy views moved. Delivery
// (objects/) turns effects into messages for the nodes they concern and for nobody else.
import type { PolicyEffect, ViewerEffect } from "../policy/engine.ts";
import type { Node, NodeId } from "./entities/node.ts";
import type { Settings } from "./entities/settings.ts";

/** A node before and after; null: it did not or does not exist. */
export interface NodeEffect {
  readonly before: Node | null;
  readonly after: Node | null;
}

/** Everything that a list of changes did. */
export interface Effects {
  readonly nodes: Map<NodeId, NodeEffect>;
  /** Policy effects in the order in which they happened. */
  readonly policy: PolicyEffect[];
  /** Users whose profile is new or differs. */
  readonly users: Set<number>;
  /** Pending registrations that were decided. */
  readonly decidedPendings: Set<string>;
  /** Settings before they changed; null: they did not. */
  settingsBefore: Settings | null;
}

/** Effects of nothing. */
export function noEffects(): Effects {
  return { nodes: new Map(), policy: [], users: new Set(), decidedPendings: new Set(), settingsBefore: null };
}

/** What happened to one peer in one viewer's list. */
export type PeerFate = "added" | "removed" | "changed";

/**
 * Sums up successive policy effects: viewer → peer → fate. A peer that came and went is absent; one that went and came
 * back is `changed`.
 */
export function sumViewerEffects(effects: readonly PolicyEffect[]): Map<NodeId, Map<NodeId, PeerFate>> {
  const sum = new Map<NodeId, Map<NodeId, PeerFate>>();
  for (const effect of effects) {
    for (const [viewer, change] of effect.viewers) {
      const fates = sum.get(viewer) ?? new Map<NodeId, PeerFate>();
      sum.set(viewer, fates);
      addViewerEffect(fates, change);
    }
  }
  return sum;
}

function addViewerEffect(fates: Map<NodeId, PeerFate>, change: ViewerEffect): void {
  for (const peer of change.removed) {
    if (fates.get(peer) === "added") fates.delete(peer);
    else fates.set(peer, "removed");
  }
  for (const peer of change.added) fates.set(peer, fates.get(peer) === "removed" ? "changed" : "added");
  for (const peer of change.changed) if (fates.get(peer) !== "added") fates.set(peer, "changed");
}

/** Joins the id sets of successive policy effects. */
export function joinSets(
  effects: readonly PolicyEffect[],
  pick: (effect: PolicyEffect) => ReadonlySet<NodeId>,
): Set<NodeId> {
  const joined = new Set<NodeId>();
  for (const effect of effects) for (const id of pick(effect)) joined.add(id);
  return joined;
}
