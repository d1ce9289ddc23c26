// Latencies to relay regions that a node reports in NetInfo.DERPLatency: seconds by `<region>-v4` and `<region>-v6`.
// Clients report when something else in NetInfo changes, the home region above all, so that these are snapshots; and
// after a short measurement they name the closest regions only.
import { type Hostinfo, preferredDerp } from "./hostinfo.ts";
import { isJsonObject, type JsonObject } from "./json.ts";

/** Most measurements that are kept of a node: those of more regions than any map has. */
const KEPT_MAX = 512;
/** A latency that differs by less than this, s, or by less than a third is what it was; clients leave home by the same. */
const DIFFERENCE_MIN_S = 0.01;
const RATIO_MAX = 2 / 3;

/** Region → latency in ms, the better one of both families. */
export function relayLatencies({ NetInfo }: Hostinfo): ReadonlyMap<number, number> {
  const latencies = new Map<number, number>();
  for (const [key, seconds] of Object.entries(measured(NetInfo))) {
    const region = Number(/^(\d{1,9})-v[46]$/.exec(key)?.[1]);
    if (Number.isNaN(region) || typeof seconds !== "number" || latencies.size >= KEPT_MAX) continue;
    latencies.set(region, Math.min(seconds * 1_000, latencies.get(region) ?? Number.POSITIVE_INFINITY));
  }
  return latencies;
}

/**
 * A Hostinfo in which latencies that are about what they were before stay as they were, and those that it does not name
 * too; of a node that has moved, to another home region, it counts as it is.
 */
export function withSteadyLatencies(before: Hostinfo, next: Hostinfo): Hostinfo {
  const [old, now] = [measured(before.NetInfo), measured(next.NetInfo)];
  if (!isJsonObject(next.NetInfo) || preferredDerp(before) !== preferredDerp(next)) return next;
  const steady: Record<string, unknown> = { ...old };
  for (const [key, seconds] of Object.entries(now)) if (!isAbout(old[key], seconds)) steady[key] = seconds;
  if (Object.keys(steady).length > KEPT_MAX) return next;
  return { ...next, NetInfo: { ...next.NetInfo, DERPLatency: steady } };
}

function measured(netInfo: unknown): JsonObject {
  return isJsonObject(netInfo) && isJsonObject(netInfo.DERPLatency) ? netInfo.DERPLatency : {};
}

function isAbout(old: unknown, now: unknown): boolean {
  if (typeof old !== "number" || typeof now !== "number") return false;
  return Math.abs(old - now) < DIFFERENCE_MIN_S || Math.min(old, now) > Math.max(old, now) * RATIO_MAX;
}
