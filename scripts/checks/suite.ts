// What a suite is, and the two kinds there are: a command that passes or fails, and a vitest project.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../worker/wrangler-settings.ts";
import { type Execution, execute } from "./execute.ts";

/** What came of a suite. */
export interface SuiteResult {
  readonly passed: number;
  /** Names of the tests that failed. */
  readonly failed: readonly string[];
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
    const failed: string[] = [];
    for (const line of commands) {
      const [command = "", ...args] = line.split(" ");
      const { ok, output } = await execute({ command, args, timeLimitMinutes, show });
      if (ok) continue;
      failed.push(line);
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
    const { ok, output } = await execute(vitest(project, report, timeLimitMinutes));
    if (output !== "") console.log(output); // vitest has shown its own; this says that it could not run or finish
    return judge(readReport(report), ok);
  };
  return { name: project, run };
}

function vitest(project: string, report: string, timeLimitMinutes: number): Execution {
  const args = ["run", `--project=${project}`, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  return { command: "vitest", args, timeLimitMinutes, show: true };
}

/** The part of vitest's JSON report that is read here. */
export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

function readReport(file: string): VitestReport {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as VitestReport;
  } catch {
    return { testResults: [] }; // it did not come as far as writing one
  }
}

/** The result of a report. A file that could not be loaded, and a run that failed without a failing test, count as one
 *  failed test each; so does a run without any test. */
export function judge(report: VitestReport, exitedWell: boolean): SuiteResult {
  const failed: string[] = [];
  const skipped: string[] = [];
  let passed = 0;
  for (const { name, status, assertionResults } of report.testResults) {
    const file = path.relative(ROOT, name);
    const before = failed.length;
    for (const test of assertionResults) {
      if (test.status === "passed") passed += 1;
      else (test.status === "failed" ? failed : skipped).push(`${file} > ${test.fullName}`);
    }
    if (status === "failed" && failed.length === before) failed.push(file);
  }
  if (failed.length === 0 && (!exitedWell || passed === 0)) failed.push("the run itself, see above");
  return { passed, failed, skipped };
}
