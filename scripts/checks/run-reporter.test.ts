// The reporter in a run of vitest of its own, over tests that fail in every way there is.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../worker/wrangler-settings.ts";
import { execute } from "./execute.ts";
import { REPORT_VARIABLE, type ReportedTest } from "./run-reporter.ts";

const FAILING = `
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
it("passes", () => {});
it("has a floor", () => expect(97, "streams compared").toBeGreaterThan(100));
it("holds always", () => fc.assert(fc.property(fc.nat(), fc.constant("x".repeat(5_000)), (n) => expect(n).toBeLessThan(0))));
it("differs", () => expect({ a: 1 }).toEqual({ a: 2 }));
it("is slow", { timeout: 10 }, () => new Promise(() => {}));
it("is left out", { skip: true }, () => {});
it("leaves a promise", () => void Promise.reject(new Error("nobody awaits this")));
describe("a group", () => {
  beforeAll(() => { throw new Error("the hook broke"); });
  it("does not run", () => {});
});
`;

let folder: string;
let reported: ReportedTest[];

beforeAll(async () => {
  const results = path.join(ROOT, "test-results"); // packages are found from there, and nothing in it is a test of ours
  mkdirSync(results, { recursive: true });
  folder = mkdtempSync(path.join(results, "reporter-"));
  writeFileSync(path.join(folder, "failing.test.ts"), FAILING);
  writeFileSync(path.join(folder, "broken.test.ts"), 'throw new Error("cannot be loaded");');
  const report = path.join(folder, "report.json");
  await execute({
    command: "vitest",
    args: ["run", `--root=${folder}`, `--reporter=${path.join(import.meta.dirname, "run-reporter.ts")}`],
    env: { [REPORT_VARIABLE]: report },
    timeLimitMinutes: 1,
    show: false,
  });
  reported = JSON.parse(readFileSync(report, "utf8")) as ReportedTest[];
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true }));

const outcome = (end: string) => reported.find(({ name }) => name.endsWith(end));

test("tells what came of each test", () => {
  expect(outcome("> passes")).toMatchObject({ state: "passed", why: "" });
  for (const end of ["> is left out", "> a group > does not run"]) expect(outcome(end)?.state).toBe("skipped");
});

test.each([
  ["> has a floor", /^AssertionError: streams compared: expected 97 to be greater than 100\nat .*failing\.test\.ts:5$/],
  ["> differs", /^AssertionError: expected .*\n- Expected\n[\s\S]*\n- +"a": 2,\n\+ +"a": 1,\n/],
  ["> is slow", /timed out in 10ms/],
  ["> a group", /the hook broke/],
  ["broken.test.ts", /^Error: cannot be loaded/],
  ["outside of any test", /^Error: nobody awaits this/],
])("says why: %s", (end, why) => {
  expect(outcome(end)).toMatchObject({ state: "failed", why: expect.stringMatching(why) });
});

test("tells fast-check's seed, its counterexample, cut, and what failed with it", () => {
  const why = outcome("> holds always")?.why ?? "";
  expect(why).toMatch(/^Error: Property failed after 1 tests\n\{ seed: -?\d+, path: "0/);
  expect(why).toMatch(/\nCounterexample: \[0,"x{500,600}… \(\d+ more\)\n/);
  expect(why).toMatch(/\ncaused by AssertionError: expected 0 to be less than 0\n/);
  expect(why.length).toBeLessThan(1_500);
});
