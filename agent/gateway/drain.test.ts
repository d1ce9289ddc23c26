import { describe, expect, it } from "vitest";
import type { Bridge } from "./bridge/bridges.ts";
import { type DrainClock, drainBridges } from "./drain.ts";

/** Time that passes while somebody sleeps, and not otherwise. */
class Clock implements DrainClock {
  #now = 0;

  now(): number {
    return this.#now;
  }

  sleep(ms: number): Promise<void> {
    this.#now += ms;
    return Promise.resolve();
  }
}

class Standing extends Set<Bridge> {
  readonly clock = new Clock();
  readonly toldAt: number[] = [];

  static of(count: number, isStubborn = false): Standing {
    const standing = new Standing();
    for (let i = 0; i < count; i++) {
      const bridge: Bridge = {
        kind: "control",
        bufferedBytes: 0,
        beat: () => {},
        drain: () => {
          standing.toldAt.push(standing.clock.now());
          if (!isStubborn) standing.delete(bridge);
        },
      };
      standing.add(bridge);
    }
    return standing;
  }
}

describe("drainBridges", () => {
  it("spreads the ends over four fifths of the time", async () => {
    const standing = Standing.of(100);
    await drainBridges(standing, 1, standing.clock);
    expect(standing.toldAt).toHaveLength(100);
    // One step of 50 ms after another, a sixteenth of them each.
    for (let at = 0; at < 800; at += 50) {
      const told = standing.toldAt.filter((when) => when <= at).length;
      expect(Math.abs(told - (100 * (at + 50)) / 800)).toBeLessThanOrEqual(1);
    }
  });

  it("returns at once when nothing stands", async () => {
    const standing = Standing.of(0);
    await drainBridges(standing, 30, standing.clock);
    expect(standing.clock.now()).toBe(0);
  });

  it("tells every bridge and gives up on stubborn ones when the time is over", async () => {
    const standing = Standing.of(10, true);
    await drainBridges(standing, 0.5, standing.clock);
    expect(standing.toldAt).toHaveLength(10);
    expect(standing.clock.now()).toBe(500);
  });

  it("tells all at once when there is no time", async () => {
    const standing = Standing.of(10);
    await drainBridges(standing, 0, standing.clock);
    expect(standing.size).toBe(0);
  });

  it("takes the time of the process unless told otherwise", async () => {
    const standing = Standing.of(1, true);
    const startedAt = performance.now();
    await drainBridges(standing, 0.2);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(200);
  });
});
