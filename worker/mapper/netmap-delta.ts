// Effects → what each watching node must be told. Work is proportional to the nodes that are affected: a node that
// nobody changed and that sees no changed peer is not touched (DESIGN.md 3 #8).
import { type Effects, joinSets, type PeerFate, sumViewerEffects } from "../tailnet/effects.ts";
import type { NodeId } from "../tailnet/entities/node.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { diffPeer, needsNewSelf } from "./peer-change.ts";

/** What one node must be told. */
export interface NetmapDelta {
  /** Peers to send whole, new ones included. */
  readonly wholePeers: Set<NodeId>;
  /** Of these, the ones that the node did not see before; their owners' profiles go along. */
  readonly newPeers: Set<NodeId>;
  readonly removedPeers: Set<NodeId>;
  /** Peer → encoded PeerChange. */
  readonly patches: Map<NodeId, string>;
  readonly userIds: Set<number>;
  hasNewSelf: boolean;
  hasNewFilter: boolean;
  hasNewSsh: boolean;
  hasNewDns: boolean;
}

/** Collects deltas per watching node. */
class Deltas {
  readonly byViewer = new Map<NodeId, NetmapDelta>();
  readonly #isWatching: (id: NodeId) => boolean;

  constructor(isWatching: (id: NodeId) => boolean) {
    this.#isWatching = isWatching;
  }

  /** The delta of a viewer, made on first use; undefined for one that has no stream open. */
  of(viewer: NodeId): NetmapDelta | undefined {
    const known = this.byViewer.get(viewer);
    if (known !== undefined || !this.#isWatching(viewer)) return known;
    const delta: NetmapDelta = {
      wholePeers: new Set(),
      newPeers: new Set(),
      removedPeers: new Set(),
      patches: new Map(),
      userIds: new Set(),
      hasNewSelf: false,
      hasNewFilter: false,
      hasNewSsh: false,
      hasNewDns: false,
    };
    this.byViewer.set(viewer, delta);
    return delta;
  }
}

/**
 * Works out what to tell whom.
 * @param watching ids of the nodes that have a map stream open
 */
export function netmapDeltas(
  tailnet: Tailnet,
  effects: Effects,
  watching: { has(id: NodeId): boolean; keys(): Iterable<NodeId> },
): ReadonlyMap<NodeId, NetmapDelta> {
  const deltas = new Deltas((id) => watching.has(id) && tailnet.nodes.has(id));
  addChangedNodes(tailnet, effects, deltas);
  addViewerEffects(effects, deltas);
  addPolicySets(effects, deltas);
  if (effects.hasNewSettings || effects.users.size > 0) addTailnetWide(effects, watching, deltas);
  return deltas.byViewer;
}

function addChangedNodes(tailnet: Tailnet, effects: Effects, deltas: Deltas): void {
  for (const [id, { before, after }] of effects.nodes) {
    if (before === null || after === null) continue; // comings and goings are the policy engine's to report
    if (needsNewSelf(before, after)) setSelf(deltas, id);
    const difference = diffPeer(before, after);
    if (difference === "none") continue;
    const patch = difference === "whole" ? undefined : JSON.stringify(difference);
    for (const viewer of tailnet.engine.peersOf(id)) {
      const delta = deltas.of(viewer);
      if (patch === undefined) {
        delta?.wholePeers.add(id);
        if (before.userId !== after.userId) delta?.newPeers.add(id);
      } else delta?.patches.set(id, patch);
    }
  }
}

function setSelf(deltas: Deltas, id: NodeId): void {
  const delta = deltas.of(id);
  if (delta !== undefined) delta.hasNewSelf = true;
}

function addViewerEffects(effects: Effects, deltas: Deltas): void {
  for (const [viewer, fates] of sumViewerEffects(effects.policy)) {
    const delta = deltas.of(viewer);
    if (delta !== undefined) for (const [peer, fate] of fates) addFate(delta, peer, fate);
  }
}

function addFate(delta: NetmapDelta, peer: NodeId, fate: PeerFate): void {
  if (fate === "removed") {
    delta.removedPeers.add(peer);
    delta.wholePeers.delete(peer);
    delta.patches.delete(peer);
    return;
  }
  delta.wholePeers.add(peer);
  delta.patches.delete(peer);
  if (fate === "added") delta.newPeers.add(peer);
}

function addPolicySets(effects: Effects, deltas: Deltas): void {
  for (const id of joinSets(effects.policy, (e) => e.filters)) mark(deltas, id, "hasNewFilter");
  for (const id of joinSets(effects.policy, (e) => e.sshPolicies)) mark(deltas, id, "hasNewSsh");
  for (const id of joinSets(effects.policy, (e) => e.capMaps)) mark(deltas, id, "hasNewSelf");
  for (const id of joinSets(effects.policy, (e) => e.selves)) mark(deltas, id, "hasNewSelf");
}

function mark(deltas: Deltas, id: NodeId, what: "hasNewFilter" | "hasNewSsh" | "hasNewSelf"): void {
  const delta = deltas.of(id);
  if (delta !== undefined) delta[what] = true;
}

function addTailnetWide(effects: Effects, watching: { keys(): Iterable<NodeId> }, deltas: Deltas): void {
  for (const id of watching.keys()) {
    const delta = deltas.of(id);
    if (delta === undefined) continue;
    if (effects.hasNewSettings) delta.hasNewDns = true;
    for (const userId of effects.users) delta.userIds.add(userId);
  }
}
