// How the server's CPU time grows with the tailnet, from the rows of each size: per node that a row is about, or per thing
// that it has to send. No worse than linear in what must be sent means that a line stays level or falls.
import type { Figures } from "./row.ts";

/** One line: how to get it from the figures of one size; undefined or NaN where they were not measured. */
interface Line {
  readonly name: string;
  readonly from: (figures: Figures, count: number, fresh: number) => number;
}

const LINES: readonly Line[] = [
  { name: "register: CPU ms per new node", from: (f) => of(f, "register: CPU ms per node") },
  { name: "register: messages to others per new node", from: (f) => of(f, "register: messages per node") },
  {
    name: "register: CPU µs per message, answers and news",
    from: (f) => (of(f, "register: CPU ms per node") * 1_000) / (of(f, "register: messages per node") + 1),
  },
  {
    name: "first maps: CPU ms per new node",
    from: (f, _, fresh) => of(f, "first maps of all new nodes: CPU ms") / fresh,
  },
  {
    name: "first maps: CPU µs per peer in them",
    from: (f, count, fresh) => (of(f, "first maps of all new nodes: CPU ms") * 1_000) / (fresh * count),
  },
  {
    name: "first maps: CPU µs per message, maps and news",
    from: (f) =>
      (of(f, "first maps of all new nodes: CPU ms") * 1_000) / of(f, "first maps of all new nodes: messages"),
  },
  ...["join", "endpoint change", "policy change", "tag change"].map((name): Line => {
    return { name: `${name}: CPU µs per node told`, from: (f, count) => (of(f, `${name}: CPU ms`) * 1_000) / count };
  }),
  {
    name: "device list: CPU µs per device",
    from: (f, count) => (of(f, "device list: CPU ms") * 1_000) / count,
  },
  ...["directly", "through two gateways"].map((way): Line => {
    return {
      name: `mass reconnect ${way}: CPU ms per node`,
      from: (f, count) => of(f, `mass reconnect ${way}: CPU ms`) / count,
    };
  }),
  {
    name: "mass reconnect directly: CPU µs per peer in the maps",
    from: (f, count) => (of(f, "mass reconnect directly: CPU ms") * 1_000) / count ** 2,
  },
  { name: "idle: CPU ms per minute and node", from: (f, count) => of(f, "idle: CPU ms per minute") / count },
];

/** Rows of cells: a name, a value for each size, and how much larger the last is than the first; those with values alone. */
export function growth(figures: ReadonlyMap<number, Figures>): readonly (readonly [string, ...number[]])[] {
  const counts = [...figures.keys()];
  return LINES.flatMap(({ name, from }) => {
    const values = counts.map((count, i) => from(figures.get(count) ?? {}, count, count - (counts[i - 1] ?? 0)));
    if (!values.some(Number.isFinite)) return [];
    return [[name, ...values, (values.at(-1) ?? Number.NaN) / (values[0] ?? Number.NaN)]];
  });
}

function of(figures: Figures, name: string): number {
  return figures[name] ?? Number.NaN;
}
