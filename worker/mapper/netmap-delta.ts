// Effects → what each watching node must be told. Work is proportional to the nodes that are affected: a node that
// nobody changed and that sees no changed peer is not touched (DESIGN.md 3 #8).
import type { DerpOverlay } from "../protocol/control/derp-map.ts";
import { type Effects, joinSets, type PeerFate, sumViewerEffects } from "../tailnet/effects.ts";
import type { NodeId } from "../tailnet/entities/node.ts";
import type { Settings } from "../tailnet/entities/settings.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { ofSettings } from "./node-capabilities.ts";
import { diffPeer, needsNewSelf } from "./peer-change.ts";
import { toDnsConfig } from "./to-dns-config.ts";

/** What one node must be told. */
export interface NetmapDelta {
  /** Peers to send whole, new ones included. */
  readonly wholePeers: Set<NodeId>;
  /** Of these, the ones whose owners' profiles go along: new peers, and those that changed hands. */
  readonly newPeers: Set<NodeId>;
  readonly removedPeers: Set<NodeId>;
  /** Peer → encoded PeerChange. */
  readonly patches: Map<NodeId, string>;
  readonly userIds: Set<number>;
  hasNewSelf: boolean;
  hasNewFilter: boolean;
  hasNewSsh: boolean;
  hasNewDns: boolean;
  hasNewDerpMap: boolean;
}

/** What of a delta a stream is told that shows no peers. */
export function withoutPeers(delta: NetmapDelta): NetmapDelta {
  const none = new Set<NodeId>();
  return { ...delta, wholePeers: none, newPeers: none, removedPeers: none, patches: new Map(), userIds: new Set() };
}

/** The nodes that have a map stream open. */
export interface Watching {
  has(id: NodeId): boolean;
  keys(): Iterable<NodeId>;
}

/** Collects deltas per watching node. */
class Deltas {
  readonly byViewer = new Map<NodeId, NetmapDelta>();
  readonly #tailnet: Tailnet;
  readonly #effects: Effects;
  readonly #watching: Watching;

  constructor(tailnet: Tailnet, effects: Effects, watching: Watching) {
    this.#tailnet = tailnet;
    this.#effects = effects;
    this.#watching = watching;
  }

  /**
   * What a viewer must be told of its peers and rules, made on first use; undefined for one that has no stream open, and
   * for one that polls with an expired key (it is never online): it is shown itself and no more.
   */
  of(viewer: NodeId): NetmapDelta | undefined {
    return this.#tailnet.nodes.get(viewer)?.isOnline === true ? this.ofSelf(viewer) : undefined;
  }

  /** What a viewer must be told of itself; undefined for one that has no stream open. */
  ofSelf(viewer: NodeId): NetmapDelta | undefined {
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
      hasNewDerpMap: false,
    };
    this.byViewer.set(viewer, delta);
    return delta;
  }

  /** A stream that polls with a key which was just replaced ends, and must not show its client another self key. */
  #isWatching(id: NodeId): boolean {
    if (!this.#watching.has(id) || !this.#tailnet.nodes.has(id)) return false;
    const changed = this.#effects.nodes.get(id);
    return !changed?.before || changed.before.nodeKey === changed.after?.nodeKey;
  }
}

/** Works out what to tell whom. */
export function netmapDeltas(tailnet: Tailnet, effects: Effects, watching: Watching): ReadonlyMap<NodeId, NetmapDelta> {
  const deltas = new Deltas(tailnet, effects, watching);
  addChangedNodes(tailnet, effects, deltas);
  addViewerEffects(effects, watching, deltas);
  addPolicySets(effects, deltas);
  if (effects.users.size > 0) addChangedUsers(tailnet, effects.users, deltas);
  if (effects.settingsBefore !== null) addChangedSettings(tailnet, effects.settingsBefore, watching, deltas);
  if (effects.derpMapBefore !== undefined && !hasSameRelays(effects.derpMapBefore, tailnet)) {
    for (const id of watching.keys()) mark(deltas.ofSelf(id), "hasNewDerpMap");
  }
  addChangedServices(tailnet, effects, watching, deltas);
  return deltas.byViewer;
}

