// The REST API with many devices that are known from before: lists, reads, tokens, and a tag that nodes see. A few nodes
// are online, enough to see the change, so that what grows is the tailnet and not the number of listeners; the rows with
// all nodes online are beside this (../rows.ts).
import type { BenchServer } from "../bench-server.ts";
import { startImportedServer } from "../flarescale-server.ts";
import { startHeadscaleServer } from "../headscale-server.ts";
import type { Figures, Row, RowOptions } from "../row.ts";
import { cpuWhenQuiet } from "../server-cost.ts";
import { type Measured, measureRows } from "../side-by-side.ts";
import { deviceGet, deviceList, tagChange, tokenExchange, tokenForSecret } from "./api-rows.ts";
import { headscaleRows } from "./devices.ts";

/** How many devices there are. */
const COUNTS = [1_000, 10_000];
const ONLINE = 10;
const COME_ONLINE_MS = 180_000;

/** The nodes that watch come online, or nothing can be told of them. */
async function comingOnline(server: BenchServer): Promise<Figures> {
  const urls = [...server.ways.values()].at(-1) ?? [];
  const before = await cpuWhenQuiet(server.processes);
  const grown = await server.load.run({ op: "grow", urls, count: ONLINE, limitMs: COME_ONLINE_MS });
  const between = await cpuWhenQuiet(server.processes);
  const maps = await server.load.run({ op: "maps", limitMs: COME_ONLINE_MS });
  const after = await cpuWhenQuiet(server.processes);
  return {
    "register: ms per node": grown.ms / ONLINE,
    "register: CPU ms per node": (between - before) / ONLINE,
    "first maps: ms per node": maps.ms / ONLINE,
    "first maps: CPU ms per node": (after - between) / ONLINE,
    "first maps: bytes per node": maps.bytes / ONLINE,
  };
}

async function tagOfOne(server: BenchServer, _count: number, options: RowOptions): Promise<Figures> {
  return await tagChange(server, ONLINE, options);
}

/** Calls that need nobody online come first: a server that takes too long to let nodes in has those. */
const ROWS: readonly Row[] = [deviceList, deviceGet, tokenForSecret, tokenExchange, comingOnline, tagOfOne];

/** Figures by number of devices. @param headscale its binary; undefined to leave it out */
export async function benchApi(
  loadBinary: string,
  headscale: string | undefined,
  options: RowOptions,
): Promise<ReadonlyMap<number, Measured>> {
  const figures = new Map<number, Measured>();
  for (const count of COUNTS) {
    const servers: BenchServer[] = [];
    try {
      const since = performance.now();
      if (headscale !== undefined) servers.push(await startHeadscaleServer(headscale, loadBinary, count));
      servers.push(await startImportedServer(loadBinary, headscaleRows(count)));
      console.error(`bench: ${count} devices are there after ${((performance.now() - since) / 1_000).toFixed(1)} s`);
      figures.set(count, await measureRows(ROWS, servers, count, options));
    } finally {
      for (const server of servers) await server.stop();
    }
  }
  return figures;
}
