// What is measured, row by row: wall time until the load has seen the effect, CPU time of the server's processes until
// they are quiet again, and bytes that the nodes received. Less is better in every row.
import { setTimeout as sleep } from "node:timers/promises";
import { apiCalls } from "./api-rows.ts";
import type { BenchServer } from "./bench-server.ts";
import type { LoadCommand, LoadResult } from "./load.ts";
import type { Figures, Row, RowOptions } from "./row.ts";
import { cpuMs, cpuWhenQuiet, residentKb } from "./server-cost.ts";

/** Rows that are measured for one server after the other. */
export const ROWS: readonly Row[] = [
  registering,
  firstMaps,
  joining,
  endpointChange,
  policyChange,
  deviceList,
  apiCalls,
  reconnecting,
];

async function registering(server: BenchServer, count: number): Promise<Figures> {
  const urls = usualWay(server);
  const grown = await timed(server, { op: "grow", urls, count });
  const fresh = count - fleetSize(server);
  sizes.set(server, count);
  return {
    "register: ms per node": grown.ms / fresh,
    "register: CPU ms per node": grown.cpu / fresh,
    "register: bytes per node": grown.bytes / fresh,
  };
}

const sizes = new WeakMap<BenchServer, number>();

function fleetSize(server: BenchServer): number {
  return sizes.get(server) ?? 0;
}

/** Streams open one after the other, as each one's coming online is told to those before it. */
async function firstMaps(server: BenchServer, count: number): Promise<Figures> {
  const maps = await timed(server, { op: "maps" });
  return {
    "first maps of all new nodes: ms": maps.ms,
    "first maps of all new nodes: CPU ms": maps.cpu,
    "first maps of all new nodes: bytes per node": maps.bytes / count,
  };
}

/** Memory per node that has its map and nothing to do. */
export async function memory({ processes, emptyKb }: BenchServer, count: number): Promise<Figures> {
  const server = residentKb(processes.server);
  const gateways = residentKb(processes.gateways);
  const perNode = (server - emptyKb.server) / count;
  return {
    "memory: MB of the server": server / 1_024,
    "memory: KB per idle node, server alone": perNode,
    "memory: KB per idle node, with its gateway": perNode + (gateways - emptyKb.gateways) / count,
  };
}

async function joining(server: BenchServer, count: number, { repeats }: RowOptions): Promise<Figures> {
  const joins: Timed[] = [];
  for (let n = 1; n <= repeats; n++) {
    const joined = await attempt(server, { op: "join", hostname: `newcomer-${n}-${Date.now()}` });
    await server.load.run({ op: "leave" });
    if (joined === undefined) continue;
    joins.push(joined);
    await server.load.run({ op: "request", request: server.deleteDevice(joined.nodeId) });
    await cpuWhenQuiet(server.processes);
  }
  return {
    "join: ms until the newcomer has its map": median(joins, "ownMs"),
    "join: ms until the median peer knows": median(joins, "medianMs"),
    "join: ms until the last peer knows": median(joins, "lastMs"),
    "join: CPU ms": mean(joins, "cpu"),
    "join: bytes per node": median(joins, "bytes") / count,
  };
}

async function endpointChange(server: BenchServer, count: number, { repeats }: RowOptions): Promise<Figures> {
  const changes: Timed[] = [];
  for (let n = 1; n <= repeats * 2; n++) {
    const endpoint = `192.0.2.${n}:${1_024 + (Date.now() % 60_000)}`;
    const change = await attempt(server, { op: "endpoint", member: n, endpoint });
    if (change !== undefined) changes.push(change);
  }
  return {
    "endpoint change: ms until the median peer has it": median(changes, "medianMs"),
    "endpoint change: ms until the last peer has it": median(changes, "lastMs"),
    "endpoint change: CPU ms": mean(changes, "cpu"),
    "endpoint change: bytes per node": median(changes, "bytes") / count,
  };
}

async function policyChange(server: BenchServer, count: number, { repeats }: RowOptions): Promise<Figures> {
  const changes: Timed[] = [];
  for (let n = 1; n <= repeats; n++) {
    policies += 1;
    const lastPort = 50_000 + policies;
    const request = server.setPolicy(lastPort);
    const change = await attempt(server, { op: "request", request, marker: `"Last":${lastPort}` });
    if (change !== undefined) changes.push(change);
  }
  return {
    "policy change: ms until the last node has it": median(changes, "lastMs"),
    "policy change: CPU ms": mean(changes, "cpu"),
    "policy change: bytes per node": median(changes, "bytes") / count,
  };
}

/** Each policy differs from all before it. */
let policies = 0;

async function deviceList(server: BenchServer, _count: number, { repeats }: RowOptions): Promise<Figures> {
  const { processes, load } = server;
  const lists: LoadResult[] = [];
  const before = await cpuWhenQuiet(processes);
  for (let n = 0; n < repeats * 4; n++) lists.push(await load.run({ op: "request", request: server.listDevices() }));
  const cpu = (await cpuWhenQuiet(processes)) - before;
  return { "device list: ms": medianOf(lists.map(({ ms }) => ms)), "device list: CPU ms": cpu / lists.length };
}

/** All nodes lose their connections and come back; each must see all the others in its first map. */
async function reconnecting(server: BenchServer, count: number, { repeats }: RowOptions): Promise<Figures> {
  const figures: Figures = {};
  for (const [way, urls] of server.ways) {
    const herds: Timed[] = [];
    for (let n = 0; n < repeats; n++) herds.push(await timed(server, { op: "reconnect", urls }));
    figures[`mass reconnect ${way}: ms until all have their maps`] = median(herds, "ms");
    figures[`mass reconnect ${way}: CPU ms`] = mean(herds, "cpu");
    figures[`mass reconnect ${way}: bytes per node`] = median(herds, "bytes") / count;
  }
  return figures;
}

/** Nobody does anything; all servers at once, since each has processes of its own. */
export async function idle(servers: readonly BenchServer[], { idleMs }: RowOptions): Promise<Figures[]> {
  const before = servers.map(({ processes }) => cpuMs([...processes.server, ...processes.gateways]));
  await sleep(idleMs);
  return servers.map(({ processes }, i) => {
    const used = cpuMs([...processes.server, ...processes.gateways]) - (before[i] ?? 0);
    return { "idle: CPU ms per minute": (used * 60_000) / idleMs };
  });
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

/** The same; undefined, with a note, when some node was never told. */
async function attempt(server: BenchServer, command: LoadCommand): Promise<Timed | undefined> {
  try {
    return await timed(server, command);
  } catch (error) {
    console.error(`bench: ${server.name}: ${(error as Error).message}; left out of the medians`);
    return undefined;
  }
}

function median(results: readonly Timed[], field: keyof Timed): number {
  return medianOf(results.map((result) => result[field]));
}

function mean(results: readonly Timed[], field: keyof Timed): number {
  return results.reduce((sum, result) => sum + result[field], 0) / results.length;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
