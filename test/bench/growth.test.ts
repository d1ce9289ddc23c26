import { describe, expect, it } from "vitest";
import { growth } from "./growth.ts";
import type { Figures } from "./row.ts";

function lineOf(name: string, figures: ReadonlyMap<number, Figures>) {
  return growth(figures)
    .find(([line]) => line === name)
    ?.slice(1);
}

describe("growth", () => {
  it("stays level where an event costs the same for each node that is told", () => {
    const figures = new Map([100, 300, 1_000].map((count) => [count, { "join: CPU ms": count * 0.25 }]));
    expect(lineOf("join: CPU µs per node told", figures)).toEqual([250, 250, 250, 1]);
  });

  it("counts first maps by the nodes that are new, each of which is sent all others", () => {
    const figures = new Map([
      [100, { "first maps of all new nodes: CPU ms": 100 }],
      [300, { "first maps of all new nodes: CPU ms": 600 }],
    ]);
    expect(lineOf("first maps: CPU ms per new node", figures)).toEqual([1, 3, 3]);
    expect(lineOf("first maps: CPU µs per peer in them", figures)).toEqual([10, 10, 1]);
  });

  it("leaves out what was not measured", () => {
    expect(growth(new Map([[100, {}]]))).toEqual([]);
  });
});
