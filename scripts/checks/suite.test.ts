import { expect, test, vi } from "vitest";
import type { ReportedTest } from "./run-reporter.ts";
import { runSuites } from "./run-suites.ts";
import { commandSuite, judge, type Suite, type SuiteResult } from "./suite.ts";

const passes: ReportedTest = { name: "a.test.ts > a", state: "passed", why: "" };
const fails: ReportedTest = { name: "a.test.ts > b", state: "failed", why: "expected 97 to be greater than 100" };

test("counts what passed, says what failed and why, and names what did not run", () => {
  const { passed, failed, skipped } = judge([passes, fails, { ...passes, name: "c", state: "skipped" }], false);
  expect(passed).toBe(1);
  expect(failed).toMatchObject([{ name: "a.test.ts > b", why: "expected 97 to be greater than 100" }]);
  expect(skipped).toEqual(["c"]);
});

test("counts a run that ended badly, and one without any test, as a failure", () => {
  for (const [report, exitedWell] of [
    [[passes], false],
    [[], true],
    [[{ ...passes, state: "skipped" }], true],
  ] as const) {
    expect(judge(report, exitedWell).failed).toHaveLength(1);
  }
});

test("runs every command, and fails those that do", async () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  const result = await commandSuite("probe", ["true", "false", "nonexistent-command", "true"]).run();
  log.mockRestore();
  expect(result).toEqual({
    passed: 2,
    failed: [
      { name: "false", why: "" },
      { name: "nonexistent-command", why: "spawn nonexistent-command ENOENT" },
    ],
    skipped: [],
  });
});

test.each([
  [{ passed: 2, failed: [], skipped: [] }, true, "3 passed, 0 failed, 0 skipped"],
  [{ passed: 2, failed: [{ name: "x", why: "" }], skipped: [] }, false, "3 passed, 1 failed, 0 skipped"],
  [{ passed: 2, failed: [], skipped: ["y"] }, false, "3 passed, 0 failed, 1 skipped"],
])("closes a run with one line over all suites: %o", async (result, wanted, closing) => {
  const { isGood, lines } = await summaryOf(result);
  expect(isGood).toBe(wanted);
  expect(lines.at(-1)).toBe(closing);
});

/** What a run prints that consists of one test that passes and of a suite with this result. */
async function summaryOf(result: SuiteResult): Promise<{ isGood: boolean; lines: string[] }> {
  const printed: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void printed.push(line));
  const suites: Suite[] = [
    { name: "one", run: () => Promise.resolve({ passed: 1, failed: [], skipped: [] }) },
    { name: "two", run: () => Promise.resolve(result) },
  ];
  const isGood = await runSuites(suites);
  log.mockRestore();
  return { isGood, lines: printed.join("\n").split("\n") };
}

test("says at the end why tests failed, of however many, and names others before", async () => {
  const failed = Array.from({ length: 40 }, (_, i) => ({ name: `test ${i}`, why: `expected ${i}\nto be more` }));
  const skipped = Array.from({ length: 100 }, (_, i) => `left out ${i}`);
  const { lines } = await summaryOf({ passed: 2, failed, skipped });
  expect(lines.slice(-31, -1)).toEqual(
    failed
      .slice(0, 10)
      .flatMap(({ name }, i) => [`FAILED   two: ${name}`, `         expected ${i}`, "         to be more"]),
  );
  expect(lines.filter((line) => line.startsWith("FAILED   two: "))).toHaveLength(30);
  expect(lines).toContain("FAILED   … and 10 more");
  expect(lines).toContain("SKIPPED  … and 80 more");
});
