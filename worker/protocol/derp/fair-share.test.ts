// Scripted senders: what each wants to send in every 10 ms, and what of it passes.
import { describe, expect, test } from "vitest";
import { DERP_MESSAGE_COST, DERP_MIN_RATE } from "../limits.ts";
import { FairShare, type Ruling } from "./fair-share.ts";

const PACKET = 10_000;
const RATE = 1_000_000;

/** Lets senders send so many packets per step of 10 ms for some seconds. @returns bytes per second that passed, and the last ruling */
function simulate(share: FairShare, perStep: Readonly<Record<string, number>>, seconds: number, fromMs = 0) {
  const passed: Record<string, number> = {};
  const rulings: Record<string, Ruling> = {};
  for (let nowMs = fromMs; nowMs < fromMs + 1000 * seconds; nowMs += 10) {
    for (const [key, packets] of Object.entries(perStep)) {
      const account = share.account(key, nowMs);
      share.startMessage(account, nowMs);
      for (let i = 0; i < packets; i++) {
        const ruling = share.rule(account, PACKET);
        rulings[key] = ruling;
        if (ruling === "pass") passed[key] = (passed[key] ?? 0) + PACKET / seconds;
      }
    }
  }
  return { passed, rulings };
}

describe("the region's rate", () => {
  test("is there for one client alone, whatever its equal part would be", () => {
    const { passed } = simulate(new FairShare(2 * RATE, undefined), { a: 1 }, 10);
    expect(passed.a).toBe(RATE);
  });

  test("cuts back a flood, and leaves those below their part what they want", () => {
    const share = new FairShare(10 * RATE, undefined);
    const { passed } = simulate(share, { flood: 100, quiet: 1, other: 1 }, 20);
    expect(passed.quiet).toBe(RATE);
    expect(passed.other).toBe(RATE);
    // What the quiet ones and the messages themselves leave is the flood's, and the start is a burst.
    expect(passed.flood).toBeGreaterThan(8 * RATE - 3 * 100 * DERP_MESSAGE_COST);
    expect(passed.flood).toBeLessThan(9 * RATE);
  });

  test("is divided equally among floods", () => {
    const { passed } = simulate(new FairShare(10 * RATE, undefined), { a: 50, b: 50, c: 200 }, 20);
    const [a = 0, b = 0, c = 0] = [passed.a, passed.b, passed.c];
    expect(Math.max(a, b, c) / Math.min(a, b, c)).toBeLessThan(1.35);
    expect(a + b + c).toBeLessThan(11 * RATE);
  });

  test("counts messages that carry nothing", () => {
    const share = new FairShare(100 * DERP_MESSAGE_COST, undefined);
    const account = share.account("a", 0);
    for (let i = 0; i < 200; i++) share.startMessage(account, 0);
    expect(share.rule(account, 1)).toBe("drop");
  });
});

describe("a client's own rate", () => {
  test("is announced with a burst that the longest packet fits into", () => {
    expect(new FairShare(RATE, DERP_MIN_RATE).announced).toEqual({
      bytesPerSecond: DERP_MIN_RATE,
      burstBytes: DERP_MIN_RATE,
    });
    expect(new FairShare(RATE, RATE).announced).toEqual({ bytesPerSecond: RATE, burstBytes: RATE / 4 });
    expect(new FairShare(RATE, undefined).announced).toBeUndefined();
  });

  test("is never in the way of a client that keeps to it", () => {
    const { passed } = simulate(new FairShare(100 * RATE, RATE), { a: 1 }, 30);
    expect(passed.a).toBeCloseTo(RATE);
  });

  test("holds back a client that exceeds it a little, and expels one that ignores it", () => {
    const share = new FairShare(100 * RATE, RATE);
    const { passed, rulings } = simulate(share, { eager: 2, hostile: 20 }, 20);
    expect(passed.eager).toBeLessThan(1.1 * RATE);
    expect(rulings).toEqual({ eager: "drop", hostile: "expel" });
  });

  test("is not forgotten by a new connection of the same key, but after a while of silence", () => {
    const share = new FairShare(100 * RATE, RATE);
    simulate(share, { hostile: 20 }, 20);
    expect(simulate(share, { hostile: 5 }, 0.01, 20_000).rulings.hostile).toBe("expel");
    expect(simulate(share, { hostile: 1 }, 0.01, 60_000).rulings.hostile).toBe("pass");
  });
});
