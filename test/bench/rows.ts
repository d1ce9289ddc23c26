// What is measured, row by row: wall time until the load has seen the effect, CPU time of the server's processes until
// they are quiet again, and bytes that the nodes received. Less is better in every row.
import { deviceGet, deviceList, firstTags, tokenExchange, tokenForSecret } from "./api/api-rows.ts";
import type { BenchServer } from "./bench-server.ts";
import type { LoadCommand, LoadResult } from "./load.ts";
import { type Figures, medianOf, type Row, type RowOptions } from "./row.ts";
import { cpuWhenQuiet } from "./server-cost.ts";

/** Rows that are measured for one server after the other. */
export const ROWS: readonly Row[] = [
  registering,
  firstMaps,
  joining,
  endpointChange,
  policyChange,
  deviceList,
  deviceGet,
  tokenForSecret,
  tokenExchange,
  firstTags,
  reconnecting,
];

/** How long all nodes together may take to come, and to come back. */
const FLEET_LIMIT_MS = 240_000;
/** The mass reconnect is not repeated for longer. */
const HERDS_MS = 60_000;
/** A server that did not tell everybody so often in a row is not asked again. */
const UNTOLD_MAX = 2;

async function registering(server: BenchServer, count: number): Promise<Figures> {
  const urls = usualWay(server);
  const grown = await timed(server, { op: "grow", urls, count, limitMs: FLEET_LIMIT_MS });
  const fresh = count - fleetSize(server);
  sizes.set(server, count);
  return {
    "register: ms per node": grown.ms / fresh,
    "register: CPU ms per node": grown.cpu / fresh,
    "register: bytes per node": grown.bytes / fresh,
    "register: messages per node": grown.messages / fresh,
  };
}

const sizes = new WeakMap<BenchServer, number>();

function fleetSize(server: BenchServer): number {
  return sizes.get(server) ?? 0;
}

/** Streams open one after the other, as each one's coming online is told to those before it. */
async function firstMaps(server: BenchServer, count: number): Promise<Figures> {
  const maps = await timed(server, { op: "maps", limitMs: FLEET_LIMIT_MS });
  return {
    "first maps of all new nodes: ms": maps.ms,
    "first maps of all new nodes: CPU ms": maps.cpu,
    "first maps of all new nodes: bytes per node": maps.bytes / count,
    "first maps of all new nodes: messages": maps.messages,
  };
}

async function joining(server: BenchServer, count: number, { repeats, note }: RowOptions): Promise<Figures> {
  const joins = await attempts(repeats, note, async (n) => {
    const joined = await timed(server, { op: "join", hostname: `newcomer-${n}-${Date.now()}` });
    await server.load.run({ op: "leave" });
    await server.load.run({ op: "request", request: server.deleteDevice(joined.nodeId) });
    await cpuWhenQuiet(server.processes);
    return joined;
  });
  return {
    "join: ms until the newcomer has its map": median(joins, "ownMs"),
    "join: ms until the median peer knows": median(joins, "medianMs"),
    "join: ms until the last peer knows": median(joins, "lastMs"),
    "join: CPU ms": mean(joins, "cpu"),
    "join: bytes per node": median(joins, "bytes") / count,
  };
}

async function endpointChange(server: BenchServer, count: number, { repeats, note }: RowOptions): Promise<Figures> {
  const changes = await attempts(repeats * 2, note, async (n) => {
    const endpoint = `192.0.2.${n}:${1_024 + (Date.now() % 60_000)}`;
    return await timed(server, { op: "endpoint", member: n, endpoint });
  });
  return {
    "endpoint change: ms until the median peer has it": median(changes, "medianMs"),
    "endpoint change: ms until the last peer has it": median(changes, "lastMs"),
    "endpoint change: CPU ms": mean(changes, "cpu"),
    "endpoint change: bytes per node": median(changes, "bytes") / count,
  };
}

async function policyChange(server: BenchServer, count: number, { repeats, note }: RowOptions): Promise<Figures> {
  const changes = await attempts(repeats, note, async () => {
    policies += 1;
    const lastPort = 50_000 + policies;
    const request = server.setPolicy(lastPort);
    return await timed(server, { op: "request", request, marker: `"Last":${lastPort}` });
  });
  return {
    "policy change: ms until the last node has it": median(changes, "lastMs"),
    "policy change: CPU ms": mean(changes, "cpu"),
    "policy change: bytes per node": median(changes, "bytes") / count,
  };
}

/** Each policy differs from all before it. */
let policies = 0;

/** All nodes lose their connections and come back; each must see all the others in its first map. */
async function reconnecting(server: BenchServer, count: number, { repeats }: RowOptions): Promise<Figures> {
  const figures: Figures = {};
  for (const [way, urls] of server.ways) {
    const herds: Timed[] = [];
    const since = performance.now();
    while (herds.length < repeats && performance.now() - since < HERDS_MS) {
      herds.push(await timed(server, { op: "reconnect", urls, limitMs: FLEET_LIMIT_MS }));
    }
    figures[`mass reconnect ${way}: ms until all have their maps`] = median(herds, "ms");
    figures[`mass reconnect ${way}: CPU ms`] = mean(herds, "cpu");
    figures[`mass reconnect ${way}: bytes per node`] = median(herds, "bytes") / count;
  }
  return figures;
}

function usualWay(server: BenchServer): readonly string[] {
  return [...server.ways.values()].at(-1) ?? [];
}

interface Timed extends LoadResult {
  readonly cpu: number;
}

async function timed({ load, processes }: BenchServer, command: LoadCommand): Promise<Timed> {
  const before = await cpuWhenQuiet(processes);
  const result = await load.run(command);
  return { ...result, cpu: (await cpuWhenQuiet(processes)) - before };
}

/** Results of an event; one of which some node was never told is noted, and left out of the medians. */
async function attempts(
  times: number,
  note: RowOptions["note"],
  event: (n: number) => Promise<Timed>,
): Promise<Timed[]> {
  const results: Timed[] = [];
  let untold = 0;
  for (let n = 1; n <= times && untold < UNTOLD_MAX; n++) {
    try {
      results.push(await event(n));
      untold = 0;
    } catch (error) {
      note((error as Error).message);
      untold += 1;
    }
  }
  return results;
}

function median(results: readonly Timed[], field: keyof Timed): number {
  return medianOf(results.map((result) => result[field]));
}

function mean(results: readonly Timed[], field: keyof Timed): number {
  return results.reduce((sum, result) => sum + result[field], 0) / results.length;
}
