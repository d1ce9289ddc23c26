// The result as a table for people, as JSON for programs, and as the part of docs/performance.md between its marks.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Figures } from "./row.ts";

/** Figures by server; headscale's only when it took part. */
interface ByServer {
  readonly flarescale: Figures;
  readonly headscale?: Figures;
}

/** Figures of the relay and of stock derper. */
export interface RelayFigures {
  readonly derper: Figures;
  readonly flarescale: Figures;
}

/** Figures of the policy engine by number of nodes, in Node and inside workerd. */
export type PolicyFigures = ReadonlyMap<number, { readonly node: Figures; readonly workerd: Figures }>;

/** One run. */
export interface BenchResult {
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  /** Figures by server by number of nodes. */
  readonly figures: ReadonlyMap<number, ByServer>;
  /** Figures of the relay and of stock derper. */
  readonly relay: RelayFigures | undefined;
  /** Figures of the gateway by itself. */
  readonly gateway: Figures | undefined;
  /** Figures of the policy engine by itself. */
  readonly policy: PolicyFigures | undefined;
}

const DOCUMENT = resolve(import.meta.dirname, "../../docs/performance.md");

/** Markdown: a table for each number of nodes. */
export function toTable({ machine, versions, figures, relay, gateway }: BenchResult): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const tables = [...figures].map(([count, byServer]) => tableOf(count, byServer));
  return [
    `${machine}; ${named.join(", ")}`,
    ...tables,
    ...(relay ? [relayTable(relay)] : []),
    ...(gateway ? [gatewayTable(gateway)] : []),
  ].join("\n\n");
}

function tableOf(count: number, byServer: ByServer): string {
  const { flarescale: ours, headscale: theirs } = byServer;
  const rows = Object.entries(ours).map(([name, value]) => {
    const other = theirs?.[name] ?? theirs?.[name.replace(/ through (one gateway|two gateways):/, " directly:")];
    if (other === undefined) return theirs === undefined ? [name, round(value)] : [name, "–", round(value), "–"];
    return [name, round(other), round(value), `${round(other / value)} ×`];
  });
  const head = [`${count} nodes`, ...(theirs ? ["headscale"] : []), "flarescale", ...(theirs ? ["better by"] : [])];
  return markdown(head, rows);
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

/** One object. */
export function toJson({ machine, versions, figures, relay, gateway, policy }: BenchResult): string {
  const byCount = policy && Object.fromEntries(policy);
  return JSON.stringify({ machine, versions, figures: Object.fromEntries(figures), relay, gateway, policy: byCount });
}

/** Puts the tables into docs/performance.md. @throws Error when it has no marks for them */
export function writeResult(result: BenchResult): void {
  writeBetween("bench", toTable(result));
  if (result.policy !== undefined) writePolicy(result.policy);
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

/** Three digits that mean something. */
function round(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return Math.abs(value) < 0.01 ? "0" : value.toPrecision(3);
}
