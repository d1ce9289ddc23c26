// The result as a table for people, as JSON for programs, and as the part of docs/performance.md between its marks.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { growth } from "./growth.ts";
import { counterpartOf, type Figures } from "./row.ts";
import type { Measured } from "./side-by-side.ts";

/** Figures of the relay and of stock derper. */
export interface RelayFigures {
  readonly derper: Figures;
  readonly flarescale: Figures;
}

/** Figures of the policy engine by number of nodes, in Node and inside workerd. */
export type PolicyFigures = ReadonlyMap<number, { readonly node: Figures; readonly workerd: Figures }>;

/** One run; parts that were left out are undefined. */
export interface BenchResult {
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  /** When it began, RFC 3339. */
  readonly at: string;
  readonly options: { readonly repeats: number; readonly idleSeconds: number };
  /** By number of nodes, all of them online. */
  readonly figures: ReadonlyMap<number, Measured> | undefined;
  /** The REST API by number of devices, a few of them online. */
  readonly api: ReadonlyMap<number, Measured> | undefined;
  /** Figures of the relay and of stock derper. */
  readonly relay: RelayFigures | undefined;
  /** Figures of the gateway by itself. */
  readonly gateway: Figures | undefined;
  /** Figures of the policy engine by itself. */
  readonly policy: PolicyFigures | undefined;
}

const DOCUMENT = resolve(import.meta.dirname, "../../docs/performance.md");

/** Markdown of what was measured, by the name of its place in docs/performance.md. */
function sections(result: BenchResult): ReadonlyMap<string, string> {
  const { figures, api, relay, gateway, policy } = result;
  const found = new Map<string, string>();
  const put = (name: string, ...parts: string[]) => found.set(name, [headOf(result), ...parts].join("\n\n"));
  if (figures !== undefined) {
    put("bench", ...[...figures].map(([count, measured]) => tableOf(`${count} nodes`, measured)));
    if (figures.size > 1) put("growth", growthTable(figures));
  }
  if (api !== undefined)
    put("api bench", ...[...api].map(([count, measured]) => tableOf(`${count} devices`, measured)));
  if (relay !== undefined) put("relay bench", relayTable(relay));
  if (gateway !== undefined) put("gateway bench", gatewayTable(gateway));
  if (policy !== undefined) found.set("policy bench", policyTable(policy));
  return found;
}

function headOf({ machine, versions, at }: BenchResult): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${machine}; ${named.join(", ")}; ${at.slice(0, 10)}`;
}

function tableOf(title: string, { flarescale: ours, headscale: theirs, missed, troubles }: Measured): string {
  const rows = Object.entries(ours).map(([name, value]) => {
    const other = theirs && counterpartOf(theirs, name);
    if (theirs === undefined) return [name, round(value)];
    if (other === undefined || !Number.isFinite(other)) {
      return [name, missed.includes(name) ? "> limit" : "–", round(value), "–"];
    }
    return [name, round(other), round(value), times(other / value)];
  });
  const head = [title, ...(theirs ? ["headscale"] : []), "flarescale", ...(theirs ? ["better by"] : [])];
  return [markdown(head, rows), ...troubles.map((trouble) => `${trouble}.`)].join("\n\n");
}

function growthTable(figures: ReadonlyMap<number, Measured>): string {
  const counts = [...figures.keys()];
  const rows = growth(new Map([...figures].map(([count, { flarescale }]) => [count, flarescale])));
  const ends = `${counts.at(-1)} against ${counts[0]}`;
  return markdown(
    ["CPU of the server", ...counts.map((count) => `${count} nodes`), ends],
    rows.map(([name, ...values]) => [name, ...values.slice(0, -1).map(round), times(values.at(-1) ?? Number.NaN)]),
  );
}

/** Markdown: the relay beside derper. */
export function relayTable({ derper, flarescale }: RelayFigures): string {
  return markdown(
    ["relay", "derper", "flarescale"],
    Object.entries(flarescale).map(([name, value]) => [name, round(derper[name] ?? Number.NaN), round(value)]),
  );
}

/** Markdown: the policy engine by itself, a column for each number of nodes. */
export function policyTable(figures: PolicyFigures): string {
  const runtimes = ["workerd", "node"] as const;
  const names = (runtime: (typeof runtimes)[number]) =>
    Object.keys([...figures.values()][0]?.[runtime] ?? {}).map((name) => [runtime, name] as const);
  return markdown(
    ["policy engine", ...[...figures.keys()].map((count) => `${count} nodes`)],
    runtimes.flatMap(names).map(([runtime, name]) => {
      return [`${runtime}: ${name}`, ...[...figures.values()].map((some) => round(some[runtime][name] ?? Number.NaN))];
    }),
  );
}

function gatewayTable(gateway: Figures): string {
  return markdown(
    ["gateway", ""],
    Object.entries(gateway).map(([name, value]) => [name, round(value)]),
  );
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(" | ")} |`;
  const rule = widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** All tables. */
export function toText(result: BenchResult): string {
  return [...sections(result).values()].join("\n\n");
}

/** One object, with an object by number of nodes for each map. */
export function toJson({ figures, api, policy, ...rest }: BenchResult): string {
  const plain = (map: ReadonlyMap<number, unknown> | undefined) => map && Object.fromEntries(map);
  return JSON.stringify({ ...rest, figures: plain(figures), api: plain(api), policy: plain(policy) });
}

/** Puts the tables of what was measured into docs/performance.md. @throws Error when it has no marks for them */
export function writeResult(result: BenchResult): void {
  for (const [name, text] of sections(result)) writeBetween(name, text);
}

/** Puts the table of the policy engine into docs/performance.md. */
export function writePolicy(figures: PolicyFigures): void {
  writeBetween("policy bench", policyTable(figures));
}

function writeBetween(name: string, table: string): void {
  const text = readFileSync(DOCUMENT, "utf8");
  const begin = `<!-- ${name}: begin; npm run bench -- --write replaces what is between the marks -->`;
  const [from, to] = [text.indexOf(begin), text.indexOf(`<!-- ${name}: end -->`)];
  if (from < 0 || to < from) throw new Error(`${DOCUMENT} has no marks for ${name}`);
  const before = text.slice(0, from + begin.length);
  writeFileSync(DOCUMENT, `${before}\n\n${table}\n\n${text.slice(to)}`);
}

function times(ratio: number): string {
  return Number.isFinite(ratio) ? `${round(ratio)} ×` : "–";
}

/** Three digits that mean something. */
function round(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return Math.abs(value) < 0.01 ? "0" : value.toPrecision(3);
}
