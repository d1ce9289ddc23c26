// The views that a change of a few nodes can touch, as they are at one moment; two snapshots around the change tell what
// it did. Only the nodes concerned are looked at pairwise, all other viewers as bitsets.
import { Bitset, difference } from "../../bitset.ts";
import { hasSameAddresses, hasSameRoutes, type NodeRecord } from "../nodes/node-record.ts";
import type { TailnetState } from "../tailnet-state.ts";
import {
  electedFor,
  exitViewersOf,
  maySeeExits,
  prefixOfElection,
  routerFor,
  viewersOf,
} from "../views/route-table.ts";
import type { SlotEffect } from "./slot-effect.ts";

/** What one of the nodes concerned sees. */
interface NodeSnapshot {
  readonly record: NodeRecord;
  readonly peers: Bitset;
  /** Prefix, or exit routes (see exitKey) → slot of the router on which the node is shown them. */
  readonly routes: ReadonlyMap<string, number>;
}

/** Views of the nodes concerned and of everybody who uses their routes. */
export interface ViewSnapshot {
  readonly nodes: ReadonlyMap<number, NodeSnapshot>;
  /** Route (as in NodeSnapshot) → router → viewers that are shown it there. */
  readonly shown: ReadonlyMap<string, ReadonlyMap<number, Bitset>>;
  /** Prefix, or prefix and region → id of the primary router. */
  readonly primaries: ReadonlyMap<string, number>;
}

/** Takes a snapshot of the nodes in these slots and of these prefixes. */
export function takeSnapshot(state: TailnetState, slots: Iterable<number>, prefixes: Iterable<string>): ViewSnapshot {
  const nodes = new Map<number, NodeSnapshot>();
  const shown = new Map<string, ReadonlyMap<number, Bitset>>();
  const primaries = new Map<string, number>();
  for (const slot of slots) {
    const record = state.recordIn(slot);
    if (record === undefined) continue;
    const peers = state.peers(record);
    nodes.set(slot, { record, peers, routes: routesShownTo(record, peers, state) });
    if (record.class.isExit) shown.set(exitKey(record), new Map([[slot, exitViewersOf(record, state)]]));
  }
  for (const text of prefixes) {
    const prefix = state.prefixes.get(text);
    if (prefix === undefined) continue;
    shown.set(text, viewersOf(prefix, state));
    for (const [election, elected] of electedFor(prefix)) primaries.set(election, state.idAt(elected));
  }
  return { nodes, shown, primaries };
}

function routesShownTo(viewer: NodeRecord, peers: Bitset, state: TailnetState): Map<string, number> {
  const routes = new Map<string, number>();
  for (const prefix of state.prefixes.values()) {
    const router = routerFor(viewer, prefix, state);
    if (router !== null && peers.has(router)) routes.set(prefix.text, router);
  }
  state.exitSlots.visit((slot) => {
    const router = state.recordAt(slot);
    if (peers.has(slot) && maySeeExits(viewer, router, state.plan)) routes.set(exitKey(router), slot);
  });
  return routes;
}

/** Names the exit routes of a router: those of one family are another offer than those of the other. */
function exitKey({ slot, exits }: NodeRecord): string {
  return `exit ${slot} ${exits.join(" ")}`;
}

const NOBODY = new Bitset();

/** Two snapshots of the same nodes and prefixes around a change, the state being as in the later one. */
export class SnapshotComparison {
  readonly #before: ViewSnapshot;
  readonly #after: ViewSnapshot;
  readonly #state: TailnetState;
  readonly #effect: SlotEffect;
  readonly #concerned: Bitset;

  constructor(before: ViewSnapshot, after: ViewSnapshot, state: TailnetState, effect: SlotEffect) {
    this.#before = before;
    this.#after = after;
    this.#state = state;
    this.#effect = effect;
    this.#concerned = Bitset.of([...before.nodes.keys(), ...after.nodes.keys()]);
  }

