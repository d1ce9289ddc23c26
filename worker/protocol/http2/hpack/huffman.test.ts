import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex } from "../../bytes.ts";
import { Http2ErrorCode } from "../../errors.ts";
import { decodeHuffman } from "./huffman.ts";

const bytes = (hex: string) => fromHex(hex) ?? expect.fail("not hex");

// Octet or EOS (256), its code and the bits of it, as RFC 7541 Appendix B lists them: the ends of every length.
const CODES: readonly (readonly [octet: number, code: number, bits: number])[] = [
  [0x30, 0x0, 5],
  [0x74, 0x9, 5],
  [0x20, 0x14, 6],
  [0x75, 0x2d, 6],
  [0x3a, 0x5c, 7],
  [0x7a, 0x7b, 7],
  [0x26, 0xf8, 8],
  [0x5a, 0xfd, 8],
  [0x21, 0x3f8, 10],
  [0x3f, 0x3fc, 10],
  [0x27, 0x7fa, 11],
  [0x7c, 0x7fc, 11],
  [0x23, 0xffa, 12],
  [0x3e, 0xffb, 12],
  [0x00, 0x1ff8, 13],
  [0x7e, 0x1ffd, 13],
  [0x5e, 0x3ffc, 14],
  [0x7d, 0x3ffd, 14],
  [0x3c, 0x7ffc, 15],
  [0x7b, 0x7ffe, 15],
  [0x5c, 0x7fff0, 19],
  [0xd0, 0x7fff2, 19],
  [0x80, 0xfffe6, 20],
  [0xe2, 0xfffed, 20],
  [0x01, 0x7fffd8, 23],
  [0x09, 0xffffea, 24],
  [0xf9, 0xffffffe, 28],
  [0x02, 0xfffffe2, 28],
  [0x0a, 0x3ffffffc, 30],
  [0x16, 0x3ffffffe, 30],
  [256, 0x3fffffff, 30],
];

/** Writes codes one bit after the other and pads with ones. */
function pack(codes: readonly (readonly [code: number, bits: number])[]): Uint8Array {
  let text = codes.map(([code, bits]) => code.toString(2).padStart(bits, "0")).join("");
  text = text.padEnd(Math.ceil(text.length / 8) * 8, "1");
  return Uint8Array.from(text.match(/.{8}/g) ?? [], (octet) => Number.parseInt(octet, 2));
}

describe("decodeHuffman", () => {
  // RFC 7541 C.4, C.6.
  test.each([
    ["", ""],
    ["f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"],
    ["a8eb10649cbf", "no-cache"],
    ["25a849e95ba97d7f", "custom-key"],
    ["25a849e95bb8e8b4bf", "custom-value"],
    ["6402", "302"],
    ["aec3771a4b", "private"],
    ["d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"],
    ["9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"],
  ])("decodes %s", (hex, text) => {
    expect(decodeHuffman(bytes(hex))).toBe(text);
  });

  test.each(CODES.filter(([octet]) => octet < 256))("knows the code of octet %i", (octet, code, bits) => {
    expect(decodeHuffman(pack([[code, bits]]))).toBe(String.fromCharCode(octet));
  });

  test("decodes any sequence of codes", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...CODES.filter(([octet]) => octet < 256))), (codes) => {
        const text = codes.map(([octet]) => String.fromCharCode(octet)).join("");
        expect(decodeHuffman(pack(codes.map(([, code, bits]) => [code, bits])))).toBe(text);
      }),
    );
  });

  test.each([
    ["EOS", pack([[0x3fffffff, 30]])],
    [
      "EOS after text",
      pack([
        [0x3, 5],
        [0x3fffffff, 30],
        [0x3, 5],
      ]),
    ],
    ["8 bits of padding", bytes("ff")],
    ["8 bits of padding after a whole octet", bytes("f8ff")],
    ["16 bits of padding after text", bytes("1fffff")],
    ["padding with a 0", bytes("1e")],
    ["a truncated long code", bytes("fffffe")],
  ])("refuses %s", (_, octets) => {
    expect(() => decodeHuffman(octets)).toThrow(expect.objectContaining({ http2: Http2ErrorCode.COMPRESSION_ERROR }));
  });

  test("decodes or refuses any octets", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (octets) => {
        try {
          expect(decodeHuffman(octets).length).toBeLessThanOrEqual((octets.length * 8) / 5);
        } catch (error) {
          expect(error).toMatchObject({ code: "http2", http2: Http2ErrorCode.COMPRESSION_ERROR });
        }
      }),
    );
  });
});
