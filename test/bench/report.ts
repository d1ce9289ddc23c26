// The result as a table for people, as JSON for programs, and as the part of docs/performance.md between its marks.
import { readFileSync, writeFileSync } from "node:fs";
import type { Figures } from "./rows.ts";

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
}

const BEGIN = "<!-- bench: begin; npm run bench -- --write replaces what is between the marks -->";
const END = "<!-- bench: end -->";

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
export function toJson({ machine, versions, figures, relay, gateway }: BenchResult): string {
  return JSON.stringify({ machine, versions, figures: Object.fromEntries(figures), relay, gateway });
}

/** Puts the tables into a document. @throws Error when it has no marks for them */
export function writeInto(file: string, result: BenchResult): void {
  const text = readFileSync(file, "utf8");
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${file} has no marks for the figures`);
  const before = text.slice(0, from + BEGIN.length);
  writeFileSync(file, `${before}\n\n${toTable(result)}\n\n${text.slice(to)}`);
}

/** Three digits that mean something. */
function round(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return Math.abs(value) < 0.01 ? "0" : value.toPrecision(3);
}
