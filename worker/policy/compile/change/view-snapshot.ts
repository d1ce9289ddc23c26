// The views that a change of a few nodes can touch, as they are at one moment; two snapshots around the change tell what
// it did. Only the nodes concerned are looked at pairwise, all other viewers as bitsets.
import { Bitset, difference } from "../../bitset.ts";
import { hasSameAddresses, hasSameRoutes, isIPv4Hidden, type NodeRecord } from "../nodes/node-record.ts";
import type { TailnetState } from "../tailnet-state.ts";
import { exitViewersOf, maySeeExits, routerFor, viewersOf } from "../views/route-table.ts";
import { type EffectBuilder, idsOf } from "./effect-builder.ts";

/** What one of the nodes concerned sees. */
interface NodeSnapshot {
  readonly record: NodeRecord;
  readonly peers: Bitset;
  /** Prefix, or `exit` and a slot → slot of the router on which the node is shown that route. */
  readonly routes: ReadonlyMap<string, number>;
}

/** Views of the nodes concerned and of everybody who uses their routes. */
export interface ViewSnapshot {
  readonly nodes: ReadonlyMap<number, NodeSnapshot>;
  /** Route (as in NodeSnapshot) → router → viewers that are shown it there. */
  readonly shown: ReadonlyMap<string, ReadonlyMap<number, Bitset>>;
  /** Prefix → id of the primary router. */
  readonly primaries: ReadonlyMap<string, number>;
  readonly ids: ReadonlyMap<number, number>;
}

/** Takes a snapshot of the nodes in these slots and of these prefixes. */
export function takeSnapshot(state: TailnetState, slots: Iterable<number>, prefixes: Iterable<string>): ViewSnapshot {
  const nodes = new Map<number, NodeSnapshot>();
  const shown = new Map<string, ReadonlyMap<number, Bitset>>();
  const primaries = new Map<string, number>();
  const ids = new Map<number, number>();
  for (const slot of slots) {
    const record = state.recordIn(slot);
    if (record === undefined) continue;
    ids.set(slot, record.node.id);
    const peers = state.peers(record);
    nodes.set(slot, { record, peers, routes: routesShownTo(record, peers, state) });
    if (record.class.isExit) shown.set(`exit ${slot}`, new Map([[slot, exitViewersOf(record, state)]]));
  }
  for (const text of prefixes) {
    const prefix = state.prefixes.get(text);
    if (prefix === undefined) continue;
    shown.set(text, viewersOf(prefix, state));
    primaries.set(text, state.idAt(prefix.primary));
    for (const owner of prefix.owners) ids.set(owner.slot, owner.node.id);
  }
  return { nodes, shown, primaries, ids };
}

function routesShownTo(viewer: NodeRecord, peers: Bitset, state: TailnetState): Map<string, number> {
  const routes = new Map<string, number>();
  for (const prefix of state.prefixes.values()) {
    if (prefix.owners.length === 0) continue;
    const router = routerFor(viewer, prefix, state);
    if (router !== null && peers.has(router)) routes.set(prefix.text, router);
  }
  state.exitSlots.visit((slot) => {
    if (peers.has(slot) && maySeeExits(viewer, state.recordAt(slot), state.plan)) routes.set(`exit ${slot}`, slot);
  });
  return routes;
}

/** Notes what differs between two snapshots of the same nodes, the state being as in the later one. */
export function compareSnapshots(
  before: ViewSnapshot,
  after: ViewSnapshot,
  state: TailnetState,
  effect: EffectBuilder,
): void {
  const concerned = Bitset.of([...before.nodes.keys(), ...after.nodes.keys()]);
  for (const slot of concerned) comparePeers(slot, concerned, before, after, state, effect);
  for (const slot of concerned) compareNode(slot, before, after, state, effect);
  for (const route of new Set([...before.shown.keys(), ...after.shown.keys()])) {
    compareRoute(route, before, after, state, effect);
  }
  comparePrimaries(before, after, effect);
}

const NOBODY = new Bitset();

