import { describe, expect, it } from "vitest";
import type { Bridge } from "./bridge/bridges.ts";
import { drainBridges } from "./drain.ts";

class Standing extends Set<Bridge> {
  readonly toldAt: number[] = [];
  readonly #start = performance.now();

  static of(count: number, isStubborn = false): Standing {
    const standing = new Standing();
    for (let i = 0; i < count; i++) {
      const bridge: Bridge = {
        kind: "control",
        bufferedBytes: 0,
        beat: () => {},
        drain: () => {
          standing.toldAt.push(performance.now() - standing.#start);
          if (!isStubborn) standing.delete(bridge);
        },
      };
      standing.add(bridge);
    }
    return standing;
  }
}

describe("drainBridges", () => {
  it("spreads the ends over the time", async () => {
    const standing = Standing.of(100);
    await drainBridges(standing, 1);
    expect(standing.toldAt).toHaveLength(100);
    expect(standing.toldAt.filter((at) => at < 400).length).toBeGreaterThan(25);
    expect(standing.toldAt.filter((at) => at > 400).length).toBeGreaterThan(25);
  });

  it("returns at once when nothing stands", async () => {
    const startedAt = performance.now();
    await drainBridges(Standing.of(0), 30);
    expect(performance.now() - startedAt).toBeLessThan(100);
  });

  it("tells every bridge and gives up on stubborn ones when the time is over", async () => {
    const standing = Standing.of(10, true);
    const startedAt = performance.now();
    await drainBridges(standing, 0.5);
    expect(standing.toldAt).toHaveLength(10);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it("tells all at once when there is no time", async () => {
    const standing = Standing.of(10);
    await drainBridges(standing, 0);
    expect(standing.size).toBe(0);
  });
});
