// Where the Worker's CPU time and memory go, event by event: workerd with its inspector open on loopback, the bench's load
// without a gateway, and for each event the functions that took most time, and allocated most, by themselves; at the
// end, what is in use when all garbage is gone.
//
//   node test/bench/profile.ts [nodes] [folder for .cpuprofile and .heapprofile files]
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { loadBinary } from "../clients/build.ts";
import { startInspected } from "./idle/inspected-worker.ts";
import type { LoadCommand } from "./load.ts";
import { cpuMs, residentKb } from "./server-cost.ts";

const SHOWN = 28;
const SHOWN_ALLOCATIONS = 12;

/** As the inspector gives it. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Sampled allocations, as the inspector gives them. */
interface Allocations {
  readonly callFrame: { readonly functionName: string; readonly lineNumber: number };
  readonly selfSize: number;
  readonly children: readonly Allocations[];
}

/** Every object counts, also those that were collected before the end. */
const SAMPLING = {
  samplingInterval: 16_384,
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
};

function report(name: string, profile: Profile, cpu: number, wall: number): void {
  const self = new Map<number, number>();
  for (const [i, id] of profile.samples.entries()) self.set(id, (self.get(id) ?? 0) + (profile.timeDeltas[i] ?? 0));
  const byName = new Map<string, number>();
  for (const { id, callFrame } of profile.nodes) add(byName, callFrame, (self.get(id) ?? 0) / 1_000);
  console.log(`\n## ${name}: ${wall.toFixed(0)} ms, CPU ${cpu} ms`);
  for (const [key, ms] of [...byName].toSorted((a, b) => b[1] - a[1]).slice(0, SHOWN))
    if (ms >= 0.5 && !key.startsWith("(idle)")) console.log(`${ms.toFixed(1).padStart(9)} ms  ${key}`);
}

function add(sums: Map<string, number>, { functionName, lineNumber }: Allocations["callFrame"], value: number): void {
  const key = `${functionName || "(anonymous)"}:${lineNumber}`;
  sums.set(key, (sums.get(key) ?? 0) + value);
}

function reportAllocations(head: Allocations): void {
  const sums = new Map<string, number>();
  const visit = ({ callFrame, selfSize, children }: Allocations) => {
    add(sums, callFrame, selfSize / 1e6);
    for (const child of children) visit(child);
  };
  visit(head);
  const total = [...sums.values()].reduce((sum, size) => sum + size, 0);
  console.log(`   allocated in JavaScript: ${total.toFixed(1)} MB`);
  for (const [key, size] of [...sums].toSorted((a, b) => b[1] - a[1]).slice(0, SHOWN_ALLOCATIONS))
    console.log(`${size.toFixed(2).padStart(9)} MB  ${key}`);
}

const [count = "300", outFolder] = process.argv.slice(2);
const { child, load, url, token, inspector } = await startInspected(await loadBinary());
const profiled = async (name: string, ...commands: LoadCommand[]) => {
  await sleep(300);
  await inspector.call("HeapProfiler.startSampling", SAMPLING);
  await inspector.call("Profiler.start");
  const before = cpuMs([child.pid]);
  const since = performance.now();
  for (const command of commands) await load.run(command);
  const wall = performance.now() - since;
  await sleep(300);
  const cpu = cpuMs([child.pid]) - before;
  const { profile } = await inspector.call<{ profile: Profile }>("Profiler.stop");
  const { profile: heap } = await inspector.call<{ profile: { head: Allocations } }>("HeapProfiler.stopSampling");
  report(name, profile, cpu, wall);
  reportAllocations(heap.head);
  if (outFolder === undefined) return;
  writeFileSync(join(outFolder, `${name}.cpuprofile`), JSON.stringify(profile));
  writeFileSync(join(outFolder, `${name}.heapprofile`), JSON.stringify(heap));
};
await inspector.call("HeapProfiler.enable");
await inspector.call("Profiler.enable");
await inspector.call("Profiler.setSamplingInterval", { interval: 200 });
const urls = [url.replace("http:", "ws:")];
const policy = (last: number) => JSON.stringify({ grants: [{ src: ["*"], dst: ["*"], ip: [`tcp:1-${last}`] }] });
const header = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
const setPolicy = (last: number): LoadCommand => ({
  op: "request",
  request: { method: "POST", url: `${url}/api/v2/tailnet/-/acl`, header, body: policy(last) },
  marker: `"Last":${last}`,
});
await profiled("register", { op: "grow", count: Number(count), urls });
await profiled("first maps", { op: "maps" });
await profiled("join", { op: "join", hostname: "newcomer" });
await profiled(
  "endpoint changes (20)",
  ...Array.from({ length: 20 }, (_, i): LoadCommand => ({ op: "endpoint", member: i, endpoint: `192.0.2.${i}:9999` })),
);
await profiled("policy changes (3)", setPolicy(50_001), setPolicy(50_002), setPolicy(50_003));
await profiled("mass reconnect", { op: "reconnect" });
await profiled("mass reconnect again", { op: "reconnect" });
const heapUsage = async () => {
  const { usedSize, totalSize } = await inspector.call<{ usedSize: number; totalSize: number }>("Runtime.getHeapUsage");
  return `JavaScript ${(usedSize / 1e6).toFixed(1)} of ${(totalSize / 1e6).toFixed(1)} MB, process ${residentMb()} MB`;
};
const residentMb = () => (residentKb([child.pid]) / 1_024).toFixed(0);
console.log(`\n## memory of ${count} idle nodes\nas it is: ${await heapUsage()}`);
await inspector.call("HeapProfiler.collectGarbage");
console.log(`without garbage: ${await heapUsage()}`);
await load.stop();
await child.kill();
process.exit(0);
