import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isLabel, labelOf, uniqueLabel } from "./node-name.ts";

describe("labelOf", () => {
  it.each([
    ["laptop", "laptop"],
    ["Laptop", "laptop"],
    ["web-1.example.com", "web-1"],
    ["MacBook.local", "macbook"],
    ["Ann’s MacBook Pro", "anns-macbook-pro"],
    ["Ann's-PC", "anns-pc"],
    ["Bücher-Café", "bucher-cafe"],
    ["ＷＥＢ１", "web1"],
    ["İstanbul", "istanbul"],
    ["straße_7", "stra-e-7"],
    ["我的电脑", "node"],
    ["🚀", "node"],
    ["", "node"],
    [".local", "node"],
    ["---", "node"],
    ["-a-", "a"],
    ["a--b", "a--b"],
    ["a  b", "a-b"],
    ["xn--bcher-kva", "xn-bcher-kva"],
    ["XN--80ak6aa92e", "xn-80ak6aa92e"],
    ["xn  -x", "xn-x"],
    ["10.0.0.1", "10"],
  ])("makes %j into %j", (hostname, label) => {
    expect(labelOf(hostname)).toBe(label);
  });

  it("cuts at 63 characters and leaves no hyphen at the end", () => {
    expect(labelOf("a".repeat(70))).toBe("a".repeat(63));
    expect(labelOf(`${"a".repeat(62)}-bcd`)).toBe("a".repeat(62));
    expect(labelOf(`${"-".repeat(70)}abc`)).toBe("abc");
  });

  it("always makes a valid label, and leaves valid ones as they are", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" })), (hostname) => {
        const label = labelOf(hostname);
        expect(isLabel(label)).toBe(true);
        expect(label.startsWith("xn--")).toBe(false);
        expect(labelOf(label)).toBe(label);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("isLabel", () => {
  it.each(["a", "a1", "1", "a-b", "a--b", "a".repeat(63)])("accepts %j", (text) => {
    expect(isLabel(text)).toBe(true);
  });

  it.each(["", "-a", "a-", "A", "a.b", "a_b", "ä", "a ", "a\n", "a".repeat(64)])("refuses %j", (text) => {
    expect(isLabel(text)).toBe(false);
  });
});

describe("uniqueLabel", () => {
  const among =
    (...taken: string[]) =>
    (label: string) =>
      taken.includes(label);

  it("is the label itself when that is free", () => {
    expect(uniqueLabel("web", among("db"))).toBe("web");
  });

  it("is the first number that is free, from 1", () => {
    expect(uniqueLabel("web", among("web"))).toBe("web-1");
    expect(uniqueLabel("web", among("web", "web-1", "web-3"))).toBe("web-2");
  });

  it("shortens the label so that the number fits, without two hyphens in a row", () => {
    const long = "a".repeat(63);
    expect(uniqueLabel(long, among(long))).toBe(`${"a".repeat(61)}-1`);
    const hyphen = `${"a".repeat(60)}-bc`;
    expect(uniqueLabel(hyphen, among(hyphen))).toBe(`${"a".repeat(60)}-1`);
  });

  it("is a valid label that is free", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 70 }), fc.nat(120), (hostname, count) => {
        const label = labelOf(hostname);
        const taken = new Set<string>();
        for (let i = 0; i <= count; i++) {
          const next = uniqueLabel(label, (candidate) => taken.has(candidate));
          expect(isLabel(next) && !taken.has(next), next).toBe(true);
          taken.add(next);
        }
      }),
    );
  });
});
