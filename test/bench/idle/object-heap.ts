// What a tailnet's object holds: the heap of its isolate without garbage, memory outside of it that JavaScript owns
// included. That is what Cloudflare counts against an isolate's 128 MB; sockets, HTTP and allocators, which make most
// of a plain workerd's resident memory, are the runtime's there. Measured in a workerd of its own, since only an inspector
// can tell, and once more when the object has been evicted.
import { setTimeout as sleep } from "node:timers/promises";
import type { HeapSubject } from "./heap-rows.ts";
import { type Inspector, startInspected } from "./inspected-worker.ts";

/** Longer than the ten seconds after which a quiet object is evicted. */
const EVICTED_MS = 13_000;

interface HeapUsage {
  readonly usedSize: number;
  readonly embedderHeapUsedSize?: number;
  readonly backingStorageSize?: number;
}

/** A Worker whose heap can be told. */
export async function startObjectHeap(loadBinary: string): Promise<HeapSubject> {
  const { child, load, url, inspector } = await startInspected(loadBinary, { evicts: true });
  await inspector.call("HeapProfiler.enable");
  return {
    load,
    urls: [url.replace("http:", "ws:")],
    heapKb: () => heapKb(inspector, url),
    evictedHeapKb: async () => {
      await sleep(EVICTED_MS);
      return await heapKb(inspector, url);
    },
    stop: async () => {
      await load.stop();
      await child.kill();
    },
  };
}

async function heapKb(inspector: Inspector, url: string): Promise<number> {
  const collected = inspector.call("HeapProfiler.collectGarbage");
  // An isolate with nothing to do gets to it with its next event only: one that no object hears of.
  await (await fetch(`${url}/nowhere`)).text();
  await collected;
  const usage = await inspector.call<HeapUsage>("Runtime.getHeapUsage");
  return (usage.usedSize + (usage.embedderHeapUsedSize ?? 0) + (usage.backingStorageSize ?? 0)) / 1_024;
}
