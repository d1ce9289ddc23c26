import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LateWrites } from "./late-writes.ts";

let written: number[];
let fails: boolean;
let writes: LateWrites;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  written = [];
  fails = false;
  writes = new LateWrites(() => {
    if (fails) throw new Error("disk full");
    written.push(Date.now() - 1_000_000);
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const add = () => writes.add(Date.now());

it("writes at once what comes alone", () => {
  add();
  expect(written).toEqual([0]);
  expect(vi.getTimerCount()).toBe(0);
});

it("writes a herd in rounds", () => {
  for (let n = 0; n < 1_000; n++) {
    add();
    vi.advanceTimersByTime(1);
  }
  vi.advanceTimersByTime(1_000);
  expect(written).toEqual([0, 250, 500, 750, 1_000]);
  expect(vi.getTimerCount()).toBe(0);
});

it("goes on after a round that failed", () => {
  const log = vi.spyOn(console, "error").mockReturnValue();
  add();
  fails = true;
  add();
  vi.advanceTimersByTime(250);
  expect(log).toHaveBeenCalledOnce();
  fails = false;
  add();
  vi.advanceTimersByTime(250);
  expect(written).toEqual([0, 500]);
});
