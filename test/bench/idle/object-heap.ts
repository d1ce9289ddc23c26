// What a tailnet's object holds for a node: the heap of its isolate without garbage, memory outside of it that JavaScript
// owns included. That is what Cloudflare counts against an isolate's 128 MB; sockets, HTTP and allocators, which make most
// of a plain workerd's resident memory, are the runtime's there. Measured in a workerd of its own, since only an inspector
// can tell, and once more when the object has been evicted.
import { setTimeout as sleep } from "node:timers/promises";
import type { Figures } from "../row.ts";
import { HEAP, HEAP_EVICTED } from "./idle-rows.ts";
import { type Inspector, startInspected } from "./inspected-worker.ts";

/** Longer than the ten seconds after which a quiet object is evicted. */
const EVICTED_MS = 13_000;

interface HeapUsage {
  readonly usedSize: number;
  readonly embedderHeapUsedSize?: number;
  readonly backingStorageSize?: number;
}

/** KB per idle node in tailnets of these sizes, which rise. */
export async function objectHeaps(
  loadBinary: string,
  counts: readonly number[],
): Promise<ReadonlyMap<number, Figures>> {
  const { child, load, url, inspector } = await startInspected(loadBinary, { evicts: true });
  try {
    await inspector.call("HeapProfiler.enable");
    const empty = await heapKb(inspector, url);
    const heaps = new Map<number, Figures>();
    for (const count of counts) {
      await load.run({ op: "grow", urls: [url.replace("http:", "ws:")], count });
      await load.run({ op: "maps" });
      await sleep(1_000); // what was gathered is told
      const awake = await heapKb(inspector, url);
      await sleep(EVICTED_MS);
      const evicted = await heapKb(inspector, url);
      heaps.set(count, { [HEAP]: (awake - empty) / count, [HEAP_EVICTED]: (evicted - empty) / count });
    }
    return heaps;
  } finally {
    await load.stop();
    await child.kill();
  }
}

async function heapKb(inspector: Inspector, url: string): Promise<number> {
  const collected = inspector.call("HeapProfiler.collectGarbage");
  // An isolate with nothing to do gets to it with its next event only: one that no object hears of.
  await (await fetch(`${url}/nowhere`)).text();
  await collected;
  const usage = await inspector.call<HeapUsage>("Runtime.getHeapUsage");
  return (usage.usedSize + (usage.embedderHeapUsedSize ?? 0) + (usage.backingStorageSize ?? 0)) / 1_024;
}
