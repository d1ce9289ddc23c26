import { expect, test, vi } from "vitest";
import { runSuites } from "./run-suites.ts";
import { commandSuite, judge, type Suite } from "./suite.ts";

function report(status: string, tests: Record<string, string>) {
  const assertionResults = Object.entries(tests).map(([fullName, result]) => ({ fullName, status: result }));
  return { testResults: [{ name: "a.test.ts", status, assertionResults }] };
}

test("counts what passed, names what failed and what did not run", () => {
  const { passed, failed, skipped } = judge(
    report("failed", { a: "passed", b: "failed", c: "pending", d: "todo" }),
    false,
  );
  expect(passed).toBe(1);
  expect(failed).toEqual([expect.stringMatching(/a\.test\.ts > b$/)]);
  expect(skipped).toHaveLength(2);
});

test("counts a file that could not be loaded as a failure", () => {
  expect(judge(report("failed", {}), false).failed).toHaveLength(1);
});

test("counts errors outside of tests as a failure", () => {
  expect(judge(report("passed", { a: "passed" }), false).failed).toHaveLength(1);
});

test("counts a run without any test as a failure", () => {
  expect(judge({ testResults: [] }, true).failed).toHaveLength(1);
  expect(judge(report("passed", {}), true).failed).toHaveLength(1);
});

test("runs every command, and fails those that do", async () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  const result = await commandSuite("probe", ["true", "false", "nonexistent-command", "true"]).run();
  log.mockRestore();
  expect(result).toEqual({ passed: 2, failed: ["false", "nonexistent-command"], skipped: [] });
});

test.each([
  [{ passed: 2, failed: [], skipped: [] }, true, "3 passed, 0 failed, 0 skipped"],
  [{ passed: 2, failed: ["x"], skipped: [] }, false, "3 passed, 1 failed, 0 skipped"],
  [{ passed: 2, failed: [], skipped: ["y"] }, false, "3 passed, 0 failed, 1 skipped"],
])("closes a run with one line over all suites: %o", async (result, isGood, closing) => {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  const suites: Suite[] = [
    { name: "one", run: () => Promise.resolve({ passed: 1, failed: [], skipped: [] }) },
    { name: "two", run: () => Promise.resolve(result) },
  ];
  const outcome = await runSuites(suites);
  log.mockRestore();
  expect(outcome).toBe(isGood);
  expect(lines.at(-1)).toBe(closing);
});
