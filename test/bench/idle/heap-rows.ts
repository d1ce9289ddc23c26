// Heap per node without garbage, of both servers in the same way: one of its own for each, tailnets that grow, three mass
// reconnects at each size. What does not depend on the nodes is in it too: most of all what the engine has compiled, which
// is there after the first handful of nodes; the last figure leaves that out for both.
import { setTimeout as sleep } from "node:timers/promises";
import type { Load } from "../load.ts";
import type { Figures } from "../row.ts";

/** Names of the rows. */
const HEAP = "memory: KB of heap per idle node, without garbage";
const HEAP_MORE = "memory: KB of heap for each node after the first 20";
const HEAP_EVICTED = "memory: KB of heap per idle node, object evicted";

/** Nodes after which nearly all code has run. */
const FIRST_NODES = 20;
const HERDS = 3;
/** What was gathered is told, and what lost connections leave behind is cleared away. */
const SETTLE_MS = 8_000;
const LIMIT_MS = 240_000;

/** A server that nobody else uses, without nodes. */
export interface HeapSubject {
  readonly load: Load;
  readonly urls: readonly string[];
  /** KB in use after a collection. */
  readonly heapKb: () => Promise<number>;
  /** The same without what is built again when somebody asks; absent for servers that hold everything always. */
  readonly evictedHeapKb?: () => Promise<number>;
  readonly stop: () => Promise<void>;
}

/** KB per idle node in tailnets of these sizes, which rise; those that a server does not get to are missing. */
export async function heapRows(
  subject: HeapSubject,
  counts: readonly number[],
  note: (trouble: string) => void,
): Promise<ReadonlyMap<number, Figures>> {
  const rows = new Map<number, Figures>();
  try {
    const emptyKb = await subject.heapKb();
    const firstKb = await heapOf(subject, FIRST_NODES);
    for (const count of counts) {
      const heapKb = await heapOf(subject, count);
      const evictedKb = (await subject.evictedHeapKb?.()) ?? heapKb;
      rows.set(count, {
        [HEAP]: (heapKb - emptyKb) / count,
        [HEAP_MORE]: (heapKb - firstKb) / (count - FIRST_NODES),
        [HEAP_EVICTED]: (evictedKb - emptyKb) / count,
      });
    }
  } catch (error) {
    note(`heap: ${(error as Error).message}`);
  } finally {
    await subject.stop();
  }
  return rows;
}

async function heapOf({ load, urls, heapKb }: HeapSubject, count: number): Promise<number> {
  await load.run({ op: "grow", urls, count, limitMs: LIMIT_MS });
  await load.run({ op: "maps", limitMs: LIMIT_MS });
  for (let herd = 0, failed = 0; herd < HERDS; ) {
    try {
      await load.run({ op: "reconnect", urls, limitMs: LIMIT_MS });
      herd += 1;
    } catch (error) {
      failed += 1; // headscale ends a stream now and then; the next herd opens it again
      if (failed > HERDS) throw error;
    }
  }
  await sleep(SETTLE_MS);
  return await heapKb();
}
