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
}
