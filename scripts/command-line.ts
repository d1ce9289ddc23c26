// Command-line options that `npm start` and `npm run serve` share.
import { readFileSync } from "node:fs";
import path from "node:path";
import { parsePrivateReceivers } from "../worker/protocol/private-receivers.ts";
import { ROOT } from "./worker/wrangler-settings.ts";

/** A mistake on the command line; its message is for the person who typed it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A port number, 0 for a free one. @throws UsageError */
export function parsePort(name: string, value: string): number {
  const port = Number(value);
  if (!/^\d+$/.test(value) || port > 65_535) throw new UsageError(`--${name} takes a port number, not "${value}"`);
  return port;
}

/** A port number as {@link parsePort}, or null for "off". @throws UsageError */
export function parseOptionalPort(name: string, value: string): number | null {
  return value === "off" ? null : parsePort(name, value);
}

/** A folder, absolute; relative ones start at the root of the repository, wherever the command was typed.
 *  @throws UsageError */
export function parseFolder(name: string, value: string): string {
  if (value === "") throw new UsageError(`--${name} takes a folder`);
  return path.resolve(ROOT, value);
}

/** The JSON in a file that an option names, on one line. @throws UsageError */
export function readJsonFile(option: string, file: string): string {
  try {
    return JSON.stringify(JSON.parse(readFileSync(path.resolve(ROOT, file), "utf8")));
  } catch (error) {
    throw new UsageError(`--${option} ${file}: ${(error as Error).message}`);
  }
}

/** The Worker's variable that `--private-receivers` sets. @throws UsageError */
export function receiverVars(list: string | undefined): Record<string, string> {
  if (list === undefined) return {};
  const receivers = parsePrivateReceivers(list);
  if (typeof receivers === "string") throw new UsageError(`--private-receivers: ${receivers}`);
  return { PRIVATE_RECEIVERS: [...receivers].join(",") };
}

/** Runs a command: its result is the exit code, a mistake of usage exits with 2, any other error with 1. */
export async function runCommand(command: () => Promise<number>): Promise<never> {
  const code = await command().catch((error: Error & { code?: string }) => {
    const isUnknown = error.code?.startsWith("ERR_PARSE_ARGS") ?? false;
    // From the second sentence on Node's texts talk about "--" alone.
    const text = isUnknown ? `${error.message.split(/\.\s/)[0]}; --help lists the options` : error.message;
    console.error(`flarescale: ${text}`);
    return isUnknown || error instanceof UsageError ? 2 : 1;
  });
  process.exit(code);
}
