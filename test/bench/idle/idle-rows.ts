// What servers use and hold while nothing happens: CPU time of their processes, resident memory, and their heaps without
// garbage. Part of it does not depend on the nodes; it is measured before the first one comes, for both servers alike.
import { setTimeout as sleep } from "node:timers/promises";
import { preciseCpuMs } from "../../../scripts/processor-time.ts";
import type { BenchServer } from "../bench-server.ts";
import type { Figures } from "../row.ts";
import { residentKb } from "../server-cost.ts";

/** Names of the rows that tell heaps. */
export const HEAP = "memory: KB of heap per idle node, without garbage";
export const HEAP_EVICTED = "memory: KB of heap per idle node, object evicted";

/** A server without nodes. */
export interface Empty {
  readonly cpuPerMinute: number;
  /** Heap in KB; undefined where the server does not tell. */
  readonly heapKb: number | undefined;
}

/** What servers cost before their first node. */
export async function emptyCosts(
  servers: readonly BenchServer[],
  idleMs: number,
): Promise<ReadonlyMap<BenchServer, Empty>> {
  const cpu = await cpuPerMinute(servers, idleMs);
  const costs = new Map<BenchServer, Empty>();
  for (const [i, server] of servers.entries()) {
    costs.set(server, { cpuPerMinute: cpu[i] ?? Number.NaN, heapKb: await server.heapKb?.() });
  }
  return costs;
}

/** Nobody does anything. */
export async function idle(
  servers: readonly BenchServer[],
  empty: ReadonlyMap<BenchServer, Empty>,
  count: number,
  idleMs: number,
): Promise<Figures[]> {
  const cpu = await cpuPerMinute(servers, idleMs);
  return servers.map((server, i) => {
    const used = cpu[i] ?? Number.NaN;
    const constant = empty.get(server)?.cpuPerMinute ?? Number.NaN;
    return {
      "idle: CPU ms per minute": used,
      "idle: CPU ms per minute, of which without nodes": constant,
      "idle: CPU ms per minute and 100 nodes more": ((used - constant) * 100) / count,
    };
  });
}

/** Memory per node that has its map and nothing to do. */
export async function memory(server: BenchServer, empty: Empty | undefined, count: number): Promise<Figures> {
  const { processes, emptyKb } = server;
  const resident = residentKb(processes.server);
  const perNode = (resident - emptyKb.server) / count;
  const perBridge = (residentKb(processes.gateways) - emptyKb.gateways) / count;
  const heapKb = await server.heapKb?.();
  const heap = heapKb === undefined ? undefined : (heapKb - (empty?.heapKb ?? Number.NaN)) / count;
  return {
    "memory: MB of the server": resident / 1_024,
    "memory: KB per idle node, server alone": perNode,
    "memory: KB per idle node, with its gateway": perNode + perBridge,
    ...(processes.gateways.length > 0 && { "memory: KB per idle node, its gateway": perBridge }),
    ...(heap !== undefined && { [HEAP]: heap, [HEAP_EVICTED]: heap }), // who evicts nothing holds the same
  };
}

/** Of all servers at once, since each has processes of its own; gateways that no node uses do not count. */
async function cpuPerMinute(servers: readonly BenchServer[], idleMs: number): Promise<number[]> {
  const pids = servers.map(({ processes }) => [...processes.server, ...processes.gateways.slice(0, 1)]);
  const used = () => pids.map((some) => some.reduce((sum, pid) => sum + preciseCpuMs(pid), 0));
  const before = used();
  await sleep(idleMs);
  return used().map((after, i) => ((after - (before[i] ?? 0)) * 60_000) / idleMs);
}
