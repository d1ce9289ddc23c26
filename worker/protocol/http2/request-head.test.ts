import { describe, expect, test } from "vitest";
import type { HeaderField } from "./hpack/table.ts";
import { areTrailers, readRequest } from "./request-head.ts";

const PSEUDO: readonly HeaderField[] = [
  [":method", "POST"],
  [":scheme", "https"],
  [":authority", "unused"],
  [":path", "/machine/map"],
];

const without = (name: string) => PSEUDO.filter(([known]) => known !== name);
const replaced = (name: string, value: string) => PSEUDO.map(([n, v]): HeaderField => [n, n === name ? value : v]);

describe("readRequest", () => {
  test("reads what Go's client sends", () => {
    const headers: readonly HeaderField[] = [
      ["ts-lb", "nodekey:00"],
      ["ts-lb", "nodekey:01"],
      ["content-length", "12"],
      ["accept-encoding", "gzip"],
      ["user-agent", "Go-http-client/2.0"],
    ];
    expect(readRequest([...PSEUDO, ...headers])).toEqual({
      head: { method: "POST", path: "/machine/map", authority: "unused", headers },
      contentLength: 12,
    });
  });

  test("takes pseudo headers in any order", () => {
    expect(readRequest(PSEUDO.toReversed())).toEqual(readRequest(PSEUDO));
  });

  test("falls back to host, then to nothing, for the authority", () => {
    expect(readRequest([...without(":authority"), ["host", "a.example"]])?.head.authority).toBe("a.example");
    expect(readRequest(without(":authority"))?.head.authority).toBe("");
    expect(readRequest([...PSEUDO, ["host", "a.example"]])?.head.authority).toBe("unused");
  });

  test.each([
    ["te: trailers", ["te", "trailers"]],
    ["an empty value", ["x", ""]],
    ["inner white space and octets above 0x7f", ["x", "a \t\xff"]],
    ["every token character in a name", ["!#$%&'*+-.^_`|~09az", ""]],
  ] as const)("accepts %s", (_, field) => {
    expect(readRequest([...PSEUDO, field])?.head.headers).toEqual([field]);
  });

  test("accepts the same content-length twice", () => {
    expect(readRequest([...PSEUDO, ["content-length", "7"], ["content-length", "7"]])?.contentLength).toBe(7);
  });

  test.each([
    ["no fields at all", []],
    ["no :method", without(":method")],
    ["no :scheme", without(":scheme")],
    ["no :path", without(":path")],
    ["an empty :method", replaced(":method", "")],
    ["an empty :scheme", replaced(":scheme", "")],
    ["an empty :path", replaced(":path", "")],
    ["a method that is not a token", replaced(":method", "GE T")],
    ["a relative path", replaced(":path", "machine/map")],
    ["a path in absolute form", replaced(":path", "https://a/b")],
    ["a path with a space", replaced(":path", "/a b")],
    ["a path with a control character", replaced(":path", "/a\n")],
    ["a path with an octet above 0x7f", replaced(":path", "/\xe9")],
    ["an authority with a line break", replaced(":authority", "a\r\nb")],
    [
      "CONNECT",
      [
        [":method", "CONNECT"],
        [":authority", "a:1"],
      ],
    ],
    ["a repeated pseudo header", [...PSEUDO, PSEUDO[0]]],
    ["an unknown pseudo header", [[":protocol", "websocket"], ...PSEUDO]],
    ["a response pseudo header", [[":status", "200"], ...PSEUDO]],
    ["a pseudo header after a regular one", [...without(":path"), ["x", ""], [":path", "/"]]],
    ["an upper-case name", [...PSEUDO, ["X-Name", ""]]],
    ["an empty name", [...PSEUDO, ["", "x"]]],
    ["a name with a space", [...PSEUDO, ["a b", "x"]]],
    ["a name with a colon inside", [...PSEUDO, ["a:b", "x"]]],
    ["a name with an octet above 0x7f", [...PSEUDO, ["\xe9", "x"]]],
    ["a value with NUL", [...PSEUDO, ["x", "a\0"]]],
    ["a value with CR", [...PSEUDO, ["x", "a\rb"]]],
    ["a value with LF", [...PSEUDO, ["x", "a\nb: c"]]],
    ["a value that begins with a space", [...PSEUDO, ["x", " a"]]],
    ["a value that ends with a tab", [...PSEUDO, ["x", "a\t"]]],
    ["connection", [...PSEUDO, ["connection", "close"]]],
    ["proxy-connection", [...PSEUDO, ["proxy-connection", "close"]]],
    ["keep-alive", [...PSEUDO, ["keep-alive", "1"]]],
    ["transfer-encoding", [...PSEUDO, ["transfer-encoding", "chunked"]]],
    ["upgrade", [...PSEUDO, ["upgrade", "h2c"]]],
    ["te other than trailers", [...PSEUDO, ["te", "gzip"]]],
    ["a content-length that is not a number", [...PSEUDO, ["content-length", "1e3"]]],
    ["a negative content-length", [...PSEUDO, ["content-length", "-1"]]],
    ["a content-length with a list", [...PSEUDO, ["content-length", "1, 1"]]],
    ["a content-length beyond exact integers", [...PSEUDO, ["content-length", "9999999999999999"]]],
    ["two unlike content-lengths", [...PSEUDO, ["content-length", "1"], ["content-length", "2"]]],
  ] as readonly (readonly [string, readonly HeaderField[]])[])("refuses %s", (_, fields) => {
    expect(readRequest(fields)).toBeUndefined();
  });
});

describe("areTrailers", () => {
  test("accepts regular fields", () => {
    expect(areTrailers([])).toBe(true);
    expect(areTrailers([["grpc-status", "0"]])).toBe(true);
  });

  test.each([
    ["a pseudo header", [":path", "/"]],
    ["a connection header", ["connection", "close"]],
    ["an upper-case name", ["X", ""]],
  ] as const)("refuses %s", (_, field) => {
    expect(areTrailers([["ok", ""], field])).toBe(false);
  });
});
