// NoiseCrypto against noble and OpenSSL, which share no code with what it uses for short and for long messages.
import { createCipheriv } from "node:crypto";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ProtocolError } from "../protocol/errors.ts";
import { noiseCrypto } from "./noise-crypto.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 });
const ad = fc.uint8Array({ maxLength: 40 });
const lengths = [0, 1, 511, 512, 513, 4077];

test.each(lengths)("seals and opens %i bytes as noble does", (length) => {
  fc.assert(
    fc.property(key, nonce, ad, fc.uint8Array({ minLength: length, maxLength: length }), (k, n, a, plaintext) => {
      const sealed = noiseCrypto.seal(k, n, a, plaintext);
      expect([...sealed]).toEqual([...chacha20poly1305(k, n, a).encrypt(plaintext)]);
      expect([...(noiseCrypto.open(k, n, a, sealed) ?? [])]).toEqual([...plaintext]);
    }),
    { numRuns: 5 },
  );
});

test.each(lengths)("opens nothing when %i bytes carry a wrong tag or other additional data", (length) => {
  const k = new Uint8Array(32).fill(1);
  const n = new Uint8Array(12);
  const sealed = noiseCrypto.seal(k, n, Uint8Array.of(1), new Uint8Array(length));
  expect(noiseCrypto.open(k, n, Uint8Array.of(2), sealed)).toBeUndefined();
  sealed[sealed.length - 1] = (sealed.at(-1) ?? 0) ^ 1;
  expect(noiseCrypto.open(k, n, Uint8Array.of(1), sealed)).toBeUndefined();
});

test("seals every length up to nine blocks as OpenSSL does", () => {
  const [k, n] = [new Uint8Array(32).fill(0xff), new Uint8Array(12).fill(0xff)];
  for (let length = 0; length <= 9 * 64; length++) {
    const plaintext = new Uint8Array(length).fill(0xff);
    const additional = new Uint8Array(length % 35).fill(0xff);
    const cipher = createCipheriv("chacha20-poly1305", k, n, { authTagLength: 16 });
    cipher.setAAD(additional, { plaintextLength: length });
    const expected = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    const sealed = noiseCrypto.seal(k, n, additional, plaintext);
    expect(Buffer.from(sealed).equals(expected), `${length} bytes`).toBe(true);
    expect(noiseCrypto.open(k, n, additional, sealed), `${length} bytes`).toEqual(plaintext);
  }
});

test.each(lengths)("opens nothing when any bit of the tag or the first bytes of %i is another", (length) => {
  const [k, n] = [new Uint8Array(32).fill(3), new Uint8Array(12).fill(4)];
  const sealed = noiseCrypto.seal(k, n, Uint8Array.of(5), new Uint8Array(length).fill(6));
  const places = [...sealed.keys()].filter((at) => at < 40 || at >= sealed.length - 16);
  for (const at of places) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = sealed.slice();
      changed[at] = (changed[at] as number) ^ (1 << bit);
      expect(noiseCrypto.open(k, n, Uint8Array.of(5), changed), `byte ${at}, bit ${bit}`).toBeUndefined();
    }
  }
  expect(noiseCrypto.open(k, n, Uint8Array.of(5), sealed)).toHaveLength(length);
});

test("opens nothing when the input is shorter than a tag", () => {
  for (let length = 0; length < 16; length++) {
    const k = new Uint8Array(32);
    expect(noiseCrypto.open(k, new Uint8Array(12), new Uint8Array(0), new Uint8Array(length))).toBeUndefined();
  }
});

test("agrees with noble on public keys and shared secrets", async () => {
  await fc.assert(
    fc.asyncProperty(key, key, async (a, b) => {
      expect([...noiseCrypto.publicKey(a)]).toEqual([...x25519.getPublicKey(a)]);
      expect([...(await noiseCrypto.publicKeyForDh(a))]).toEqual([...x25519.getPublicKey(a)]);
      const shared = await noiseCrypto.dh(a, noiseCrypto.publicKey(b));
      expect([...shared]).toEqual([...x25519.getSharedSecret(a, x25519.getPublicKey(b))]);
    }),
    { numRuns: 20 },
  );
});

test.each([0, 1])("refuses the small-order public key %i, whose shared secret is all zero", async (first) => {
  const point = new Uint8Array(32);
  point[0] = first;
  const attempt = noiseCrypto.dh(new Uint8Array(32).fill(5), point);
  await expect(attempt).rejects.toThrow(new ProtocolError("noise-handshake-failed", "key agreement failed"));
});

test("returns results that own their buffers", async () => {
  const k = new Uint8Array(32).fill(1);
  for (const length of lengths) {
    const sealed = noiseCrypto.seal(k, new Uint8Array(12), new Uint8Array(0), new Uint8Array(length));
    expect(sealed.buffer.byteLength).toBe(sealed.length);
    const opened = noiseCrypto.open(k, new Uint8Array(12), new Uint8Array(0), sealed);
    expect(opened?.constructor).toBe(Uint8Array);
    expect(opened?.buffer.byteLength).toBe(length);
  }
  expect(noiseCrypto.publicKey(k).buffer.byteLength).toBe(32);
  expect((await noiseCrypto.publicKeyForDh(k)).buffer.byteLength).toBe(32);
  expect((await noiseCrypto.dh(k, noiseCrypto.publicKey(k))).buffer.byteLength).toBe(32);
});
