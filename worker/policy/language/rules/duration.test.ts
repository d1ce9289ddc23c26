// Durations: Go's forms, both ways.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, parseDuration } from "./duration.ts";

describe("durations", () => {
  test.each([
    ["0", 0n],
    ["0s", 0n],
    ["1h30m", 5_400_000_000_000n],
    ["-1.5h", -5_400_000_000_000n],
    ["+5s", 5_000_000_000n],
    [".5s", 500_000_000n],
    ["1.s", 1_000_000_000n],
    ["1.000000001s", 1_000_000_001n],
    ["3us", 3_000n],
    ["3µs", 3_000n],
    ["3μs", 3_000n],
    ["1h1h", 7_200_000_000_000n],
  ])("%s is %s nanoseconds", (text, nanoseconds) => {
    expect(parseDuration(text)).toBe(nanoseconds);
  });

  test.each([
    ["", 'time: invalid duration ""'],
    ["abc", 'time: invalid duration "abc"'],
    ["-", 'time: invalid duration "-"'],
    [".s", 'time: invalid duration ".s"'],
    ["10", 'time: missing unit in duration "10"'],
    ["1h5", 'time: missing unit in duration "1h5"'],
    ["7d", 'time: unknown unit "d" in duration "7d"'],
    ["1constructor", 'time: unknown unit "constructor" in duration "1constructor"'],
    ["9999999999h", 'time: invalid duration "9999999999h"'],
  ])("%j is refused: %s", (text, message) => {
    expect(parseDuration(text)).toBe(message);
  });

  test.each([
    [0n, "0s"],
    [1n, "1ns"],
    [1_100n, "1.1µs"],
    [2_500_000n, "2.5ms"],
    [1_500_000_000n, "1.5s"],
    [60_000_000_000n, "1m0s"],
    [604_801_000_000_000n, "168h0m1s"],
    [-60_000_000_000n, "-1m0s"],
    [3_600_000_000_001n, "1h0m0.000000001s"],
  ])("%s nanoseconds are written %s", (nanoseconds, text) => {
    expect(formatDuration(nanoseconds)).toBe(text);
  });

  test("what is written reads back as the same", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 62n), max: 1n << 62n }), (nanoseconds) => {
        expect(parseDuration(formatDuration(nanoseconds))).toBe(nanoseconds);
      }),
    );
  });
});
