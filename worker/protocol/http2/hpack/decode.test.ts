import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, fromHex } from "../../bytes.ts";
import { Http2ErrorCode } from "../../errors.ts";
import { decodeBlock } from "./decode.ts";
import { type HeaderField, type HpackTable, newTable } from "./table.ts";

const bytes = (hex: string) => fromHex(hex.replaceAll(" ", "")) ?? expect.fail("not hex");
const RULES = { tableLimit: 4096, maxList: 16_384 };
const compressionError = expect.objectContaining({ code: "http2", http2: Http2ErrorCode.COMPRESSION_ERROR });

/** A header block, what it decodes to, and the dynamic table after it, newest first, as RFC 7541 Appendix C has them. */
interface Step {
  readonly hex: string;
  readonly fields: readonly string[];
  readonly table: readonly string[];
  readonly size: number;
}

const REQUESTS = [
  {
    fields: [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
    table: [":authority: www.example.com"],
    size: 57,
  },
  {
    fields: [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
    table: ["cache-control: no-cache", ":authority: www.example.com"],
    size: 110,
  },
  {
    fields: [
      ":method: GET",
      ":scheme: https",
      ":path: /index.html",
      ":authority: www.example.com",
      "custom-key: custom-value",
    ],
    table: ["custom-key: custom-value", "cache-control: no-cache", ":authority: www.example.com"],
    size: 164,
  },
];
const COOKIE = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const RESPONSES = [
  {
    fields: [
      ":status: 302",
      "cache-control: private",
      "date: Mon, 21 Oct 2013 20:13:21 GMT",
      "location: https://www.example.com",
    ],
    table: [
      "location: https://www.example.com",
      "date: Mon, 21 Oct 2013 20:13:21 GMT",
      "cache-control: private",
      ":status: 302",
    ],
    size: 222,
  },
  {
    fields: [
      ":status: 307",
      "cache-control: private",
      "date: Mon, 21 Oct 2013 20:13:21 GMT",
      "location: https://www.example.com",
    ],
    table: [
      ":status: 307",
      "location: https://www.example.com",
      "date: Mon, 21 Oct 2013 20:13:21 GMT",
      "cache-control: private",
    ],
    size: 222,
  },
  {
    fields: [
      ":status: 200",
      "cache-control: private",
      "date: Mon, 21 Oct 2013 20:13:22 GMT",
      "location: https://www.example.com",
      "content-encoding: gzip",
      COOKIE,
    ],
    table: [COOKIE, "content-encoding: gzip", "date: Mon, 21 Oct 2013 20:13:22 GMT"],
    size: 215,
  },
];

function series(hexes: readonly string[], expected: readonly Omit<Step, "hex">[]): Step[] {
  return expected.map((step, i) => ({ ...step, hex: hexes[i] ?? expect.fail("too few blocks") }));
}

const C2 = ["custom-key: custom-header", ":path: /sample/path", "password: secret", ":method: GET"] as const;
const SERIES: readonly (readonly [name: string, capacity: number, steps: readonly Step[]])[] = [
  [
    "C.2.1 literal with indexing",
    4096,
    [{ hex: "400a637573746f6d2d6b65790d637573746f6d2d686561646572", fields: [C2[0]], table: [C2[0]], size: 55 }],
  ],
  [
    "C.2.2 literal without indexing",
    4096,
    [{ hex: "040c2f73616d706c652f70617468", fields: [C2[1]], table: [], size: 0 }],
  ],
  [
    "C.2.3 literal never indexed",
    4096,
    [{ hex: "100870617373776f726406736563726574", fields: [C2[2]], table: [], size: 0 }],
  ],
  ["C.2.4 indexed field", 4096, [{ hex: "82", fields: [C2[3]], table: [], size: 0 }]],
  [
    "C.3 requests",
    4096,
    series(
      [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
      ],
      REQUESTS,
    ),
  ],
  [
    "C.4 requests with Huffman",
    4096,
    series(
      [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
      ],
      REQUESTS,
    ),
  ],
  [
    "C.5 responses with evictions",
    256,
    series(
      [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
      ],
      RESPONSES,
    ),
  ],
  [
    "C.6 responses with Huffman and evictions",
    256,
    series(
      [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
      ],
      RESPONSES,
    ),
  ],
];

const asText = (fields: readonly HeaderField[] | undefined) => fields?.map(([name, value]) => `${name}: ${value}`);

function tableOf(capacity: number): HpackTable {
  return { ...newTable(), capacity };
}

describe("decodeBlock", () => {
  test.each(SERIES)("decodes RFC 7541 %s", (_, capacity, steps) => {
    const table = tableOf(capacity);
    for (const { hex, fields, table: expected, size } of steps) {
      expect(asText(decodeBlock(table, bytes(hex), RULES))).toEqual(fields);
      expect(asText(table.entries.toReversed())).toEqual(expected);
      expect(table.size).toBe(size);
    }
  });

  test("decodes an empty block", () => {
    expect(decodeBlock(newTable(), bytes(""), RULES)).toEqual([]);
  });

  // RFC 7541 C.1: 10 in 5 bits and 1337 in 5 bits, here as table sizes.
  test.each([
    ["2a", 10],
    ["3f9a0a", 1337],
    ["3f00", 31],
    ["3fe11f", 4096],
    ["3fe19f80 00", 4096],
    ["20 3fe11f", 4096],
  ])("obeys the size update %s", (hex, capacity) => {
    const table = newTable();
    decodeBlock(table, bytes(hex), RULES);
    expect(table.capacity).toBe(capacity);
  });

  test("evicts what a size update leaves no room for", () => {
    const table = newTable();
    decodeBlock(table, bytes("400161 0131 400162 0132"), RULES);
    expect(table.size).toBe(68);
    expect(asText(decodeBlock(table, bytes("3f0f be"), RULES))).toEqual(["b: 2"]);
    expect(asText(table.entries)).toEqual(["b: 2"]);
    expect(() => decodeBlock(table, bytes("20 be"), RULES)).toThrow(compressionError);
  });

  test.each([
    ["index 0", "80"],
    ["an index past the static table", "be"],
    ["a name index past the tables", "7f00 0161"],
    ["an indexed field whose index does not end", "ff"],
    ["an index of five continuation octets", "ff8080808000"],
    ["an index that overflows 32 bits", "ffffffffffff0f"],
    ["a size update above the limit", "3fe21f"],
    ["a size update after a field", "82 20"],
    ["a block that ends after the first octet of a literal", "40"],
    ["a block that ends inside a name", "40 0a 6375"],
    ["a block that ends before the value", "40 0161"],
    ["a block that ends inside a value", "44 02 2f"],
    ["a block that ends inside a length", "44 7f"],
    ["a size update with a fifth continuation octet", "3fe19f808000"],
    ["a length of 2^28", "44 7f 80ffff7f"],
    ["a Huffman value with wrong padding", "44 81 1e"],
  ])("refuses %s", (_, hex) => {
    expect(() => decodeBlock(newTable(), bytes(hex), RULES)).toThrow(compressionError);
  });

  test("refuses a block that does not confirm a lowered limit", () => {
    const rules = { ...RULES, tableLimit: 0 };
    expect(() => decodeBlock(newTable(), bytes("82"), rules)).toThrow(compressionError);
    expect(() => decodeBlock(newTable(), bytes("2a 82"), rules)).toThrow(compressionError);
    const table = newTable();
    expect(asText(decodeBlock(table, bytes("20 82"), rules))).toEqual([":method: GET"]);
    expect(asText(decodeBlock(table, bytes("82"), rules))).toEqual([":method: GET"]);
  });

  test("refuses every truncation inside a field", () => {
    const block = bytes("828684418cf1e3c2e5f23a6ba0ab90f4ff");
    for (let length = 0; length < block.length; length++) {
      const decode = () => decodeBlock(newTable(), block.subarray(0, length), RULES);
      if (length <= 3) expect(decode()).toHaveLength(length);
      else expect(decode).toThrow(compressionError);
    }
  });

  test("returns undefined above the list limit, with the table in step", () => {
    const table = newTable();
    const block = bytes("400161 0131 400162 0132");
    expect(decodeBlock(table, block, { ...RULES, maxList: 67 })).toBeUndefined();
    expect(asText(table.entries)).toEqual(["a: 1", "b: 2"]);
    expect(asText(decodeBlock(table, bytes("bebf"), { ...RULES, maxList: 68 }))).toEqual(["b: 2", "a: 1"]);
  });

  test("keeps one character per octet", () => {
    const octets = Uint8Array.from({ length: 256 }, (_, i) => i);
    const block = concat([bytes("00 0161 7f8101"), octets]);
    expect(decodeBlock(newTable(), block, RULES)).toEqual([["a", String.fromCharCode(...octets)]]);
  });

  test("decodes or refuses any block, and keeps the table within its capacity", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 10 }), (blocks) => {
        const table = newTable();
        try {
          for (const block of blocks) decodeBlock(table, block, RULES);
        } catch (error) {
          expect(error).toEqual(compressionError);
        }
        expect(table.size).toBeLessThanOrEqual(table.capacity);
      }),
      { numRuns: 2000 },
    );
  });
});
