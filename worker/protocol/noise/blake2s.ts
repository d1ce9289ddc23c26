// BLAKE2s-256 without a key (RFC 7693), and HMAC and HKDF over it as Noise uses them (rev 34 §4.3). It is ours because a
// handshake hashes some sixty blocks and every other one in JavaScript costs several times as much: in noble's each half
// of a mix returns an object of numbers too large for V8's small integers. No platform that we run on has it natively.
// Everything is synchronous, so that all hashes share one block and two states; they are wiped when secrets went through.
// NOTE: words are read in the byte order of the machine, and V8's machines that run workerd are little-endian.

/** Bytes of a hash, an HMAC and a key. */
export const HASH_LENGTH = 32;
const BLOCK_LENGTH = 64;

const IV = Int32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);
const SIGMA = Uint8Array.of(
  0,
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  9,
  10,
  11,
  12,
  13,
  14,
  15,
  14,
  10,
  4,
  8,
  9,
  15,
  13,
  6,
  1,
  12,
  0,
  2,
  11,
  7,
  5,
  3,
  11,
  8,
  12,
  0,
  5,
  2,
  15,
  13,
  10,
  14,
  3,
  6,
  7,
  1,
  9,
  4,
  7,
  9,
  3,
  1,
  13,
  12,
  11,
  14,
  2,
  6,
  5,
  10,
  4,
  0,
  15,
  8,
  9,
  0,
  5,
  7,
  2,
  4,
  10,
  15,
  14,
  1,
  11,
  12,
  6,
  8,
  3,
  13,
  2,
  12,
  6,
  10,
  0,
  11,
  8,
  3,
  4,
  13,
  7,
  5,
  15,
  14,
  1,
  9,
  12,
  5,
  1,
  15,
  14,
  13,
  4,
  10,
  0,
  7,
  6,
  3,
  9,
  2,
  8,
  11,
  13,
  11,
  7,
  14,
  12,
  1,
  3,
  9,
  5,
  0,
  15,
  4,
  8,
  6,
  2,
  10,
  6,
  15,
  14,
  9,
  11,
  3,
  0,
  8,
  12,
  2,
  13,
  7,
  1,
  4,
  10,
  5,
  10,
  2,
  8,
  4,
  7,
  6,
  1,
  5,
  15,
  11,
  9,
  14,
  3,
  12,
  13,
  0,
);
/** The IV under the parameter block of a hash of 32 bytes with no key: RFC 7693 §3.3. */
const START = IV.with(0, (IV[0] as number) ^ 0x01010000 ^ HASH_LENGTH);

const block = new Uint8Array(BLOCK_LENGTH);
const words = new Int32Array(block.buffer);
const state = new Int32Array(8);
const FIRST = Uint8Array.of(1);
const SECOND = Uint8Array.of(2);

/** The hash of byte strings, one after another. */
export function blake2s(...parts: readonly Uint8Array[]): Uint8Array {
  state.set(START);
  return finish(parts, 0);
}

/** HMAC of byte strings, one after another. @param key of at most 64 bytes */
export function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const inner = blake2s(padded(key, 0x36), ...parts);
  return blake2s(padded(key, 0x5c), inner);
}

/** Noise's HKDF with two outputs: extracts from a secret under a chaining key. @returns keys in buffers of their own */
export function hkdfPair(chainingKey: Uint8Array, secret: Uint8Array): [Uint8Array, Uint8Array] {
  const extracted = hmac(chainingKey, secret);
  const [inner, outer] = [afterBlock(padded(extracted, 0x36)), afterBlock(padded(extracted, 0x5c))];
  const first = hmacUnder(inner, outer, [FIRST]);
  const second = hmacUnder(inner, outer, [first, SECOND]);
  for (const secrets of [extracted, inner, outer, state, words]) secrets.fill(0);
  return [first, second];
}

/** HMAC by the states behind its two padded keys; of at least one byte, as BLAKE2 treats its last block differently. */
function hmacUnder(inner: Int32Array, outer: Int32Array, parts: readonly Uint8Array[]): Uint8Array {
  state.set(inner);
  const digest = finish(parts, BLOCK_LENGTH);
  state.set(outer);
  return finish([digest], BLOCK_LENGTH);
}

