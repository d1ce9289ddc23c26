import { describe, expect, it } from "vitest";
import { helpPage, parseInteger, parseOptions, UsageError } from "./command-line.ts";

const TABLE = {
  upstream: { type: "string", value: "URL", help: "Origin of the Worker" },
  "http-port": { type: "string", value: "PORT", default: "80", help: "Plain port" },
  name: { type: "list", help: "Name" },
  json: { type: "boolean", help: "Print JSON" },
} as const;

describe("parseOptions", () => {
  it("takes the command line before the environment before the default", () => {
    const env = { FLARESCALE_UPSTREAM: "http://env", FLARESCALE_HTTP_PORT: "81" };
    const values = parseOptions(TABLE, ["--upstream", "http://line"], env);
    expect(values).toEqual({ upstream: "http://line", "http-port": "81", name: [], json: false });
    expect(parseOptions(TABLE, [], {})["http-port"]).toBe("80");
  });

  it("collects a repeated option, and splits its variable at commas", () => {
    expect(parseOptions(TABLE, ["--name", "a", "--name=b"], {}).name).toEqual(["a", "b"]);
    expect(parseOptions(TABLE, [], { FLARESCALE_NAME: "a, b" }).name).toEqual(["a", "b"]);
  });

  it("reads switches from the environment and refuses what is neither true nor false", () => {
    expect(parseOptions(TABLE, [], { FLARESCALE_JSON: "1" }).json).toBe(true);
    expect(parseOptions(TABLE, [], { FLARESCALE_JSON: "off" }).json).toBe(false);
    expect(() => parseOptions(TABLE, [], { FLARESCALE_JSON: "maybe" })).toThrow(
      "FLARESCALE_JSON must be true or false",
    );
  });

  it("names an unknown option, a missing value and a stray word", () => {
    expect(() => parseOptions(TABLE, ["--upstraem", "x"], {})).toThrow(/Unknown option '--upstraem'/);
    expect(() => parseOptions(TABLE, ["--upstream"], {})).toThrow(UsageError);
    expect(() => parseOptions(TABLE, ["stray"], {})).toThrow(/stray/);
  });
});

describe("parseInteger", () => {
  it("refuses signs, fractions, words and numbers out of bounds", () => {
    expect(parseInteger("p", "65535", 0, 65_535)).toBe(65_535);
    for (const text of ["-1", "1.5", "x", "", "65536", "1e3"]) {
      expect(() => parseInteger("p", text, 0, 65_535)).toThrow("--p must be a whole number from 0 to 65535");
    }
  });
});

describe("helpPage", () => {
  it("says every option, its variable, the examples and the exit codes", () => {
    const page = helpPage({
      name: "try",
      summary: "try things",
      description: "Tries.",
      options: TABLE,
      examples: ["flarescale try --json"],
      exitCodes: ["fine", "not fine", "what?"],
    });
    for (const part of [
      "--upstream URL",
      "FLARESCALE_HTTP_PORT",
      "default 80",
      "flarescale try --json",
      "1  not fine",
    ]) {
      expect(page).toContain(part);
    }
    expect(Math.max(...page.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
  });
});
