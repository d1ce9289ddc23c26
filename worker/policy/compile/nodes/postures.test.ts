// Postures: conditions as they are written, against attributes.
import { describe, expect, test } from "vitest";
import { parseCondition } from "../../language/postures.ts";
import { compareVersions, meetsOne } from "./postures.ts";

const ATTRIBUTES = {
  "node:os": "macos",
  "node:osVersion": "14.2.1",
  "node:tsVersion": "1.80.2",
  "custom:managed": true,
  "custom:off": false,
  "custom:team:level": 3,
  "falcon:ztaScore": 80,
};

function meets(...conditions: string[]): boolean {
  const parsed = conditions.map((text) => {
    const condition = parseCondition(text);
    if (condition === undefined) throw new Error(`malformed: ${text}`);
    return condition;
  });
  return meetsOne([{ name: "posture:p", conditions: parsed }], ATTRIBUTES);
}

describe("conditions", () => {
  test.each([
    "node:os == 'macos'",
    "node:os != 'linux'",
    "node:os IN ['linux', 'macos']",
    "node:os NOT IN ['linux', 'windows']",
    "node:os IS SET",
    "custom:other NOT SET",
    "custom:managed",
    "custom:managed == true",
    "custom:off == false",
    "custom:team:level IN [3, 4]",
    "falcon:ztaScore >= 80",
    "falcon:ztaScore < 80.5",
    "node:tsVersion >= '1.80'",
    "node:tsVersion > '1.9.9'",
    "node:osVersion < '14.10'",
    "node:tsVersion < 1.100", // digits as written, not the number 1.1
    "node:tsVersion IN [1.80, '1.80.2']",
    "node:os=='macos'",
  ])("%s holds", (text) => {
    expect(meets(text)).toBe(true);
  });

  test.each([
    "node:os == 'linux'",
    "node:os IN ['linux']",
    "node:os NOT SET",
    "custom:off",
    "custom:other",
    "custom:other != 'x'",
    "custom:other NOT IN ['x']",
    "custom:other IS SET",
    "falcon:ztaScore > 80",
    "falcon:ztaScore == '80'",
    "node:os < 'z'",
    "toString:x IS SET",
  ])("%s does not hold", (text) => {
    expect(meets(text)).toBe(false);
  });

  test("all of a posture must hold, one of several postures suffices", () => {
    expect(meets("node:os == 'macos'", "custom:off")).toBe(false);
    const [good, bad] = [parseCondition("custom:managed"), parseCondition("custom:off")];
    const postures = [bad, good].map((condition) => ({ name: "posture:p", conditions: condition ? [condition] : [] }));
    expect(meetsOne(postures, ATTRIBUTES)).toBe(true);
    expect(meetsOne(postures, undefined)).toBe(false);
  });

  test.each([
    "",
    "os == 'x'",
    "node:os",
    "node:os = 'x'",
    "node:os == x",
    "node:os == 'x', 'y'",
    "node:os == 'x",
    "node:os IN 'x'",
    "node:os IN []",
    "node:os IN ['x',]",
    "node:os IS SET 'x'",
    "node:os == 'x' extra",
    "falcon:ztaScore > 1e3",
  ])("%j is malformed, or a bare attribute", (text) => {
    const condition = parseCondition(text);
    expect(condition === undefined || condition.values[0] === true).toBe(true);
  });
});

test("versions compare field by field, runs of digits as numbers", () => {
  const ascending = ["", "1", "1.2", "1.2.3", "1.2.10", "1.10", "1.10-pre", "2", "10.0"];
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries())
      expect(Math.sign(compareVersions(a, b)), `${a} ? ${b}`).toBe(Math.sign(i - j));
  }
});
