import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, fromHex, utf8 } from "../../bytes.ts";
import { decodeBlock } from "./decode.ts";
import { encodeResponseBlock } from "./encode.ts";
import { newTable } from "./table.ts";

const bytes = (hex: string) => fromHex(hex.replaceAll(" ", "")) ?? expect.fail("not hex");

describe("encodeResponseBlock", () => {
  test.each([
    [200, "2088"],
    [204, "2089"],
    [206, "208a"],
    [304, "208b"],
    [400, "208c"],
    [404, "208d"],
    [500, "208e"],
    [101, "2008 03 313031"],
    [429, "2008 03 343239"],
  ])("writes status %i as %s", (status, hex) => {
    expect(encodeResponseBlock(status, [])).toEqual(bytes(hex));
  });

  test("writes fields as literals without indexing", () => {
    expect(encodeResponseBlock(200, [["retry-after", "5"]])).toEqual(
      concat([bytes("2088 00 0b"), utf8("retry-after"), bytes("01 35")]),
    );
  });

  test.each([126, 127, 128, 254, 255, 16_510, 16_511])("writes a value of %i octets", (length) => {
    const headers = [["a", "x".repeat(length)]] as const;
    const fields = decodeBlock(newTable(), encodeResponseBlock(200, headers), { tableLimit: 0, maxList: 1e9 });
    expect(fields?.slice(1)).toEqual(headers);
  });

  test("is read back by the decoder, and leaves its table empty", () => {
    const text = fc.string({ maxLength: 20_000, unit: "grapheme-ascii" });
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), fc.array(fc.tuple(text, text)), (status, headers) => {
        const table = newTable();
        const fields = decodeBlock(table, encodeResponseBlock(status, headers), { tableLimit: 0, maxList: 1e9 });
        expect(fields).toEqual([[":status", String(status)], ...headers]);
        expect(table).toEqual({ entries: [], size: 0, capacity: 0 });
      }),
    );
  });
});
