// Rows for one server right after the other, so that both meet the same machine, until each has got through or given up.
import type { BenchServer } from "./bench-server.ts";
import { counterpartOf, type Figures, type Row, type RowOptions } from "./row.ts";

/** Figures by server; headscale's only when it took part. */
export interface Measured {
  readonly flarescale: Figures;
  readonly headscale?: Figures;
  /** Figures that headscale did not get to within the limits of the row. */
  readonly missed: readonly string[];
  /** What went wrong, in words: `headscale, registering: …`. */
  readonly troubles: readonly string[];
}

/** Servers that did not get through a row: their fleet is not what the following rows need. */
const failed = new WeakSet<BenchServer>();

/** Whether a server still takes part. */
export function takesPart(server: BenchServer): boolean {
  return !failed.has(server);
}

/** Measures every row; a server that does not get through one of them takes no part in the rest. */
export async function measureRows(
  rows: readonly Row[],
  servers: readonly BenchServer[],
  count: number,
  options: RowOptions,
): Promise<Measured> {
  const figures: Record<BenchServer["name"], Figures> = { flarescale: {}, headscale: {} };
  const missed: string[] = [];
  const troubles: string[] = [];
  const tell = (server: BenchServer, row: Row, text: string) => {
    troubles.push(`${server.name}, ${row.name}: ${text}`);
    console.error(`bench: ${count} nodes, ${troubles.at(-1)}`);
  };
  for (const row of rows) {
    const byServer: Record<BenchServer["name"], Figures> = { flarescale: {}, headscale: {} };
    const taking = servers.filter(takesPart);
    const hasBoth = taking.some(({ name }) => name === "headscale");
    for (const server of taking) {
      const since = performance.now();
      try {
        const note = (text: string) => tell(server, row, text);
        byServer[server.name] = await row(server, count, { ...options, note });
      } catch (error) {
        failed.add(server);
        tell(server, row, `${(error as Error).message}; it takes no further part`);
      }
      const seconds = ((performance.now() - since) / 1_000).toFixed(1);
      console.error(`bench: ${count} nodes, ${row.name}, ${server.name}: ${seconds} s`);
    }
    const isGivenUp = hasBoth && servers.some((server) => server.name === "headscale" && !takesPart(server));
    for (const name of hasBoth ? Object.keys(byServer.flarescale) : []) {
      // A figure that is not there is of a call that headscale does not have.
      const theirs = counterpartOf(byServer.headscale, name);
      if (isGivenUp || Number.isNaN(theirs)) missed.push(name);
    }
    for (const { name } of servers) Object.assign(figures[name], byServer[name]);
  }
  const { flarescale, headscale } = figures;
  return servers.some(({ name }) => name === "headscale")
    ? { flarescale, headscale, missed, troubles }
    : { flarescale, missed: [], troubles };
}
