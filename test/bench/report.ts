// The result as a table for people and as JSON for programs.
import type { Figures } from "./rows.ts";

/** One run. */
export interface BenchResult {
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  /** By number of nodes. */
  readonly figures: ReadonlyMap<number, Figures>;
}

/** A Markdown table, one column for each number of nodes. */
export function toTable({ machine, versions, figures }: BenchResult): string {
  const sizes = [...figures.keys()];
  const names = Object.keys(figures.get(sizes[0] ?? 0) ?? {});
  const width = Math.max(...names.map((name) => name.length));
  const line = (cells: readonly string[]) => `| ${cells[0]?.padEnd(width)} | ${cells.slice(1).join(" | ")} |`;
  return [
    `${machine}; ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}`,
    "",
    line(["", ...sizes.map((size) => `${size} nodes`.padStart(10))]),
    line(["-".repeat(width), ...sizes.map(() => `${"-".repeat(9)}:`)]),
    ...names.map((name) => line([name, ...sizes.map((size) => round(figures.get(size)?.[name]).padStart(10))])),
  ].join("\n");
}

/** One object. */
export function toJson({ machine, versions, figures }: BenchResult): string {
  return JSON.stringify({ machine, versions, figures: Object.fromEntries(figures) });
}

/** Three digits that mean something. */
function round(value = Number.NaN): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
