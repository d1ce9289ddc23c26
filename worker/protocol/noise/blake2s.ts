// BLAKE2s-256, and HMAC and HKDF over it as Noise uses them (rev 34 §4.3). No platform that we run on has the hash natively.
// @stablelib's is used and not noble's: a handshake hashes some sixty blocks, and in noble's each half of a mix returns an
// object of numbers too large for V8's small integers, 7 µs a block where this one takes 0.9.
// NOTE: HMAC is put together here, because @stablelib/hmac goes on from saved states, which its BLAKE2s refuses.
import { BLAKE2s } from "@stablelib/blake2s";

/** Bytes that are hashed at a time, and of the longest key of an HMAC. */
const BLOCK_LENGTH = 64;
const FIRST = Uint8Array.of(1);
const SECOND = Uint8Array.of(2);

/** The hash of byte strings, one after another. */
export function blake2s(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = new BLAKE2s();
  for (const part of parts) hash.update(part);
  const digest = hash.digest();
  hash.clean(); // what went in may be secret
  return digest;
}

/** HMAC of byte strings, one after another. @param key of at most 64 bytes */
export function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const inner = blake2s(padded(key, 0x36), ...parts);
  return blake2s(padded(key, 0x5c), inner);
}

/** Noise's HKDF with two outputs: extracts from a secret under a chaining key. @returns keys in buffers of their own */
export function hkdfPair(chainingKey: Uint8Array, secret: Uint8Array): [Uint8Array, Uint8Array] {
  const extracted = hmac(chainingKey, secret);
  const first = hmac(extracted, FIRST);
  const second = hmac(extracted, first, SECOND);
  extracted.fill(0);
  return [first, second];
}

function padded(key: Uint8Array, pad: number): Uint8Array {
  if (key.length > BLOCK_LENGTH) throw new RangeError("HMAC key is longer than a block");
  const block = new Uint8Array(BLOCK_LENGTH).fill(pad);
  for (let i = 0; i < key.length; i++) block[i] = (key[i] as number) ^ pad;
  return block;
}
