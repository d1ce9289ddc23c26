// Runs suites one after another and says what came of them. The last line is for machines:
// `N passed, N failed, N skipped` over all of them.
import { performance } from "node:perf_hooks";
import type { Suite, SuiteResult } from "./suite.ts";

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
    failed: rows.flatMap(({ name, result }) => result.failed.map((test) => `${name}: ${test}`)),
    skipped: rows.flatMap(({ name, result }) => result.skipped.map((test) => `${name}: ${test}`)),
  };
  console.log("\n── summary ──");
  for (const { name, result, seconds } of rows) {
    console.log(`${name.padEnd(12)} ${`${seconds.toFixed(1)} s`.padStart(9)}  ${counts(result)}`);
  }
  for (const test of total.failed) console.log(`FAILED   ${test}`);
  for (const test of total.skipped) console.log(`SKIPPED  ${test}`);
  console.log(counts(total));
  return total.failed.length === 0 && total.skipped.length === 0;
}

function counts({ passed, failed, skipped }: SuiteResult): string {
  return `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`;
}
