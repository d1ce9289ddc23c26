// A reporter for vitest that writes down what came of each test, and why those failed that did. vitest's own JSON leaves
// out the causes of errors, and errors of hooks and of nobody, and without them a log of CI that is cut does not tell.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Reporter, SerializedError, TestModule } from "vitest/node";
import { ROOT } from "../worker/wrangler-settings.ts";
import { excerpt } from "./excerpt.ts";

/** Environment variable that names the file to write. */
export const REPORT_VARIABLE = "FLARESCALE_TEST_REPORT";

/** What came of one test, or of something that failed without being a test: a file, a hook, a promise that nobody awaits. */
export interface ReportedTest {
  readonly name: string;
  readonly state: "passed" | "failed" | "skipped";
  /** Why it failed: messages, causes, the first lines of a difference, and where; empty when it did not. */
  readonly why: string;
}

/** Writes a list of {@link ReportedTest} as JSON to the file that {@link REPORT_VARIABLE} names. */
export default class RunReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], outside: readonly SerializedError[]): void {
    const file = process.env[REPORT_VARIABLE];
    if (file === undefined) throw new Error(`${REPORT_VARIABLE} is not set`);
    const tests = [...modules.flatMap(ofModule), ...outside.map((error) => failure("outside of any test", [error]))];
    writeFileSync(file, JSON.stringify(tests));
  }
}

function ofModule(module: TestModule): ReportedTest[] {
  const file = path.relative(ROOT, module.moduleId);
  const tests = [...module.children.allTests()].map((test): ReportedTest => {
    const { state, errors = [] } = test.result();
    const name = `${file} > ${test.fullName}`;
    if (state === "failed") return failure(name, errors);
    return { name, state: state === "passed" ? "passed" : "skipped", why: "" };
  });
  const broken = [module, ...module.children.allSuites()].flatMap((each) => {
    const name = each.type === "suite" ? `${file} > ${each.fullName}` : file;
    return each.errors().length === 0 ? [] : [failure(name, each.errors())];
  });
  return [...broken, ...tests];
}

/** What is read of an error: of vitest's, and of what such a one was caused by. */
interface Described {
  readonly message: string;
  readonly name?: string;
  readonly stack?: string;
  readonly diff?: string;
  readonly cause?: unknown;
}

function failure(name: string, errors: readonly Described[]): ReportedTest {
  return { name, state: "failed", why: errors.map(explain).join("\n") };
}

/** An error in a few lines. */
function explain(error: Described): string {
  const lines = [describe(error)];
  for (let { cause } = error; isError(cause); cause = cause.cause) lines.push(`caused by ${describe(cause)}`);
  if (error.diff !== undefined) lines.push(excerpt(stripVTControlCharacters(error.diff), { lines: 12 }));
  const place = placeOf(error.stack ?? "");
  if (place !== undefined) lines.push(`at ${place}`);
  return lines.join("\n");
}

/** The name and the message. fast-check's message has the seed, the path and the counterexample, and a hint for others. */
function describe({ name, message }: Described): string {
  const words = stripVTControlCharacters(message).replace(/\s*Hint: Enable verbose mode.*/s, "");
  return excerpt(name === undefined || words.startsWith(name) ? words : `${name}: ${words}`, { lines: 8 });
}

function isError(cause: unknown): cause is Described {
  return typeof cause === "object" && cause !== null && "message" in cause && typeof cause.message === "string";
}

/** The first line of this repository that a stack names, as `file:line`. */
function placeOf(stack: string): string | undefined {
  for (const [, file = "", line = ""] of stack.matchAll(/(\/[^\s():]+):(\d+):\d+/g)) {
    const place = path.relative(ROOT, file);
    if (!place.startsWith("..") && !place.includes("node_modules")) return `${place}:${line}`;
  }
  return undefined;
}
