import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseNodeKey } from "../keys.ts";
import {
  formatSecond,
  formatTime,
  MalformedRequest,
  parseJsonObject,
  readBoolean,
  readInteger,
  readKey,
  readObject,
  readString,
  readStrings,
  readTime,
} from "./json.ts";

const KEY = `nodekey:${"ab".repeat(32)}`;

describe("parseJsonObject", () => {
  it("parses an object", () => {
    expect(parseJsonObject('{"a":1}')).toEqual({ a: 1 });
  });

  it.each(["", "{", "null", "[]", "1", '"x"', "{} {}", '{"a":1'])("refuses %j", (text) => {
    expect(() => parseJsonObject(text)).toThrow(MalformedRequest);
  });
});

describe("field readers", () => {
  const readers = {
    readString,
    readBoolean,
    readInteger,
    readObject,
    readStrings,
    readTime,
    readKey: (object: Record<string, unknown>, name: string) => readKey(object, name, parseNodeKey) ?? undefined,
  };

  it.each(Object.entries(readers))("%s takes an absent field and null for nothing", (_name, reader) => {
    expect(reader({}, "x")).toBeUndefined();
    expect(reader({ x: null }, "x")).toBeUndefined();
  });

  it.each(Object.entries(readers))("%s reads or refuses, whatever the value", (_name, reader) => {
    fc.assert(
      fc.property(fc.jsonValue(), (x) => {
        try {
          reader({ x }, "x");
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedRequest);
        }
      }),
    );
  });

  it.each([
    ["readString", readString, [1, true, {}, ["x"]]],
    ["readBoolean", readBoolean, ["true", 0, 1, {}]],
    ["readInteger", readInteger, ["1", 1.5, 2 ** 31, -(2 ** 31) - 1, true, [1]]],
    ["readObject", readObject, [[], "{}", 1, true]],
    ["readStrings", readStrings, ["x", [1], ["x", null], {}]],
    ["readTime", readTime, [0, "yesterday", "2026-01-02", "2026-13-02T03:04:05Z", "+012026-01-02T03:04:05Z", "1", ""]],
  ] as const)("%s refuses values of another type", (_name, reader, wrong) => {
    for (const x of wrong) expect(() => reader({ x }, "x"), JSON.stringify(x)).toThrow(MalformedRequest);
  });

  it("says which field is wrong and nothing of its value", () => {
    expect(() => readString({ Auth: { AuthKey: "tskey-auth-secret" } }, "Auth")).toThrow("Auth is not a string");
  });

  it("reads no name in another spelling", () => {
    expect(readString({ hostname: "x" }, "Hostname")).toBeUndefined();
  });

  it("removes NUL characters from strings and lists of strings", () => {
    expect(readString({ x: "a\u0000b" }, "x")).toBe("ab");
    expect(readStrings({ x: ["a\u0000", "b"] }, "x")).toEqual(["a", "b"]);
  });

  it("reads integers at the ends of 32 bits", () => {
    expect(readInteger({ x: 2 ** 31 - 1 }, "x")).toBe(2 ** 31 - 1);
    expect(readInteger({ x: -(2 ** 31) }, "x")).toBe(-(2 ** 31));
  });
});

describe("readKey", () => {
  it("reads a key of its kind", () => {
    expect(readKey({ NodeKey: KEY }, "NodeKey", parseNodeKey)).toBe(KEY);
  });

  it("takes the zero key for nothing", () => {
    expect(readKey({ NodeKey: `nodekey:${"0".repeat(64)}` }, "NodeKey", parseNodeKey)).toBeNull();
  });

  it.each([KEY.slice(0, -1), `${KEY}0`, KEY.toUpperCase(), KEY.replace("node", "m"), "", 7, {}])("refuses %j", (x) => {
    expect(() => readKey({ x }, "x", parseNodeKey)).toThrow(MalformedRequest);
  });
});

describe("times", () => {
  it("reads a fraction and an offset", () => {
    expect(readTime({ x: "2026-01-02T03:04:05.123456789+01:00" }, "x")).toBe(Date.UTC(2026, 0, 2, 2, 4, 5, 123));
  });

  it("takes the zero time for nothing", () => {
    expect(readTime({ x: "0001-01-01T00:00:00Z" }, "x")).toBeUndefined();
  });

  it("reads the logout time in the zone of any device", () => {
    for (const text of ["1970-01-01T00:02:03Z", "1970-01-01T05:32:03+05:30", "1969-12-31T14:02:03-10:00"]) {
      expect(readTime({ x: text }, "x")).toBe(123_000);
    }
  });

  it("are written without a fraction of zero", () => {
    expect(formatTime(Date.UTC(2026, 0, 2, 3, 4, 5))).toBe("2026-01-02T03:04:05Z");
    expect(formatTime(Date.UTC(2026, 0, 2, 3, 4, 5, 7))).toBe("2026-01-02T03:04:05.007Z");
    expect(formatSecond(Date.UTC(2026, 0, 2, 3, 4, 5, 999))).toBe("2026-01-02T03:04:05Z");
  });

  it("are read as they were written", () => {
    const instants = fc.integer({ min: Date.UTC(1970, 0, 1), max: Date.UTC(9999, 11, 31) });
    fc.assert(
      fc.property(instants, (at) => {
        expect(readTime({ x: formatTime(at) }, "x")).toBe(at);
      }),
    );
  });
});
