// Runs a program to its end, in an environment that holds nothing of the machine's or the tester's own.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const runFile = promisify(execFile);

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a finished program printed. */
export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment that every program of a test gets. */
export function minimalEnvironment(): Environment {
  return { PATH: process.env.PATH, HOME: "/nonexistent", LANG: "C.UTF-8", TZ: "UTC" };
}

/** Runs a program; a failure (also: not found, out of time) is a code other than 0, never an exception. */
export async function execute(argv: readonly string[], timeoutMs = 60_000): Promise<Output> {
  const [program = "", ...args] = argv;
  try {
    const options = { env: { ...minimalEnvironment() }, timeout: timeoutMs, maxBuffer: 64 << 20 };
    return { code: 0, ...(await runFile(program, args, options)) };
  } catch (error) {
    const { code, stdout = "", stderr = "", message } = error as Error & Partial<Output>;
    return { code: typeof code === "number" ? code : 1, stdout, stderr: stderr || message };
  }
}

/** Runs a program and returns what it printed. @throws Error when it fails */
export async function mustExecute(argv: readonly string[], timeoutMs?: number): Promise<string> {
  const { code, stdout, stderr } = await execute(argv, timeoutMs);
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit code ${code}: ${stderr.trim() || stdout.trim()}`);
  return stdout;
}