/** The state after one whole block, when more follows. */
function afterBlock(bytes: Uint8Array): Int32Array {
  const after = Int32Array.from(START);
  block.set(bytes);
  compress(after, words, BLOCK_LENGTH, false);
  return after;
}

function padded(key: Uint8Array, pad: number): Uint8Array {
  if (key.length > BLOCK_LENGTH) throw new RangeError("HMAC key is longer than a block");
  const bytes = new Uint8Array(BLOCK_LENGTH).fill(pad);
  for (let i = 0; i < key.length; i++) bytes[i] = (key[i] as number) ^ pad;
  return bytes;
}

/** Hashes what follows `before` bytes that are in the state already, and ends the hash. */
function finish(parts: readonly Uint8Array[], before: number): Uint8Array {
  let length = before;
  let used = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      // A full block waits for the next byte: the last block, full or not, is compressed as the last.
      if (used === BLOCK_LENGTH) {
        length += BLOCK_LENGTH;
        compress(state, words, length, false);
        used = 0;
      }
      const taken = Math.min(BLOCK_LENGTH - used, part.length - at);
      block.set(part.subarray(at, at + taken), used);
      used += taken;
      at += taken;
    }
  }
  block.fill(0, used);
  compress(state, words, length + used, true);
  return new Uint8Array(state.slice().buffer);
}

/**
 * RFC 7693 §3.2: mixes a block into a state. Sixteen variables and one loop over the rounds, as V8 keeps what does not
 * leave a function in registers, whole.
 * @param length bytes so far, this block's included
 */
