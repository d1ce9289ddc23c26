// What applied changes mean for those who watch: which records differ and which policy views moved. Delivery
// (objects/) turns effects into messages for the nodes they concern and for nobody else.
import type { PolicyEffect, ViewerEffect } from "../policy/engine.ts";
import type { DerpOverlay } from "../protocol/control/derp-map.ts";
import type { CollectionName } from "./entities/configuration/collections.ts";
import { isKeyExpired, isServed, type Node, type NodeId, takesPart } from "./entities/node.ts";
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
  /** Pending registrations and SSH checks that were decided. */
  readonly decidedLogins: Set<string>;
  /** Collections of which a record came, changed or went. */
  readonly collections: Set<CollectionName>;
  /** Settings before they changed; null: they did not. */
  settingsBefore: Settings | null;
  /** What the policy said about relays before it changed; undefined: it did not. */
  derpMapBefore: DerpOverlay | null | undefined;
}

/** Effects of nothing. */
export function noEffects(): Effects {
  return {
    nodes: new Map(),
    policy: [],
    users: new Set(),
    decidedLogins: new Set(),
    collections: new Set(),
    settingsBefore: null,
    derpMapBefore: undefined,
  };
}

/** Notes what happened after what `into` tells. */
export function addEffects(into: Effects, later: Effects): void {
  const { nodes, policy, users, decidedLogins, collections, settingsBefore, derpMapBefore, ...others } = later;
  others satisfies Record<string, never>; // a new kind of effect must be added here too
  for (const [id, { before, after }] of nodes) {
    const known = into.nodes.get(id);
    into.nodes.set(id, { before: known === undefined ? before : known.before, after });
  }
  into.policy.push(...policy);
  for (const id of users) into.users.add(id);
  for (const id of decidedLogins) into.decidedLogins.add(id);
  for (const collection of collections) into.collections.add(collection);
  into.settingsBefore ??= settingsBefore;
  if (into.derpMapBefore === undefined) into.derpMapBefore = derpMapBefore;
}

/** Tells whether a node's key is good no longer: the node is gone, has another key, or is not served any more. */
export function losesItsKey({ before, after }: NodeEffect, now: number): boolean {
  if (before === null) return false;
  if (after === null || after.nodeKey !== before.nodeKey) return true;
  return wasServed(before, now) && !isServed(after, now);
}

/**
 * Tells whether a node's map streams end: with its key, and also when it is served again, since its client then needs a
 * whole netmap and asks for one at once.
 */
export function endsStreams(effect: NodeEffect, now: number): boolean {
  const { before, after } = effect;
  if (before === null || after === null || losesItsKey(effect, now)) return before !== null;
  return !wasServed(before, now) && isServed(after, now);
}

/** A key that expires by time does so without a change; the node was online until the change that takes it offline. */
function wasServed(node: Node, now: number): boolean {
  return takesPart(node) && (node.isOnline || !isKeyExpired(node, now));
}

/** What happened to one peer in one viewer's list. */
export type PeerFate = "added" | "removed" | "changed";

/**
 * Sums up successive policy effects on the viewers that are wanted: viewer → peer → fate. A peer that came and went is
 * `removed`, as a stream that was opened in between has been told of it; one that went and came back is `added`.
 */
export function sumViewerEffects(
  effects: readonly PolicyEffect[],
  isWanted: (viewer: NodeId) => boolean = () => true,
): Map<NodeId, Map<NodeId, PeerFate>> {
  const sum = new Map<NodeId, Map<NodeId, PeerFate>>();
  for (const effect of effects) {
    effect.viewers.forEach((change, viewer) => {
      if (!isWanted(viewer)) return;
      const fates = sum.get(viewer) ?? new Map<NodeId, PeerFate>();
      sum.set(viewer, fates);
      for (const peer of change.removed) fates.set(peer, "removed");
      for (const peer of change.added) fates.set(peer, "added");
      addChanged(fates, change);
    });
  }
  return sum;
}

/** Sums up successive policy effects on one viewer: peer → fate. A peer that came and went is absent. */
export function sumEffectsOn(viewer: NodeId, effects: readonly PolicyEffect[]): ReadonlyMap<NodeId, PeerFate> {
  const fates = new Map<NodeId, PeerFate>();
  for (const effect of effects) {
    const change = effect.viewers.get(viewer);
    if (change === undefined) continue;
    for (const peer of change.removed) {
      if (fates.get(peer) === "added") fates.delete(peer);
      else fates.set(peer, "removed");
    }
    for (const peer of change.added) fates.set(peer, fates.get(peer) === "removed" ? "changed" : "added");
    addChanged(fates, change);
  }
  return fates;
}

function addChanged(fates: Map<NodeId, PeerFate>, change: ViewerEffect): void {
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
