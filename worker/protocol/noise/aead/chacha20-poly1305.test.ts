// The short cipher against RFC 8439 and OpenSSL: every length around the blocks, and the sums at which carries are lost.
import { createCipheriv } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, EMPTY, fromHex, toHex, utf8 } from "../../bytes.ts";
import { openShort, sealShort } from "./chacha20-poly1305.ts";
import { addPadded, finishMac, startMac } from "./poly1305.ts";

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(" ", "")) as Uint8Array;

// oxlint-disable-next-line max-params -- the parameters of every AEAD
function sealByOpenssl(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  cipher.setAAD(ad, { plaintextLength: plaintext.length });
  return concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function mac(key: Uint8Array, blocks: Uint8Array): string {
  const tag = new Uint8Array(16);
  startMac(new Int32Array(key.slice().buffer));
  addPadded(blocks, blocks.length);
  finishMac(tag, 0);
  return toHex(tag);
}

describe("RFC 8439", () => {
  it("2.8.2: seals and opens the example", () => {
    const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
    const nonce = hex("07000000 4041424344454647");
    const ad = hex("50515253c0c1c2c3c4c5c6c7");
    const plaintext = utf8(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    );
    const sealed = hex(
      "d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6 3dbea45e8ca9671282fafb69da92728b" +
        "1a71de0a9e060b2905d6a5b67ecd3b36 92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc" +
        "3ff4def08e4b7a9de576d26586cec64b 6116 1ae10b594f09e26a7e902ecbd0600691",
    );
    expect(toHex(sealShort(key, nonce, ad, plaintext))).toBe(toHex(sealed));
    expect(openShort(key, nonce, ad, sealed)).toEqual(plaintext);
  });

  // A.3: vectors 7 to 11, made to lose carries.
  it.each([
    [
      "01",
      "00",
      "ffffffffffffffffffffffffffffffff f0ffffffffffffffffffffffffffffff 11000000000000000000000000000000",
      "05",
    ],
    [
      "01",
      "00",
      "ffffffffffffffffffffffffffffffff fbfefefefefefefefefefefefefefefe 01010101010101010101010101010101",
      "00",
    ],
    ["02", "00", "fdffffffffffffffffffffffffffffff", "faffffffffffffffffffffffffffffff"],
    [
      "0100000000000000 04",
      "00",
      "e33594d7505e43b90000000000000000 3394d7505e4379cd0100000000000000 00000000000000000000000000000000" +
        "01000000000000000000000000000000",
      "1400000000000000 55",
    ],
    [
      "0100000000000000 04",
      "00",
      "e33594d7505e43b90000000000000000 3394d7505e4379cd0100000000000000 00000000000000000000000000000000",
      "13",
    ],
    // Vectors 5 and 6: at 2^130 - 5, and at 2^128 when the pad is added.
    ["02", "00", "ffffffffffffffffffffffffffffffff", "03"],
    ["02", "ffffffffffffffffffffffffffffffff", "02000000000000000000000000000000", "03"],
  ])("A.3: the tag of r = %s, s = %s", (r, s, blocks, tag) => {
    const half = (text: string) => text.replaceAll(" ", "").padEnd(32, "0");
    expect(mac(hex(half(r) + half(s)), hex(blocks))).toBe(half(tag));
  });
});

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 });
const ad = fc.uint8Array({ maxLength: 40 });

describe("a message", () => {
  it("of every length up to nine blocks is sealed as OpenSSL seals it", () => {
    const [k, n] = [new Uint8Array(32).fill(0xff), new Uint8Array(12).fill(0xff)];
    for (let length = 0; length <= 9 * 64; length++) {
      const plaintext = new Uint8Array(length).fill(0xff);
      const additional = new Uint8Array(length % 35).fill(0xff);
      const sealed = sealShort(k, n, additional, plaintext);
      expect(toHex(sealed), `${length} bytes`).toBe(toHex(sealByOpenssl(k, n, additional, plaintext)));
      expect(toHex(openShort(k, n, additional, sealed) ?? EMPTY), `${length} bytes`).toBe(toHex(plaintext));
    }
  });

  it("of any bytes under any key is sealed as OpenSSL seals it, and opened", () => {
    fc.assert(
      fc.property(key, nonce, ad, fc.uint8Array({ maxLength: 600, size: "max" }), (k, n, a, plaintext) => {
        const sealed = sealShort(k, n, a, plaintext);
        expect(toHex(sealed)).toBe(toHex(sealByOpenssl(k, n, a, plaintext)));
        expect(openShort(k, n, a, sealed)).toEqual(plaintext);
      }),
      { numRuns: 300 },
    );
  });

  it("is not opened when any bit of it is another, and gives no plaintext away", () => {
    const [k, n, a] = [new Uint8Array(32).fill(3), new Uint8Array(12).fill(4), Uint8Array.of(5)];
    const sealed = sealShort(k, n, a, utf8("a plaintext of more than one block of the mac"));
    for (let bit = 0; bit < 8 * sealed.length; bit++) {
      const changed = sealed.slice();
      changed[bit >>> 3] = (changed[bit >>> 3] as number) ^ (1 << (bit & 7));
      expect(openShort(k, n, a, changed), `bit ${bit}`).toBeUndefined();
    }
    expect(openShort(k, n, Uint8Array.of(6), sealed)).toBeUndefined();
    expect(openShort(k, n, EMPTY, sealed)).toBeUndefined();
    expect(openShort(k, new Uint8Array(12), a, sealed)).toBeUndefined();
    expect(openShort(new Uint8Array(32), n, a, sealed)).toBeUndefined();
    for (let length = 0; length < sealed.length; length++)
      expect(openShort(k, n, a, sealed.subarray(0, length)), `${length} bytes`).toBeUndefined();
    expect(openShort(k, n, a, sealed)).toBeDefined();
  });

  it("is sealed and opened in buffers of their own, also from views", () => {
    const [k, n] = [new Uint8Array(32).fill(3), new Uint8Array(12).fill(4)];
    const plaintext = new Uint8Array(200).fill(7).subarray(3, 103);
    const sealed = sealShort(k, n, EMPTY, plaintext);
    expect(sealed.buffer.byteLength).toBe(116);
    const opened = openShort(k, n, EMPTY, concat([Uint8Array.of(1), sealed]).subarray(1));
    expect(opened).toEqual(plaintext.slice());
    expect(opened?.buffer.byteLength).toBe(100);
  });
});
