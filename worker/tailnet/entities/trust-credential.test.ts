import fc from "fast-check";
import { expect, it } from "vitest";
import { matchesPattern } from "./trust-credential.ts";

it.each([
  ["repo:acme/web:ref:refs/heads/main", "repo:acme/web:ref:refs/heads/main", true],
  ["repo:acme/*", "repo:acme/web:ref:refs/heads/main", true],
  ["repo:acme/*", "repo:acme-evil/web", false],
  ["*", "", true],
  ["", "", true],
  ["", "x", false],
  ["a*a", "a", false],
  ["a*b*c", "abc", true],
  ["a*b*c", "acb", false],
  ["*.example.com", "evil.example.com.attacker.net", false],
  ["A", "a", false],
  ["a.c", "abc", false],
  ["a?c", "abc", false],
  ["**", "x", true],
])("%j matches %j: %s", (pattern, text, matches) => {
  expect(matchesPattern(pattern, text)).toBe(matches);
});

it("agrees with a regular expression, in time that does not explode", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", ".", "*") });
  fc.assert(
    fc.property(letters, letters, (pattern, text) => {
      const source = pattern.replaceAll(/\*+/g, "*").replaceAll(".", "\\.").replaceAll("*", ".*");
      expect(matchesPattern(pattern, text)).toBe(new RegExp(`^${source}$`, "s").test(text));
    }),
  );
  expect(matchesPattern("*a".repeat(500), "a".repeat(50_000))).toBe(true);
  expect(matchesPattern(`${"*a".repeat(500)}b`, "a".repeat(50_000))).toBe(false);
});
