// A whole tailnet as a file: lines of JSON, the first of which says what it is. Whoever holds it can stand in for the
// tailnet's server, since clients trust the key that it holds, and knows the hashes of every token.
//
//   {"format":"flarescale-tailnet","version":1,"exportedAt":"…","tailnet":"example.com","magicDnsSuffix":"…"}
//   {"kind":"private-key","record":{"purpose":"noise","hex":"…"}}
//   {"kind":"user","record":{…}}
//   …
//   {"kind":"end","record":{"lines":1234}}
//
// The last line tells a whole file from one that was cut off. Records are checked by whoever imports them.
import { isJsonObject, type JsonObject } from "../control/json.ts";

/** Kinds of lines, in the order in which they stand in a file. */
export const TRANSFER_KINDS = [
  "private-key",
  "settings",
  "counters",
  "policy",
  "user",
  "node",
  "auth-key",
  "api-token",
  "credential",
  "access-token",
  "record",
  "primary",
] as const;

/** A kind of line. */
export type TransferKind = (typeof TRANSFER_KINDS)[number];

/** The first line. */
export interface TransferHeader {
  readonly exportedAt: string;
  readonly tailnet: string;
  readonly magicDnsSuffix: string;
}

/** A line. */
export interface TransferLine {
  readonly kind: TransferKind;
  readonly record: JsonObject;
}

const FORMAT = "flarescale-tailnet";
const VERSION = 1;

/** What is wrong with a file, in words for whoever gave it. */
export class TransferError extends Error {
  override readonly name = "TransferError";
}

/** Writes a file. */
export function formatTransfer(header: TransferHeader, lines: readonly TransferLine[]): string {
  const first = { format: FORMAT, version: VERSION, ...header };
  const last = { kind: "end", record: { lines: lines.length } };
  return [first, ...lines, last].map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** Reads a file. @throws TransferError */
export function parseTransfer(text: string): { header: TransferHeader; lines: TransferLine[] } {
  const [first = "", ...rest] = text.split("\n").filter((line) => line.trim() !== "");
  const header = headerOf(parseLine(first, 1));
  const lines = rest.map((line, i) => parseLine(line, i + 2));
  const end = lines.pop();
  if (end?.kind !== "end" || !isJsonObject(end.record) || end.record.lines !== lines.length) {
    throw new TransferError("the file is not whole: its last line is missing, or lines are");
  }
  return { header, lines: lines.map((line, i) => checkedLine(line, i + 2)) };
}

function parseLine(line: string, number: number): JsonObject {
  try {
    const value: unknown = JSON.parse(line);
    if (isJsonObject(value)) return value;
  } catch {
    // said below
  }
  throw new TransferError(`line ${number}: not an object of JSON`);
}

function headerOf({ format, version, exportedAt, tailnet, magicDnsSuffix }: JsonObject): TransferHeader {
  if (format !== FORMAT) throw new TransferError("line 1: not an exported tailnet");
  if (version !== VERSION)
    throw new TransferError(`line 1: version ${String(version)} is not known here; use a newer flarescale`);
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  return { exportedAt: text(exportedAt), tailnet: text(tailnet), magicDnsSuffix: text(magicDnsSuffix) };
}

function checkedLine({ kind, record }: JsonObject, number: number): TransferLine {
  const known = TRANSFER_KINDS.find((each) => each === kind);
  if (known === undefined || !isJsonObject(record)) throw new TransferError(`line ${number}: unknown kind of line`);
  return { kind: known, record };
}
