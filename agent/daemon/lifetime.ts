// A role that runs until a signal: how it starts to talk, how signals reach it, and how it goes when something breaks.
import { writeSync } from "node:fs";
import { EXIT_OK, EXIT_PROBLEM, parseInteger, UsageError } from "../command-line.ts";
import { createLog, type Log } from "../log.ts";

/** Options that every such role has. */
export const DAEMON_OPTIONS = {
  "metrics-listen": { type: "string", value: "ADDR:PORT", help: "Serve /healthz, /readyz and /metrics there" },
  "ready-fd": { type: "string", value: "FD", help: "Write the line of --json to this file descriptor" },
  json: { type: "boolean", help: "Print one line of JSON to stdout when listening" },
  "log-format": { type: "string", value: "FORMAT", default: "text", help: "text or json; the log goes to stderr" },
} as const;

/** The log to stderr that `--log-format` asks for. @throws UsageError */
export function openLog(format: string): Log {
  if (format === "json" || format === "text") return createLog(format, (line) => process.stderr.write(line));
  throw new UsageError(`--log-format must be text or json, not "${format}"`);
}

/** Where the line that says "ready" goes. @throws UsageError */
export function readyFds(values: { readonly json: boolean; readonly "ready-fd": string | undefined }): number[] {
  const fd = values["ready-fd"];
  return [...(values.json ? [1] : []), ...(fd === undefined ? [] : [parseInteger("ready-fd", fd, 1, 1_023)])];
}

/** Says "ready" as one line of JSON; undefined fields are left out. */
export function announceReady(fds: readonly number[], facts: Readonly<Record<string, unknown>>): void {
  for (const fd of fds) writeSync(fd, `${JSON.stringify({ ...facts, pid: process.pid })}\n`);
}

/** Whatever nobody caught leaves the process in a state that nobody knows: say it and go, the supervisor starts anew. */
export function exitOnFailure(log: Log): void {
  const fail = (error: unknown) => {
    log.error("uncaught error", { detail: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    process.exit(EXIT_PROBLEM);
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
}

/** Resolves with the first signal that asks the program to end. */
export function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
  });
}

/** Somebody who asks twice does not want to wait. */
export function exitOnSecondSignal(log: Log): void {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      log.warn("drain cut short", { signal });
      process.exit(EXIT_OK);
    });
  }
}
