// Runs suites one after another and says what came of them. The last line is for machines:
// `N passed, N failed, N skipped` over all of them.
import { performance } from "node:perf_hooks";
import type { Suite, SuiteResult } from "./suite.ts";

/** Failures of which the summary says why, and how many more it names. */
const EXPLAINED_MAX = 10;
const NAMED_MAX = 20;

/** Runs the suites and prints a summary. True when every test ran and passed. */
export async function runSuites(suites: readonly Suite[]): Promise<boolean> {
  const rows: { name: string; result: SuiteResult; seconds: number }[] = [];
  for (const suite of suites) {
    console.log(`\n── ${suite.name} ──`);
    const startedAt = performance.now();
    const result = await suite.run();
    rows.push({ name: suite.name, result, seconds: (performance.now() - startedAt) / 1000 });
  }
  const total: SuiteResult = {
    passed: rows.reduce((sum, { result }) => sum + result.passed, 0),
    failed: rows.flatMap(({ name, result }) =>
      result.failed.map(({ name: test, why }) => ({ name: `${name}: ${test}`, why })),
    ),
    skipped: rows.flatMap(({ name, result }) => result.skipped.map((test) => `${name}: ${test}`)),
  };
  console.log("\n── summary ──");
  for (const { name, result, seconds } of rows) {
    console.log(`${name.padEnd(12)} ${`${seconds.toFixed(1)} s`.padStart(9)}  ${counts(result)}`);
  }
  // Who has the end of this alone, as CI keeps it, has the reasons: so they come last, and no more of all than has room.
  list("SKIPPED ", total.skipped);
  list(
    "FAILED  ",
    total.failed.slice(EXPLAINED_MAX).map(({ name }) => name),
  );
  for (const { name, why } of total.failed.slice(0, EXPLAINED_MAX)) {
    console.log(`FAILED   ${name}`);
    if (why !== "") console.log(why.replaceAll(/^/gm, "         "));
  }
  console.log(counts(total));
  return total.failed.length === 0 && total.skipped.length === 0;
}

function list(word: string, names: readonly string[]): void {
  for (const name of names.slice(0, NAMED_MAX)) console.log(`${word} ${name}`);
  if (names.length > NAMED_MAX) console.log(`${word} … and ${names.length - NAMED_MAX} more`);
}

function counts({ passed, failed, skipped }: SuiteResult): string {
  return `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`;
}
