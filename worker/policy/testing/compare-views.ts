// Everything that nodes are told, and whether an effect names all that differs between two moments.
import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import type { PolicyEngine } from "../engine.ts";

/** Everything that one node is told. */
export interface View {
  /** Peer → how it is shown. */
  readonly peers: ReadonlyMap<number, string>;
  readonly filter: unknown;
  readonly ssh: unknown;
  readonly capMap: unknown;
  readonly self: unknown;
}

/** The views of these nodes. */
export function viewsOf(engine: PolicyEngine, ids: Iterable<number>): Map<number, View> {
  const views = new Map<number, View>();
  for (const id of ids) {
    const peers = new Map<number, string>();
    for (const peer of engine.peersOf(id)) {
      peers.set(
        peer,
        JSON.stringify([engine.peerRoutes(id, peer), engine.peerCapMapOf(peer), engine.addressesOf(id, peer)]),
      );
    }
    views.set(id, {
      peers,
      filter: engine.packetFilterOf(id),
      ssh: engine.sshPolicyOf(id),
      capMap: engine.capMapOf(id),
      self: [engine.ownRoutes(id), engine.addressesOf(id, id)],
    });
  }
  return views;
}

/** What is said of a change. */
export interface SaidEffect {
  readonly viewers: {
    get(viewer: number): Readonly<Record<"added" | "removed" | "changed", readonly number[]>> | undefined;
    keys(): Iterable<number>;
  };
  readonly filters: ReadonlySet<number>;
  readonly sshPolicies: ReadonlySet<number>;
  readonly capMaps: ReadonlySet<number>;
  readonly selves: ReadonlySet<number>;
}

/**
 * Holds what is said of a change to the views before and after it.
 * @param isExact false where more may be named than differs: a peer that hides an address, or from whom addresses are
 * hidden, may be named when only what is hidden changed; and what several changes did one after the other may cancel out
 */
export function checkEffect(
  before: ReadonlyMap<number, View>,
  after: ReadonlyMap<number, View>,
  effect: SaidEffect,
  isExact: boolean,
): void {
  for (const [id, now] of after) {
    const old = before.get(id);
    const said = effect.viewers.get(id) ?? { added: [], removed: [], changed: [] };
    const oldPeers = [...(old?.peers.keys() ?? [])];
    const peers = [...now.peers.keys()];
    expect(said.added, `added for ${id}`).toEqual(peers.filter((peer) => !oldPeers.includes(peer)));
    expect(said.removed, `removed for ${id}`).toEqual(oldPeers.filter((peer) => !now.peers.has(peer)));
    const differing = peers.filter((peer) => old?.peers.has(peer) && old.peers.get(peer) !== now.peers.get(peer));
    if (isExact) expect(said.changed, `changed for ${id}`).toEqual(differing);
    else expect(said.changed, `changed for ${id}`).toEqual(expect.arrayContaining(differing));
    for (const peer of said.changed) expect(old?.peers.has(peer) && now.peers.has(peer), `kept ${peer}`).toBe(true);
    if (!effect.filters.has(id)) expect(now.filter, `filter of ${id}`).toEqual(old?.filter);
    if (!effect.sshPolicies.has(id)) expect(now.ssh, `ssh of ${id}`).toEqual(old?.ssh);
    const [hasOtherCapMap, isOther] = [
      !isDeepStrictEqual(now.capMap, old?.capMap),
      !isDeepStrictEqual(now.self, old?.self),
    ];
    if (isExact || hasOtherCapMap) expect(effect.capMaps.has(id), `capMap of ${id}`).toBe(hasOtherCapMap);
    if (isExact || isOther) expect(effect.selves.has(id), `self of ${id}`).toBe(isOther);
  }
  for (const viewer of effect.viewers.keys()) expect(after.has(viewer), `viewer ${viewer} exists`).toBe(true);
}
