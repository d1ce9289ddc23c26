import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BenchServer } from "./bench-server.ts";
import type { Row, RowOptions } from "./row.ts";
import { measureRows, takesPart } from "./side-by-side.ts";

const options: RowOptions = { rows: new Set(), repeats: 1, idleMs: 1, note: () => {} };

function servers(): BenchServer[] {
  return [{ name: "headscale" } as BenchServer, { name: "flarescale" } as BenchServer]; // the rows below ask for no more
}

const good: Row = async () => ({ "good: ms": 1 });
const tooSlow: Row = async ({ name }) => {
  if (name === "headscale") throw new Error("677 of 1000 nodes had their maps");
  return { "slow: ms": 2 };
};
const partlyUntold: Row = async ({ name }, _count, { note }) => {
  if (name === "headscale") note("299 of 300 nodes were told");
  return { "news: ms": name === "headscale" ? Number.NaN : 3 };
};

beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe("measureRows", () => {
  it("goes on without a server that does not get through a row, and says what it missed", async () => {
    const all = servers();
    const measured = await measureRows([good, tooSlow, good], all, 1_000, options);
    expect(measured).toEqual({
      flarescale: { "good: ms": 1, "slow: ms": 2 },
      headscale: { "good: ms": 1 },
      missed: ["slow: ms"],
      troubles: ["headscale, tooSlow: 677 of 1000 nodes had their maps; it takes no further part"],
    });
    expect(all.map(takesPart)).toEqual([false, true]);
  });

  it("does not count as missed what a server no longer took part in", async () => {
    const { missed } = await measureRows([tooSlow, good], servers(), 1_000, options);
    expect(missed).toEqual(["slow: ms"]);
  });

  it("does not count as missed what headscale does not have", async () => {
    const own: Row = async ({ name }) => (name === "headscale" ? {} : { "own: ms": 1 });
    const { missed } = await measureRows([own], servers(), 100, options);
    expect(missed).toEqual([]);
  });

  it("counts an event as missed of which nobody heard in time, and keeps the server", async () => {
    const all = servers();
    const { missed, troubles } = await measureRows([partlyUntold], all, 300, options);
    expect(missed).toEqual(["news: ms"]);
    expect(troubles).toEqual(["headscale, partlyUntold: 299 of 300 nodes were told"]);
    expect(all.every(takesPart)).toBe(true);
  });

  it("knows of no headscale where there is none", async () => {
    expect(await measureRows([good], servers().slice(1), 100, options)).toEqual({
      flarescale: { "good: ms": 1 },
      missed: [],
      troubles: [],
    });
  });
});