function hasSameRelays(before: DerpOverlay | null, { compiledPolicy }: Tailnet): boolean {
  return JSON.stringify(before) === JSON.stringify(compiledPolicy.network.derpMap);
}

function addChangedNodes(tailnet: Tailnet, effects: Effects, deltas: Deltas): void {
  for (const [id, { before, after }] of effects.nodes) {
    if (before === null || after === null) continue; // comings and goings are the policy engine's to report
    if (needsNewSelf(before, after)) mark(deltas.ofSelf(id), "hasNewSelf");
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

function addViewerEffects(effects: Effects, watching: Watching, deltas: Deltas): void {
  for (const [viewer, fates] of sumViewerEffects(effects.policy, (id) => watching.has(id))) {
    const delta = deltas.of(viewer);
    if (delta !== undefined) for (const [peer, fate] of fates) addFate(delta, peer, fate);
  }
}

function addFate(delta: NetmapDelta, peer: NodeId, fate: PeerFate): void {
  delta.patches.delete(peer);
  if (fate === "removed") {
    delta.removedPeers.add(peer);
    delta.wholePeers.delete(peer);
  } else {
    delta.wholePeers.add(peer);
    if (fate === "added") delta.newPeers.add(peer);
  }
}

function addPolicySets(effects: Effects, deltas: Deltas): void {
  for (const id of joinSets(effects.policy, (e) => e.filters)) mark(deltas.of(id), "hasNewFilter");
  for (const id of joinSets(effects.policy, (e) => e.sshPolicies)) mark(deltas.of(id), "hasNewSsh");
  for (const id of joinSets(effects.policy, (e) => e.capMaps)) mark(deltas.ofSelf(id), "hasNewSelf");
  for (const id of joinSets(effects.policy, (e) => e.selves)) mark(deltas.ofSelf(id), "hasNewSelf");
}

function mark(
  delta: NetmapDelta | undefined,
  what: "hasNewFilter" | "hasNewSsh" | "hasNewSelf" | "hasNewDns" | "hasNewDerpMap",
): void {
  if (delta !== undefined) delta[what] = true;
}

/** A user's profile goes to the user's nodes, whose capabilities follow its role, and to those who see one of them. */
function addChangedUsers(tailnet: Tailnet, userIds: ReadonlySet<number>, deltas: Deltas): void {
  for (const { id, userId } of tailnet.nodes.values()) {
    if (userId === null || !userIds.has(userId)) continue;
    mark(deltas.ofSelf(id), "hasNewSelf");
    for (const viewer of tailnet.engine.peersOf(id)) deltas.of(viewer)?.userIds.add(userId);
  }
}

function addChangedSettings(tailnet: Tailnet, before: Settings, watching: Watching, deltas: Deltas): void {
  const hasNewDns = !hasSameDns(before, tailnet.settings);
  const hasNewSelf = JSON.stringify(ofSettings(before)) !== JSON.stringify(ofSettings(tailnet.settings));
  for (const id of hasNewDns || hasNewSelf ? watching.keys() : []) {
    if (hasNewDns) mark(deltas.ofSelf(id), "hasNewDns");
    if (hasNewSelf) mark(deltas.ofSelf(id), "hasNewSelf");
  }
}

/** Names of Services are resolved by those who can reach a host, which any change of peers may change. */
function addChangedServices(
  tailnet: Tailnet,
  { collections, policy }: Effects,
  watching: Watching,
  deltas: Deltas,
): void {
  const { services, "service-reports": reports } = tailnet.records;
  const isChanged = collections.has("services") || collections.has("service-reports");
  if (!isChanged && (services.size === 0 || policy.length === 0)) return;
  for (const id of reports.keys()) if (isChanged) mark(deltas.ofSelf(Number(id)), "hasNewSelf");
  if (isChanged) for (const id of watching.keys()) mark(deltas.of(id), "hasNewDns");
  else
    for (const delta of deltas.byViewer.values())
      if (delta.wholePeers.size + delta.removedPeers.size > 0) delta.hasNewDns = true;
}

function hasSameDns(before: Settings, after: Settings): boolean {
  const text = (settings: Settings) => JSON.stringify(toDnsConfig(settings, { magicDnsSuffix: "" }));
  return text(before) === text(after) && before.isHttpsOn === after.isHttpsOn;
}
