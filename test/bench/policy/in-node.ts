// The workload in Node: prints the figures for so many nodes as JSON. Run by policy.bench.ts with --expose-gc.
import { preciseCpuMs } from "../../../scripts/processor-time.ts";
import { measureWork } from "./measure.ts";
import { Workload } from "./workload.ts";

function heapMB(): number {
  if (globalThis.gc === undefined) throw new Error("Node was started without --expose-gc");
  globalThis.gc();
  return process.memoryUsage().heapUsed / 1e6;
}

const emptyMB = heapMB();
const workload = new Workload(Number(process.argv[2]));
const figures = await measureWork(async (work, times) => {
  const before = preciseCpuMs(process.pid);
  workload.repeat(work, times);
  return await Promise.resolve(preciseCpuMs(process.pid) - before);
});
workload.repeat("views", 1);
console.log(JSON.stringify({ ...figures, "memory with all views: MB": heapMB() - emptyMB }));
process.exit(workload.repeat("views", 1) > 0 ? 0 : 1); // and the workload was there until now