  /** Notes in the effect what differs. */
  run(): void {
    for (const slot of this.#concerned) this.#comparePeers(slot);
    for (const slot of this.#concerned) this.#compareNode(slot);
    for (const route of new Set([...this.#before.shown.keys(), ...this.#after.shown.keys()])) this.#compareRoute(route);
    this.#comparePrimaries();
  }

  #comparePeers(slot: number): void {
    const old = this.#before.nodes.get(slot)?.peers ?? NOBODY;
    const now = this.#after.nodes.get(slot)?.peers ?? NOBODY;
    const { onlyA: removed, onlyB: added } = difference(old, now);
    if (this.#after.nodes.has(slot)) {
      const view = this.#effect.viewers.viewOf(slot);
      view.addedSlots.addAll(added);
      view.removedSlots.addAll(removed);
    }
    // Nodes that are concerned themselves report their own side of the pair.
    added.deleteAll(this.#concerned);
    removed.deleteAll(this.#concerned);
    this.#effect.viewers.mark(added, slot, "added");
    this.#effect.viewers.mark(removed, slot, "removed");
  }

  /** Compares how a node stands towards its old and present peers: what it is shown, and what it shows. */
  #compareNode(slot: number): void {
    const old = this.#before.nodes.get(slot);
    const now = this.#after.nodes.get(slot);
    if (old === undefined && now !== undefined) this.#effect.selves.add(now.record.node.id);
    if (old === undefined || now === undefined) return;
    const kept = old.peers.clone();
    kept.retainAll(now.peers);
    const { changedSlots } = this.#effect.viewers.viewOf(slot);
    for (const router of differingRouters(old.routes, now.routes)) if (kept.has(router)) changedSlots.add(router);
    const isMoved = !hasSameAddresses(old.record, now.record);
    // An exit node carries a capability in everybody's view (policy.md 17).
    const isOtherwiseExit = old.record.class.isExit !== now.record.class.isExit;
    if (isMoved || isOtherwiseExit) this.#effect.viewers.mark(kept, slot, "changed");
    // A node that hides its IPv4 address sees nobody's.
    if (old.record.isIPv4Hidden !== now.record.isIPv4Hidden) changedSlots.addAll(kept);
    if (isMoved || !hasSameRoutes(old.record, now.record)) this.#effect.selves.add(now.record.node.id);
  }

  #compareRoute(route: string): void {
    const old = this.#before.shown.get(route);
    const now = this.#after.shown.get(route);
    for (const router of new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])) {
      const { onlyA, onlyB } = difference(old?.get(router) ?? NOBODY, now?.get(router) ?? NOBODY);
      onlyA.addAll(onlyB);
      onlyA.retainAll(this.#keptPeers(router));
      this.#effect.viewers.mark(onlyA, router, "changed");
    }
  }

  /** Peers that a router had before the change and still has. */
  #keptPeers(slot: number): Bitset {
    const record = this.#state.recordIn(slot);
    if (record === undefined || this.#before.nodes.has(slot) !== this.#after.nodes.has(slot)) return NOBODY;
    const kept = (this.#after.nodes.get(slot)?.peers ?? this.#state.peers(record)).clone();
    const old = this.#before.nodes.get(slot)?.peers;
    if (old !== undefined) kept.retainAll(old);
    for (const other of this.#concerned) {
      const wasPeer = this.#before.nodes.get(other)?.peers.has(slot) ?? false;
      const isPeer = this.#after.nodes.get(other)?.peers.has(slot) ?? false;
      if (!wasPeer || !isPeer) kept.delete(other);
    }
    return kept;
  }

  #comparePrimaries(): void {
    const { primaries: old } = this.#before;
    const { primaries: now } = this.#after;
    for (const election of new Set([...old.keys(), ...now.keys()])) {
      if (old.get(election) === now.get(election)) continue;
      this.#effect.primaries.set(election, now.get(election) ?? null);
      for (const id of [old.get(election), now.get(election)]) {
        if (id !== undefined && this.#state.record(id) !== undefined)
          this.#compareElected(id, prefixOfElection(election));
      }
    }
  }

  /** A router is told when it becomes primary, or is so no more; not of how many regions. */
  #compareElected(id: number, prefix: string): void {
    const isHeldIn = ({ primaries }: ViewSnapshot) =>
      [...primaries].some(([election, holder]) => holder === id && prefixOfElection(election) === prefix);
    if (isHeldIn(this.#before) !== isHeldIn(this.#after)) this.#effect.selves.add(id);
  }
}

/** Routers on which some route is shown in only one of two views. */
function* differingRouters(
  old: ReadonlyMap<string, number>,
  now: ReadonlyMap<string, number>,
): Generator<number, void> {
  for (const [route, router] of old) if (now.get(route) !== router) yield router;
  for (const [route, router] of now) if (old.get(route) !== router) yield router;
}
