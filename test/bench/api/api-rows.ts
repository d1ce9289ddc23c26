// Rows of the REST API: what one call costs, and how soon the nodes that are online see what it changes. Calls that a
// server does not have are left out of its column.
import type { BenchServer } from "../bench-server.ts";
import type { ApiRequest, LoadResult } from "../load.ts";
import { type Figures, medianOf, type RowOptions } from "../row.ts";
import { cpuWhenQuiet } from "../server-cost.ts";
import { TAGS } from "./devices.ts";

/** Calls of one kind are repeated this often for each repeat that is asked for: they take little. */
const LISTS_PER_REPEAT = 4;
const CALLS_PER_REPEAT = 20;
const TAGS_PER_REPEAT = 2;
/** No more calls of one kind are made once they have taken this long: a slow server is measured less often. */
const BUDGET_MS = 20_000;
const TAG_LIMIT_MS = 60_000;

/** All devices. */
export async function deviceList(server: BenchServer, _count: number, options: RowOptions): Promise<Figures> {
  return await repeated(server, "device list", server.listDevices(), options.repeats * LISTS_PER_REPEAT);
}

/** A device read. */
export async function deviceGet(server: BenchServer, _count: number, options: RowOptions): Promise<Figures> {
  return await repeated(server, "device get", server.getDevice(1), options.repeats * CALLS_PER_REPEAT);
}

/** A token for a client's secret. */
export async function tokenForSecret(server: BenchServer, _count: number, options: RowOptions): Promise<Figures> {
  return await repeated(server, "token for a secret", server.requestToken(), options.repeats * CALLS_PER_REPEAT);
}

/** A token for a token of another issuer. */
export async function tokenExchange(server: BenchServer, _count: number, options: RowOptions): Promise<Figures> {
  const request = await server.exchangeToken?.();
  if (request === undefined) return {};
  return await repeated(server, "token exchange", request, options.repeats * CALLS_PER_REPEAT);
}

async function repeated(server: BenchServer, name: string, request: ApiRequest, times: number): Promise<Figures> {
  const results: LoadResult[] = [];
  const before = await cpuWhenQuiet(server.processes);
  const isOver = atLatest();
  while (results.length < times && !isOver()) results.push(await server.load.run({ op: "request", request }));
  const cpu = (await cpuWhenQuiet(server.processes)) - before;
  return { [`${name}: ms`]: medianOf(results.map(({ ms }) => ms)), [`${name}: CPU ms`]: cpu / results.length };
}

/** A policy with the tags, and the tags. */
export async function firstTags(server: BenchServer, count: number, options: RowOptions): Promise<Figures> {
  await server.load.run({ op: "request", request: server.defineTags(TAGS) });
  return await tagChange(server, count, options);
}

/** A tag that every node sees on a peer; the policy has it. */
export async function tagChange(server: BenchServer, count: number, { repeats }: RowOptions): Promise<Figures> {
  const results: LoadResult[] = [];
  const before = await cpuWhenQuiet(server.processes);
  const isOver = atLatest();
  while (results.length < repeats * TAGS_PER_REPEAT && !isOver()) {
    const tag = TAGS[results.length % TAGS.length] ?? "";
    const request = server.setTags(2, [tag]);
    results.push(await server.load.run({ op: "request", request, marker: tag, limitMs: TAG_LIMIT_MS }));
    await cpuWhenQuiet(server.processes);
  }
  const cpu = (await cpuWhenQuiet(server.processes)) - before;
  return {
    "tag change: ms until the last node has it": medianOf(results.map(({ lastMs }) => lastMs)),
    "tag change: CPU ms": cpu / results.length,
    "tag change: bytes per node": medianOf(results.map(({ bytes }) => bytes)) / count,
  };
}

function atLatest(): () => boolean {
  const since = performance.now();
  return () => performance.now() - since > BUDGET_MS;
}