function compress(h: Int32Array, m: Int32Array, length: number, isLast: boolean): void {
  let v0 = h[0] as number;
  let v1 = h[1] as number;
  let v2 = h[2] as number;
  let v3 = h[3] as number;
  let v4 = h[4] as number;
  let v5 = h[5] as number;
  let v6 = h[6] as number;
  let v7 = h[7] as number;
  let v8 = IV[0] as number;
  let v9 = IV[1] as number;
  let v10 = IV[2] as number;
  let v11 = IV[3] as number;
  let v12 = (IV[4] as number) ^ length;
  let v13 = (IV[5] as number) ^ (length / 2 ** 32);
  let v14 = isLast ? ~(IV[6] as number) : (IV[6] as number);
  let v15 = IV[7] as number;
  for (let r = 0; r < SIGMA.length; r += 16) {
    v0 = (v0 + v4 + (m[SIGMA[r] as number] as number)) | 0;
    v12 ^= v0;
    v12 = (v12 >>> 16) | (v12 << 16);
    v8 = (v8 + v12) | 0;
    v4 ^= v8;
    v4 = (v4 >>> 12) | (v4 << 20);
    v0 = (v0 + v4 + (m[SIGMA[r + 1] as number] as number)) | 0;
    v12 ^= v0;
    v12 = (v12 >>> 8) | (v12 << 24);
    v8 = (v8 + v12) | 0;
    v4 ^= v8;
    v4 = (v4 >>> 7) | (v4 << 25);
    v1 = (v1 + v5 + (m[SIGMA[r + 2] as number] as number)) | 0;
    v13 ^= v1;
    v13 = (v13 >>> 16) | (v13 << 16);
    v9 = (v9 + v13) | 0;
    v5 ^= v9;
    v5 = (v5 >>> 12) | (v5 << 20);
    v1 = (v1 + v5 + (m[SIGMA[r + 3] as number] as number)) | 0;
    v13 ^= v1;
    v13 = (v13 >>> 8) | (v13 << 24);
    v9 = (v9 + v13) | 0;
    v5 ^= v9;
    v5 = (v5 >>> 7) | (v5 << 25);
    v2 = (v2 + v6 + (m[SIGMA[r + 4] as number] as number)) | 0;
    v14 ^= v2;
    v14 = (v14 >>> 16) | (v14 << 16);
    v10 = (v10 + v14) | 0;
    v6 ^= v10;
    v6 = (v6 >>> 12) | (v6 << 20);
    v2 = (v2 + v6 + (m[SIGMA[r + 5] as number] as number)) | 0;
    v14 ^= v2;
    v14 = (v14 >>> 8) | (v14 << 24);
    v10 = (v10 + v14) | 0;
    v6 ^= v10;
    v6 = (v6 >>> 7) | (v6 << 25);
    v3 = (v3 + v7 + (m[SIGMA[r + 6] as number] as number)) | 0;
    v15 ^= v3;
    v15 = (v15 >>> 16) | (v15 << 16);
    v11 = (v11 + v15) | 0;
    v7 ^= v11;
    v7 = (v7 >>> 12) | (v7 << 20);
    v3 = (v3 + v7 + (m[SIGMA[r + 7] as number] as number)) | 0;
    v15 ^= v3;
    v15 = (v15 >>> 8) | (v15 << 24);
    v11 = (v11 + v15) | 0;
    v7 ^= v11;
    v7 = (v7 >>> 7) | (v7 << 25);
    v0 = (v0 + v5 + (m[SIGMA[r + 8] as number] as number)) | 0;
    v15 ^= v0;
    v15 = (v15 >>> 16) | (v15 << 16);
    v10 = (v10 + v15) | 0;
    v5 ^= v10;
    v5 = (v5 >>> 12) | (v5 << 20);
    v0 = (v0 + v5 + (m[SIGMA[r + 9] as number] as number)) | 0;
    v15 ^= v0;
    v15 = (v15 >>> 8) | (v15 << 24);
    v10 = (v10 + v15) | 0;
    v5 ^= v10;
    v5 = (v5 >>> 7) | (v5 << 25);
    v1 = (v1 + v6 + (m[SIGMA[r + 10] as number] as number)) | 0;
    v12 ^= v1;
    v12 = (v12 >>> 16) | (v12 << 16);
    v11 = (v11 + v12) | 0;
    v6 ^= v11;
    v6 = (v6 >>> 12) | (v6 << 20);
    v1 = (v1 + v6 + (m[SIGMA[r + 11] as number] as number)) | 0;
    v12 ^= v1;
    v12 = (v12 >>> 8) | (v12 << 24);
    v11 = (v11 + v12) | 0;
    v6 ^= v11;
    v6 = (v6 >>> 7) | (v6 << 25);
    v2 = (v2 + v7 + (m[SIGMA[r + 12] as number] as number)) | 0;
    v13 ^= v2;
    v13 = (v13 >>> 16) | (v13 << 16);
    v8 = (v8 + v13) | 0;
    v7 ^= v8;
    v7 = (v7 >>> 12) | (v7 << 20);
    v2 = (v2 + v7 + (m[SIGMA[r + 13] as number] as number)) | 0;
    v13 ^= v2;
    v13 = (v13 >>> 8) | (v13 << 24);
    v8 = (v8 + v13) | 0;
    v7 ^= v8;
    v7 = (v7 >>> 7) | (v7 << 25);
    v3 = (v3 + v4 + (m[SIGMA[r + 14] as number] as number)) | 0;
    v14 ^= v3;
    v14 = (v14 >>> 16) | (v14 << 16);
    v9 = (v9 + v14) | 0;
    v4 ^= v9;
    v4 = (v4 >>> 12) | (v4 << 20);
    v3 = (v3 + v4 + (m[SIGMA[r + 15] as number] as number)) | 0;
    v14 ^= v3;
    v14 = (v14 >>> 8) | (v14 << 24);
    v9 = (v9 + v14) | 0;
    v4 ^= v9;
    v4 = (v4 >>> 7) | (v4 << 25);
  }
  h[0] = (h[0] as number) ^ v0 ^ v8;
  h[1] = (h[1] as number) ^ v1 ^ v9;
  h[2] = (h[2] as number) ^ v2 ^ v10;
  h[3] = (h[3] as number) ^ v3 ^ v11;
  h[4] = (h[4] as number) ^ v4 ^ v12;
  h[5] = (h[5] as number) ^ v5 ^ v13;
  h[6] = (h[6] as number) ^ v6 ^ v14;
  h[7] = (h[7] as number) ^ v7 ^ v15;
}
