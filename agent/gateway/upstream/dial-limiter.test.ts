import { describe, expect, it } from "vitest";
import { DialLimiter } from "./dial-limiter.ts";

const forever = new AbortController().signal;
const still = { now: () => 0, random: () => 0 };

describe("DialLimiter", () => {
  it("lets a burst pass and then one dial per interval, in order", async () => {
    const limiter = new DialLimiter(20, 4_000);
    for (let i = 0; i < 20; i++) await limiter.take(forever);
    const startedAt = performance.now();
    const order: number[] = [];
    await Promise.all([0, 1, 2, 3].map(async (i) => order.push((await limiter.take(forever)) ? i : -1)));
    expect(order).toEqual([0, 1, 2, 3]);
    expect(performance.now() - startedAt).toBeGreaterThan(120);
    expect(performance.now() - startedAt).toBeLessThan(600);
  });

  it("refuses at once what would wait too long", async () => {
    const limiter = new DialLimiter(10, 500, still);
    for (let i = 0; i < 10; i++) await limiter.take(forever);
    const leave = new AbortController();
    const waiting = Array.from({ length: 5 }, () => limiter.take(leave.signal));
    await Promise.resolve();
    expect(limiter.queued).toBe(5);
    expect(await limiter.take(forever)).toBe(false);
    leave.abort();
    for (const one of await Promise.allSettled(waiting)) expect(one.status).toBe("rejected");
  });

  it("gives the turn of a client that has left to the next one", async () => {
    const limiter = new DialLimiter(10, 4_000);
    for (let i = 0; i < 10; i++) await limiter.take(forever);
    const leave = new AbortController();
    const left = limiter.take(leave.signal);
    const next = limiter.take(forever);
    leave.abort();
    await expect(left).rejects.toThrow();
    expect(await next).toBe(true);
    expect(limiter.queued).toBe(0);
  });

  it("jitters dials after a collective drop only", async () => {
    let now = 0;
    const limiter = new DialLimiter(100, 4_000, { now: () => now, random: () => 0.05 });
    const waitMs = async () => {
      const startedAt = performance.now();
      await limiter.take(forever);
      return performance.now() - startedAt;
    };
    for (let i = 0; i < 9; i++) limiter.noteDrop(0);
    expect(await waitMs()).toBeLessThan(50); // nine are no crowd
    now = 2_000;
    for (let i = 0; i < 12; i++) limiter.noteDrop(988 - i);
    expect(await waitMs()).toBeLessThan(50); // twelve of a thousand neither
    now = 4_000;
    for (let i = 0; i < 300; i++) limiter.noteDrop(700 - i);
    expect(await waitMs()).toBeGreaterThan(90);
    now = 15_000;
    expect(await waitMs()).toBeLessThan(50);
  });
});
