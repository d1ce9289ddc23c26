// Which work is measured how often. Every round does all of it; the cheapest of the rounds counts, since other work of the
// machine can only make one dearer.
import type { Figures } from "../row.ts";
import type { Work } from "./workload.ts";

const ROUNDS = 4;

/** Does work so many times. @returns milliseconds of CPU, all threads together */
export type Ask = (work: Work, times: number) => Promise<number>;

/** What is measured, in this order: views are those of an engine that was just made. */
const MEASURED: readonly {
  readonly work: Work;
  readonly times: number;
  readonly row: string;
  readonly unit: number;
}[] = [
  { work: "parse", times: 5, row: "parse the file: ms", unit: 1 },
  { work: "compile", times: 2, row: "parse and compile: ms", unit: 1 },
  { work: "views", times: 1, row: "all views of all nodes: ms", unit: 1 },
  { work: "endpoint", times: 50_000, row: "one node's endpoint: µs", unit: 1_000 },
  { work: "tag", times: 400, row: "one node's tag: µs", unit: 1_000 },
  { work: "user", times: 100, row: "one user suspended or restored: µs", unit: 1_000 },
  { work: "rule", times: 5, row: "one rule, with parsing: ms", unit: 1 },
];

/** Measures all work. */
export async function measureWork(ask: Ask): Promise<Figures> {
  const best = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const { work, times, row, unit } of MEASURED) {
      const each = ((await ask(work, times)) / times) * unit;
      best.set(row, Math.min(best.get(row) ?? Number.POSITIVE_INFINITY, each));
    }
  }
  return Object.fromEntries(best);
}
