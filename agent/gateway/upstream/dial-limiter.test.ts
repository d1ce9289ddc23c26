import { afterEach, describe, expect, it, vi } from "vitest";
import { DialLimiter } from "./dial-limiter.ts";

const forever = new AbortController().signal;
const still = { now: () => 0, random: () => 0, sleep: () => Promise.resolve() };

afterEach(() => {
  vi.useRealTimers();
});

describe("DialLimiter", () => {
  it("lets a burst pass and then one dial per interval, in order", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const limiter = new DialLimiter(20, 4_000);
    for (let i = 0; i < 20; i++) await limiter.take(forever);
    const startedAt = performance.now();
    const turns: [number, number][] = [];
    const dials = [0, 1, 2, 3].map(async (i) => {
      expect(await limiter.take(forever)).toBe(true);
      turns.push([i, performance.now() - startedAt]);
    });
    await vi.advanceTimersByTimeAsync(1_000);
    await Promise.all(dials);
    expect(turns).toEqual([0, 1, 2, 3].map((i) => [i, (i + 1) * 50]));
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
    let slept = 0;
    const sleep = (ms: number) => {
      slept += ms;
      return Promise.resolve();
    };
    const limiter = new DialLimiter(100, 4_000, { now: () => now, random: () => 0.05, sleep });
    const waitMs = async () => {
      slept = 0;
      await limiter.take(forever);
      return slept;
    };
    for (let i = 0; i < 9; i++) limiter.noteDrop(0);
    expect(await waitMs()).toBe(0); // nine are no crowd
    now = 2_000;
    for (let i = 0; i < 12; i++) limiter.noteDrop(988 - i);
    expect(await waitMs()).toBe(0); // twelve of a thousand neither
    now = 4_000;
    for (let i = 0; i < 300; i++) limiter.noteDrop(700 - i);
    expect(await waitMs()).toBe(100);
    now = 15_000;
    expect(await waitMs()).toBe(0);
  });

  it("stops waiting after a collective drop when the client leaves", async () => {
    const limiter = new DialLimiter(100, 4_000);
    for (let i = 0; i < 100; i++) limiter.noteDrop(0);
    const leave = new AbortController();
    const waiting = limiter.take(leave.signal);
    leave.abort();
    await expect(waiting).rejects.toThrow();
  });
});
