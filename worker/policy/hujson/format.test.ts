import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hujsonDocuments } from "../../../test/support/hujson-documents.ts";
import { formatHuJson } from "./format.ts";

interface Golden {
  readonly input: string;
  readonly formatted: string | null;
}

const golden = JSON.parse(
  readFileSync(new URL("../../../test/golden/hujson/documents.json", import.meta.url), "utf8"),
) as Golden[];

describe("the canonical form", () => {
  it("has all of its golden data", () => {
    expect([golden.length, golden.filter(({ formatted }) => formatted === null).length]).toEqual([137, 12]);
  });

  it.each(golden)("of $input", ({ input, formatted }) => {
    expect(formatHuJson(input) ?? null).toBe(formatted);
  });

  it("of JSON is JSON with the same meaning", () => {
    fc.assert(
      fc.property(hujsonDocuments(true), (text) => {
        const formatted = formatHuJson(text) as string;
        const wellFormed = text.replaceAll("\\ud800", "\ufffd");
        expect(JSON.parse(formatted)).toEqual(JSON.parse(wellFormed));
        expect(formatHuJson(formatted)).toBe(formatted);
      }),
    );
  });

  it("is there for every document that is well-formed, and for no other", () => {
    fc.assert(
      fc.property(hujsonDocuments(false), (text) => {
        expect(formatHuJson(text)?.endsWith("\n")).toBe(true);
      }),
    );
    fc.assert(
      fc.property(hujsonDocuments(false), fc.nat(), (text, at) => {
        const cut = text.slice(0, at % text.length);
        const formatted = formatHuJson(cut);
        if (formatted !== undefined) expect(formatHuJson(formatted)).toBeDefined();
      }),
    );
  });

  it("is not looked for in nests without end", () => {
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const) {
      expect(formatHuJson(`${open.repeat(400)}1${close.repeat(400)}`)).toBeDefined();
      expect(formatHuJson(`${open.repeat(100_000)}1${close.repeat(100_000)}`)).toBeUndefined();
      expect(formatHuJson(open.repeat(100_000))).toBeUndefined();
    }
  });

  it("of a megabyte takes time in proportion", () => {
    const rule = '{"action": "accept", "src": ["group:dev"], "dst": ["tag:web:80,443"]}, // a rule\n';
    const file = (rules: number) => `{"acls": [\n${rule.repeat(rules)}]}`;
    expect(formatHuJson(file(10_000))?.length).toBeGreaterThan(800_000);
    expect(formatHuJson(`{${" ".repeat(1_000_000)}}`)).toBe("{}\n");
    expect(formatHuJson(`{${"/**/".repeat(250_000)}}`)?.length).toBeGreaterThan(1_000_000);
  });
});
