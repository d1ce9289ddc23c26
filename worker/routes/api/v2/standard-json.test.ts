import fc from "fast-check";
import { parse } from "jsonc-parser";
import { describe, expect, it } from "vitest";
import { toStandardJson } from "./standard-json.ts";

describe("toStandardJson", () => {
  it.each([
    ["{}", "{}"],
    ['{"a": [1, 2]}', '{"a": [1, 2]}'],
    ['{"a": 1,}', '{"a": 1 }'],
    ["[1, /* one */ 2,]", "[1,           2 ]"],
    ['{"a": 1, // one\n}', '{"a": 1        \n}'],
    ['// head\r\n{"a":[1,\n/* x\ny */],}', '       \r\n{"a":[1 \n    \n    ] }'],
    ['{"a": "//, no comment,]"}', '{"a": "//, no comment,]"}'],
    ['{"a": "\\",}"}', '{"a": "\\",}"}'],
    ['{"x": {"y": [],},}', '{"x": {"y": [] } }'],
  ])("turns %j into %j", (hujson, json) => {
    expect(toStandardJson(hujson)).toBe(json);
  });

  it("keeps duplicate keys, integer-like keys in their order, and long numbers", () => {
    const text = '{"2": 1, "1": 2, "a": 10000000000000000000000001, "a": 1e400}';
    expect(toStandardJson(text)).toBe(text);
  });

  it("gives JSON of the same value, length and lines for every HuJSON", () => {
    const trivia = fc.constantFrom("", " ", "\n", "/* , ] } */", "// x, ]\n", "\t\n");
    const { text } = fc.letrec<{ text: string; list: string; object: string }>((tie) => ({
      text: fc.oneof({ maxDepth: 4 }, fc.json({ maxDepth: 0 }), tie("list"), tie("object")),
      list: fc
        .tuple(fc.array(fc.tuple(trivia, tie("text"), trivia), { maxLength: 3 }), fc.boolean(), trivia)
        .map(([items, hasComma, end]) => `[${join(items, hasComma)}${end}]`),
      object: fc
        .tuple(
          fc.array(fc.tuple(trivia, fc.string(), trivia, tie("text"), trivia), { maxLength: 3 }),
          fc.boolean(),
          trivia,
        )
        .map(([entries, hasComma, end]) => {
          const items = entries.map(([a, key, b, value, c]) => [`${a}${JSON.stringify(key)}${b}:`, value, c] as const);
          return `{${join(items, hasComma)}${end}}`;
        }),
    }));
    fc.assert(
      fc.property(text, trivia, (value, around) => {
        const hujson = around + value + around;
        const json = toStandardJson(hujson);
        expect(JSON.parse(json)).toEqual(parse(hujson, [], { allowTrailingComma: true }));
        expect(json.length).toBe(hujson.length);
        expect(json.split("\n").length).toBe(hujson.split("\n").length);
      }),
      { numRuns: 500 },
    );
  });
});

function join(items: readonly (readonly [string, string, string])[], hasComma: boolean): string {
  const texts = items.map((parts) => parts.join(""));
  return texts.join(",") + (hasComma && texts.length > 0 ? "," : "");
}
