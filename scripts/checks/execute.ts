// Runs the commands that suites consist of, with the Node version, the folder and the environment that they all share.
import { spawn } from "node:child_process";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { ROOT } from "../worker/wrangler-settings.ts";

const BIN = path.join(ROOT, "node_modules/.bin");

const ENVIRONMENT = {
  ...process.env,
  PATH: `${BIN}${path.delimiter}${process.env.PATH ?? ""}`,
  // Nothing here talks to anybody outside: no sample of request.cf, no telemetry, no look for newer versions.
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_LOG: "error",
  NO_UPDATE_NOTIFIER: "1",
};

/** How a command ended. */
export interface Outcome {
  readonly ok: boolean;
  /** What it printed, both streams in the order of arrival; empty when that went to the terminal. */
  readonly output: string;
}

/** What to run. `show`: its output goes to this process's own instead of being collected. */
export interface Execution {
  readonly command: string;
  readonly args: readonly string[];
  readonly timeLimitMinutes: number;
  readonly show: boolean;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command to its end. It gets a process group of its own, which is killed when its time is up or when this
 *  process is told to end, so that nothing that it started stays behind. */
export async function execute({ command, args, timeLimitMinutes, show, env }: Execution): Promise<Outcome> {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...ENVIRONMENT, ...env },
    detached: true,
    stdio: show ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
  });
  const endGroup = (signal: NodeJS.Signals): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, signal);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    endGroup("SIGTERM");
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  let output = "";
  const timer = setTimeout(() => {
    output += `\nended after ${timeLimitMinutes} minutes`;
    endGroup("SIGKILL");
  }, timeLimitMinutes * 60_000);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
  }
  const { promise, resolve } = Promise.withResolvers<boolean>();
  child.once("error", (error) => {
    output += error.message;
    resolve(false);
  });
  child.once("close", (code) => resolve(code === 0));
  const ok = await promise;
  clearTimeout(timer);
  process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  return { ok, output: stripVTControlCharacters(output) }; // not every tool can be told to leave colours out
}
