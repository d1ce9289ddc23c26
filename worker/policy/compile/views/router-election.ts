// Which of several routers of a prefix carries it: one for the whole tailnet (policy.md 14.2) and, where nodes tell their
// distance to relay regions, one for each region in which a router is at home. A viewer is led to its own region's,
// else to that of the region which it measured as closest, else to the tailnet's.
import type { NodeRecord } from "../nodes/node-record.ts";

/** Home region → slot of the router that is elected there; empty while distance decides nothing. */
export type RegionalPrimaries = ReadonlyMap<number, number>;

/** No elections by region. */
export const NO_REGIONS: RegionalPrimaries = new Map();

/**
 * The primary router among a prefix's owners: the present holder while it is online or nobody else is, else the first
 * registered one that is online, else the first registered one. A prefix whose routers are all offline keeps a primary,
 * so that a router's short absence does not change everybody's routes twice.
 */
export function electPrimary(owners: readonly NodeRecord[], holder: number | null): number {
  const kept = owners.find((owner) => owner.slot === holder);
  const online = owners.find(({ node }) => node.isOnline);
  const elected = kept !== undefined && (kept.node.isOnline || online === undefined) ? kept : (online ?? owners[0]);
  return (elected as NodeRecord).slot;
}

/**
 * The primary router of each region: the present holder, else the tailnet's where that is at home, else the first
 * registered one; only of those online. None while all of them are in one region, or tell none.
 */
export function electByRegion(
  owners: readonly NodeRecord[],
  primary: number,
  holderIn: (region: number) => number | null,
): RegionalPrimaries {
  if (owners.length < 2 || owners.every(({ node }) => node.distances === undefined)) return NO_REGIONS;
  const byHome = Map.groupBy(
    owners.filter(({ node }) => node.isOnline),
    homeOf,
  );
  if (byHome.size < 2) return NO_REGIONS;
  byHome.delete(0);
  return new Map(
    [...byHome].map(([region, routers]) => {
      const isHere = (candidate: number | null) => routers.some(({ slot }) => slot === candidate);
      return [region, electPrimary(routers, [holderIn(region), primary].find(isHere) ?? null)];
    }),
  );
}

/** Home region of a node; 0 when it is unknown. */
export function homeOf({ node }: NodeRecord): number {
  return node.distances?.home ?? 0;
}

/** The region closest to a node: its own, else the one with the least latency; null when it measured none of them. */
export function closestRegion({ node }: NodeRecord, regions: Iterable<number>): number | null {
  const { distances } = node;
  if (distances === undefined) return null;
  let closest: number | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const region of regions) {
    if (region === distances.home && region !== 0) return region;
    const latency = distances.latencies.get(region) ?? Number.POSITIVE_INFINITY;
    if (latency < least) [closest, least] = [region, latency];
  }
  return closest;
}
