import { expect, test } from "vitest";
import { excerpt } from "./excerpt.ts";

test("keeps a text that has room", () => {
  expect(excerpt("a\nb\n", { lines: 2 })).toBe("a\nb");
});

test("says how much it leaves out, between the first and the last lines and at the end of a line", () => {
  expect(excerpt("a\nb\nc\nd\ne", { lines: 1, lastLines: 2 })).toBe("a\n… (2 more lines)\nd\ne");
  expect(excerpt("a\nb\nc", { lines: 1 })).toBe("a\n… (2 more lines)");
  expect(excerpt("x".repeat(12), { lines: 1, columns: 10 })).toBe(`${"x".repeat(10)}… (2 more)`);
});
