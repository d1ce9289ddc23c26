// What a row of the bench is.
import type { BenchServer } from "./bench-server.ts";

/** Values by row; the name tells the unit. */
export type Figures = Record<string, number>;

/** One row, or a few that are measured together. */
export type Row = (server: BenchServer, count: number, options: RowOptions) => Promise<Figures>;

/** How thoroughly to measure. */
export interface RowOptions {
  /** Names of the rows to measure. */
  readonly rows: ReadonlySet<string>;
  /** How often each event is repeated; medians are taken. */
  readonly repeats: number;
  /** Length of the idle row. */
  readonly idleMs: number;
  /** Takes what went wrong without ending the row. */
  readonly note: (trouble: string) => void;
}

/** A server's figure beside one of the other's: headscale has no gateways, its nodes connect directly in every way. */
export function counterpartOf(figures: Figures, name: string): number | undefined {
  return figures[name] ?? figures[name.replace(/ through (one gateway|two gateways):/, " directly:")];
}

/** The middle one, of an even number the greater of the two in the middle; NaN of none. */
export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
