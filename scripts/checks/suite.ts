// What a suite is, and the two kinds there are: a command that passes or fails, and a vitest project.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../worker/wrangler-settings.ts";
import { excerpt } from "./excerpt.ts";
import { execute } from "./execute.ts";
import { REPORT_VARIABLE, type ReportedTest } from "./run-reporter.ts";

const REPORTER = path.join(import.meta.dirname, "run-reporter.ts");

/** Something that failed. */
export interface Failure {
  readonly name: string;
  /** What the summary says of it: a few lines; empty when there is nothing to say. */
  readonly why: string;
}

/** What came of a suite. */
export interface SuiteResult {
  readonly passed: number;
  readonly failed: readonly Failure[];
  /** Names of the tests that did not run. */
  readonly skipped: readonly string[];
}

/** A part of `npm test`. */
export interface Suite {
  readonly name: string;
  run(): Promise<SuiteResult>;
}

/** A suite of commands, each of which counts as one test. What a command prints is shown when it fails; `show` has it
 *  shown always. */
export function commandSuite(
  name: string,
  commands: readonly string[],
  { show = false, timeLimitMinutes = 5 } = {},
): Suite {
  const run = async (): Promise<SuiteResult> => {
    const failed: Failure[] = [];
    for (const line of commands) {
      const [command = "", ...args] = line.split(" ");
      const { ok, output } = await execute({ command, args, timeLimitMinutes, show });
      if (ok) continue;
      failed.push({ name: line, why: excerpt(output, { lines: 10, lastLines: 15 }) });
      console.log(output);
    }
    return { passed: commands.length - failed.length, failed, skipped: [] };
  };
  return { name, run };
}

/** The suite of one project in vitest.config.ts. Its report stays in test-results/. */
export function vitestSuite(project: string, timeLimitMinutes: number): Suite {
  const run = async (): Promise<SuiteResult> => {
    const report = path.join(ROOT, "test-results", `${project}.json`);
    mkdirSync(path.dirname(report), { recursive: true });
    rmSync(report, { force: true });
    const { ok, output } = await execute({
      command: "vitest",
      args: ["run", `--project=${project}`, "--reporter=default", `--reporter=${REPORTER}`],
      env: { [REPORT_VARIABLE]: report },
      timeLimitMinutes,
      show: true,
    });
    if (output !== "") console.log(output); // vitest has shown its own; this says that it could not run or finish
    return judge(readReport(report), ok);
  };
  return { name: project, run };
}

function readReport(file: string): ReportedTest[] {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as ReportedTest[];
  } catch {
    return []; // it did not come as far as writing one
  }
}

/** The result of a report. A run that failed without anything that did counts as one failed test; so does a run without
 *  any test. */
export function judge(report: readonly ReportedTest[], exitedWell: boolean): SuiteResult {
  const failed: Failure[] = report.filter(({ state }) => state === "failed");
  const skipped = report.flatMap(({ state, name }) => (state === "skipped" ? [name] : []));
  const passed = report.filter(({ state }) => state === "passed").length;
  if (failed.length === 0 && (!exitedWell || passed === 0)) failed.push({ name: "the run itself, see above", why: "" });
  return { passed, failed, skipped };
}
