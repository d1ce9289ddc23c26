// BLAKE2s-256 without a key (RFC 7693), and HMAC and HKDF over it as Noise uses them (rev 34 §4.3). It is ours because a
// handshake hashes some sixty blocks and every other one in JavaScript costs several times as much: in noble's each half
// of a mix returns an object of numbers too large for V8's small integers. No platform that we run on has it natively.
// Everything is synchronous, so that all hashes share one block and two states; they are wiped when secrets went through.
// NOTE: words are read in the byte order of the machine, and V8's machines that run workerd are little-endian.

import { BLOCK_LENGTH, compress, IV } from "./blake2s-compress.ts";

/** Bytes of a hash, an HMAC and a key. */
const HASH_LENGTH = 32;

/** The IV under the parameter block of a hash of 32 bytes with no key: RFC 7693 §3.3. */
const START = IV.with(0, (IV[0] as number) ^ 0x01010000 ^ HASH_LENGTH);

const block = new Uint8Array(BLOCK_LENGTH);
const words = new Int32Array(block.buffer);
const state = new Int32Array(8);
const stateBytes = new Uint8Array(state.buffer);
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
  const after = START.slice(); // from() would ask an iterator for each word
  block.set(bytes);
  compress(after, words, BLOCK_LENGTH, false);
  return after;
}

function padded(key: Uint8Array, pad: number): Uint8Array {
  if (key.length > BLOCK_LENGTH) throw new RangeError("HMAC key is longer than a block");
  const bytes = new Uint8Array(BLOCK_LENGTH);
  for (let i = 0; i < BLOCK_LENGTH; i++) bytes[i] = i < key.length ? (key[i] as number) ^ pad : pad;
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
      // Byte by byte: what is hashed here is short, and a view and a call for it cost more.
      const end = Math.min(part.length, at + BLOCK_LENGTH - used);
      while (at < end) block[used++] = part[at++] as number;
    }
  }
  block.fill(0, used);
  compress(state, words, length + used, true);
  return stateBytes.slice();
}
