// `npm run bench`: speed and cost of a tailnet of many nodes on this machine, side by side with a headscale binary when
// one is given. Rows are measured for one server right after the other, so that both meet the same machine.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { runCommand, UsageError } from "../../scripts/command-line.ts";
import { loadBinary } from "../clients/build.ts";
import { benchApi } from "./api/api.bench.ts";
import type { BenchServer } from "./bench-server.ts";
import { startFlarescaleServer } from "./flarescale-server.ts";
import { benchGatewayAgainstGo } from "./gateway.bench.ts";
import { headscaleVersion, startHeadscaleHeap, startHeadscaleServer } from "./headscale-server.ts";
import { heapRows } from "./idle/heap-rows.ts";
import { type Empty, emptyCosts, idle, memory } from "./idle/idle-rows.ts";
import { startObjectHeap } from "./idle/object-heap.ts";
import { benchPolicy } from "./policy/policy.bench.ts";
import { benchRelay } from "./relay/relay.bench.ts";
import { type BenchResult, toJson, toText, writeResult } from "./report.ts";
import type { Figures, RowOptions } from "./row.ts";
import { ROWS } from "./rows.ts";
import { machine } from "./server-cost.ts";
import { type Measured, measureRows, takesPart } from "./side-by-side.ts";

const SETTLE_MS = 5_000;
/** Rows that are measured for all servers at once, after the others. */
const [IDLE, MEMORY] = ["idle", "memory"] as const;
/** Rows that make the nodes that all others measure. */
const NEEDED = ["registering", "firstMaps"] as const;

const HELP = `Measures flarescale as npm start runs it, on loopback, and headscale beside it.

Usage: npm run bench -- [options]

  --headscale BINARY  a headscale binary to measure too; docs/performance.md says how to build one
  --nodes COUNTS      sizes of the tailnet, rising, separated by commas (default 100,300,1000)
  --rows NAMES        these alone, separated by commas: ${rowNames().join(", ")}
                      (registering and firstMaps always are: the others need their nodes)
  --repeats N         how often each event is repeated (default 3)
  --idle-seconds N    length of the idle row (default 94: two keep-alives of ours)
  --no-fleet          leave out the rows with all nodes online
  --no-api            leave out the REST API with 1,000 and 10,000 devices
  --no-relay          leave out the relay against stock derper
  --no-gateway        leave out throughput and memory of the gateway by itself
  --no-policy         leave out the policy engine by itself
  --json              print one line of JSON instead of tables; docs/performance.md describes it
  --write             also write the tables into docs/performance.md
  --help              this text
`;

