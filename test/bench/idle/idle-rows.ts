// What servers use and hold while nothing happens: CPU time of their processes and resident memory. Part of it does not
// depend on the nodes; it is measured before the first one comes, for both servers alike. Gateways that no node uses at
// that time do not count.
import { setTimeout as sleep } from "node:timers/promises";
import { preciseCpuMs } from "../../../scripts/processor-time.ts";
import type { BenchServer } from "../bench-server.ts";
import type { Figures } from "../row.ts";
import { residentKb, usedGateways } from "../server-cost.ts";

/** A server without nodes. */
export interface Empty {
  readonly cpuPerMinute: number;
}

/** What servers cost before their first node. */
export async function emptyCosts(
  servers: readonly BenchServer[],
  idleMs: number,
): Promise<ReadonlyMap<BenchServer, Empty>> {
  const cpu = await cpuPerMinute(servers, idleMs);
  return new Map(servers.map((server, i) => [server, { cpuPerMinute: cpu[i] ?? Number.NaN }]));
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
export function memory({ processes, emptyKb }: BenchServer, count: number): Figures {
  const resident = residentKb(processes.server);
  const perNode = (resident - emptyKb.server) / count;
  const perBridge = (residentKb(usedGateways(processes)) - emptyKb.usedGateway) / count;
  return {
    "memory: MB of the server": resident / 1_024,
    "memory: KB per idle node, server alone": perNode,
    "memory: KB per idle node, with its gateway": perNode + perBridge,
    ...(processes.gateways.length > 0 && { "memory: KB per idle node, its gateway": perBridge }),
  };
}

/** Of all servers at once, since each has processes of its own. */
async function cpuPerMinute(servers: readonly BenchServer[], idleMs: number): Promise<number[]> {
  const pids = servers.map(({ processes }) => [...processes.server, ...usedGateways(processes)]);
  const used = () => pids.map((some) => some.reduce((sum, pid) => sum + preciseCpuMs(pid), 0));
  const before = used();
  await sleep(idleMs);
  return used().map((after, i) => ((after - (before[i] ?? 0)) * 60_000) / idleMs);
}