function comparePeers(
  slot: number,
  concerned: Bitset,
  before: ViewSnapshot,
  after: ViewSnapshot,
  state: TailnetState,
  effect: EffectBuilder,
): void {
  const old = before.nodes.get(slot)?.peers ?? NOBODY;
  const now = after.nodes.get(slot)?.peers ?? NOBODY;
  const { onlyA: removed, onlyB: added } = difference(old, now);
  const id = (after.ids.get(slot) ?? before.ids.get(slot)) as number;
  const idAt = (at: number) => before.ids.get(at) ?? state.idAt(at);
  if (after.nodes.has(slot)) effect.setPeers(id, idsOf(added, idAt), idsOf(removed, idAt));
  // Nodes that are concerned themselves report their own side of the pair.
  added.deleteAll(concerned);
  removed.deleteAll(concerned);
  if (!added.isEmpty()) effect.mark(idsOf(added, idAt), id, "added");
  if (!removed.isEmpty()) effect.mark(idsOf(removed, idAt), id, "removed");
}

/** Compares how a node stands towards others: what routes it is shown, and whether it is an exit node. */
function compareNode(
  slot: number,
  before: ViewSnapshot,
  after: ViewSnapshot,
  state: TailnetState,
  effect: EffectBuilder,
): void {
  const old = before.nodes.get(slot);
  const now = after.nodes.get(slot);
  if (old === undefined && now !== undefined) effect.selves.add(now.record.node.id);
  if (old === undefined || now === undefined) return;
  const kept = old.peers.clone();
  kept.retainAll(now.peers);
  const { id } = now.record.node;
  for (const route of new Set([...old.routes.keys(), ...now.routes.keys()])) {
    const routers = [old.routes.get(route), now.routes.get(route)];
    if (routers[0] === routers[1]) continue;
    for (const router of routers) {
      if (router !== undefined && kept.has(router)) effect.mark([id], state.idAt(router), "changed");
    }
  }
  const peers = idsOf(kept, (at) => state.idAt(at));
  const isMoved = !hasSameAddresses(old.record, now.record);
  // An exit node carries a capability in everybody's view (policy.md 17).
  if (isMoved || old.record.class.isExit !== now.record.class.isExit) effect.mark(peers, id, "changed");
  // A node that hides its IPv4 address sees nobody's.
  if (isIPv4Hidden(old.record) !== isIPv4Hidden(now.record)) {
    for (const peer of peers) effect.mark([id], peer, "changed");
  }
  if (isMoved || !hasSameRoutes(old.record, now.record)) effect.selves.add(id);
}

function compareRoute(
  route: string,
  before: ViewSnapshot,
  after: ViewSnapshot,
  state: TailnetState,
  effect: EffectBuilder,
): void {
  const old = before.shown.get(route);
  const now = after.shown.get(route);
  for (const router of new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])) {
    const record = state.recordIn(router);
    if (record === undefined || !isKept(router, before, after)) continue;
    const { onlyA, onlyB } = difference(old?.get(router) ?? NOBODY, now?.get(router) ?? NOBODY);
    onlyA.addAll(onlyB);
    onlyA.retainAll(keptPeers(router, record, before, after, state));
    const viewers = idsOf(onlyA, (at) => state.idAt(at));
    if (viewers.length > 0) effect.mark(viewers, record.node.id, "changed");
  }
}

function isKept(slot: number, before: ViewSnapshot, after: ViewSnapshot): boolean {
  return before.nodes.has(slot) === after.nodes.has(slot);
}

/** Peers that a router had before the change and still has. */
function keptPeers(
  slot: number,
  record: NodeRecord,
  before: ViewSnapshot,
  after: ViewSnapshot,
  state: TailnetState,
): Bitset {
  const kept = (after.nodes.get(slot)?.peers ?? state.peers(record)).clone();
  const old = before.nodes.get(slot)?.peers;
  if (old !== undefined) kept.retainAll(old);
  for (const [other, { peers }] of after.nodes) {
    if (!(before.nodes.get(other)?.peers.has(slot) ?? false) || !peers.has(slot)) kept.delete(other);
  }
  return kept;
}

function comparePrimaries(before: ViewSnapshot, after: ViewSnapshot, effect: EffectBuilder): void {
  for (const prefix of new Set([...before.primaries.keys(), ...after.primaries.keys()])) {
    const old = before.primaries.get(prefix);
    const now = after.primaries.get(prefix);
    if (old === now) continue;
    effect.primaries.set(prefix, now ?? null);
    for (const id of [old, now]) if (id !== undefined) effect.selves.add(id);
  }
}
