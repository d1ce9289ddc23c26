// Rows of the REST API: what one call costs while the fleet is connected, and how soon nodes see what it changes. Calls
// that a server does not have are left out of its column.
import type { BenchServer } from "./bench-server.ts";
import type { ApiRequest, LoadResult } from "./load.ts";
import type { Figures, RowOptions } from "./row.ts";
import { cpuWhenQuiet } from "./server-cost.ts";

/** Calls of one kind are repeated this often for each repeat that is asked for: they take little. */
const CALLS_PER_REPEAT = 20;

/** A device read, a token for a client's secret, and a tag that every node sees. */
export async function apiCalls(server: BenchServer, _count: number, options: RowOptions): Promise<Figures> {
  const token = server.requestToken();
  return {
    ...(await repeated(server, "device get", server.getDevice(1), options)),
    ...(token === undefined ? {} : await repeated(server, "token for a secret", token, options)),
    ...(await tagChange(server, options)),
  };
}

async function repeated(
  server: BenchServer,
  name: string,
  request: ApiRequest,
  { repeats }: RowOptions,
): Promise<Figures> {
  const results: LoadResult[] = [];
  const before = await cpuWhenQuiet(server.processes);
  for (let n = 0; n < repeats * CALLS_PER_REPEAT; n++) results.push(await server.load.run({ op: "request", request }));
  const cpu = (await cpuWhenQuiet(server.processes)) - before;
  return { [`${name}: ms`]: medianOf(results.map(({ ms }) => ms)), [`${name}: CPU ms`]: cpu / results.length };
}

async function tagChange(server: BenchServer, { repeats }: RowOptions): Promise<Figures> {
  const last: number[] = [];
  await server.load.run({ op: "request", request: server.defineTags(TAGS) });
  const before = await cpuWhenQuiet(server.processes);
  for (let n = 0; n < repeats * 2; n++) {
    const tag = TAGS[n % TAGS.length] ?? "";
    const request = server.setTags(2, [tag]);
    last.push((await server.load.run({ op: "request", request, marker: tag })).lastMs);
    await cpuWhenQuiet(server.processes);
  }
  const cpu = (await cpuWhenQuiet(server.processes)) - before;
  return { "tag change: ms until the last node has it": medianOf(last), "tag change: CPU ms": cpu / last.length };
}

const TAGS = ["tag:bench-even", "tag:bench-odd"];

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