await runCommand(async () => {
  const { values } = parseArgs({
    allowNegative: true,
    options: {
      headscale: { type: "string" },
      nodes: { type: "string", default: "100,300,1000" },
      rows: { type: "string", default: rowNames().join(",") },
      repeats: { type: "string", default: "3" },
      "idle-seconds": { type: "string", default: "94" },
      fleet: { type: "boolean", default: true },
      api: { type: "boolean", default: true },
      gateway: { type: "boolean", default: true },
      relay: { type: "boolean", default: true },
      policy: { type: "boolean", default: true },
      json: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const options = {
    rows: rowsOf(values.rows),
    repeats: positive("repeats", values.repeats),
    idleMs: positive("idle-seconds", values["idle-seconds"]) * 1_000,
    note: (trouble: string) => console.error(`bench: ${trouble}`),
  };
  const binary = await loadBinary();
  const headscale = values.headscale === undefined ? undefined : resolve(values.headscale);
  const result: BenchResult = {
    machine: machine(),
    versions: {
      ...(headscale !== undefined && { headscale: await headscaleVersion(headscale) }),
      workerd: workerdVersion(),
      node: process.versions.node,
    },
    at: new Date().toISOString(),
    options: { repeats: options.repeats, idleSeconds: options.idleMs / 1_000 },
    figures: values.fleet ? await run(sizes(values.nodes), headscale, binary, options) : undefined,
    api: values.api ? await benchApi(binary, headscale, options) : undefined,
    relay: values.relay ? await benchRelay() : undefined,
    gateway: values.gateway ? await gatewayByItself(binary) : undefined,
    policy: values.policy ? await benchPolicy() : undefined,
  };
  process.stdout.write(`${values.json ? toJson(result) : toText(result)}\n`);
  if (values.write) writeResult(result);
  return 0;
});

async function run(
  counts: readonly number[],
  headscale: string | undefined,
  binary: string,
  options: RowOptions,
): Promise<ReadonlyMap<number, Measured>> {
  const servers: BenchServer[] = [];
  try {
    if (headscale !== undefined) servers.push(await startHeadscaleServer(headscale, binary));
    servers.push(await startFlarescaleServer(binary));
    await settle();
    const empty = options.rows.has(IDLE) ? await emptyCosts(servers, options.idleMs) : new Map<BenchServer, Empty>();
    const figures = new Map<number, Measured>();
    for (const count of counts) figures.set(count, await measure(servers, empty, count, options));
    if (options.rows.has(MEMORY)) await addHeaps(figures, headscale, binary, options);
    return figures;
  } finally {
    for (const server of servers) await server.stop();
  }
}

/** Adds the rows that need servers of their own. */
async function addHeaps(
  figures: ReadonlyMap<number, Measured>,
  headscale: string | undefined,
  binary: string,
  { note }: RowOptions,
): Promise<void> {
  const counts = [...figures.keys()];
  const ours = await heapRows(await startObjectHeap(binary), counts, note);
  for (const [count, { flarescale }] of figures) Object.assign(flarescale, ours.get(count));
  if (headscale === undefined) return;
  const taken = counts.filter((count) => !figures.get(count)?.missed.some((row) => row.startsWith("first maps")));
  const theirs = await heapRows(await startHeadscaleHeap(headscale, binary), taken, note);
  for (const [count, measured] of figures) Object.assign(measured.headscale ?? {}, theirs.get(count));
}

/** Every row, and what the servers hold and use when nothing happens. */
async function measure(
  all: readonly BenchServer[],
  empty: ReadonlyMap<BenchServer, Empty>,
  count: number,
  options: RowOptions,
): Promise<Measured> {
  const rows = ROWS.filter(({ name }) => options.rows.has(name));
  const measured = await measureRows(rows, all, count, options);
  const note = ({ name }: BenchServer, some: Figures | undefined) => Object.assign(measured[name] ?? {}, some);
  await settle();
  const left = all.filter(takesPart);
  if (options.rows.has(IDLE)) {
    for (const [i, some] of (await idle(left, empty, count, options.idleMs)).entries())
      note(left[i] as BenchServer, some);
  }
  if (options.rows.has(MEMORY)) for (const server of left) note(server, memory(server, count));
  return measured;
}

/** Until what happened before has been cleaned up. */
async function settle(): Promise<void> {
  await new Promise((done) => setTimeout(done, SETTLE_MS));
}

async function gatewayByItself(binary: string): Promise<Figures> {
  const { upMBps, upPipeMBps, downMBps, downPipeMBps, baseMB, perBridgeKB } = await benchGatewayAgainstGo(binary);
  return {
    "MB/s from a client": upMBps,
    "MB/s from a client, byte pipe in Go": upPipeMBps,
    "MB/s to a client": downMBps,
    "MB/s to a client, byte pipe in Go": downPipeMBps,
    "KB per idle bridge": perBridgeKB,
    "idle bridges in 256 MB": ((256 - baseMB) * 1_024) / perBridgeKB,
  };
}

function sizes(text: string): number[] {
  const counts = text.split(",").map(Number);
  const isRising = counts.every((count, i) => Number.isInteger(count) && count > (counts[i - 1] ?? 20));
  if (!isRising) throw new UsageError("--nodes wants rising numbers above 20, separated by commas");
  return counts;
}

function rowNames(): string[] {
  return [...ROWS.map((row) => row.name), IDLE, MEMORY];
}

function rowsOf(text: string): ReadonlySet<string> {
  const wanted = text.split(",");
  const unknown = wanted.find((name) => !rowNames().includes(name));
  if (unknown !== undefined) throw new UsageError(`--rows knows no "${unknown}", only ${rowNames().join(", ")}`);
  return new Set([...NEEDED, ...wanted]);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isInteger(value)) throw new UsageError(`--${name} wants a number above 0, not "${text}"`);
  return value;
}

function workerdVersion(): string {
  const modules = join(import.meta.dirname, "../../node_modules");
  const manifest = readFileSync(join(modules, "workerd", "package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
