// The ChaCha20 stream (RFC 8439 §2.3, §2.4). One stream at a time: all share a state and a block.
// NOTE: words are read in the byte order of the machine, and V8's machines that run workerd are little-endian.

const BLOCK_LENGTH = 64;
/** Where the block counter and the nonce stand in the state. */
const COUNTER = 12;
const NONCE = 13;

const state = new Int32Array(16);
state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
const words = new Int32Array(16);
const block = new Uint8Array(words.buffer);

/** Starts the stream of a key of 32 bytes and a nonce of 12, at block 0. */
export function startStream(key: Uint8Array, nonce: Uint8Array): void {
  for (let i = 0; i < 8; i++) state[4 + i] = readWord(key, 4 * i);
  for (let i = 0; i < 3; i++) state[NONCE + i] = readWord(nonce, 4 * i);
  state[COUNTER] = 0;
}

/** The next block as 16 words, good until the one after. */
export function nextBlock(): Int32Array {
  mix();
  state[COUNTER] = (state[COUNTER] as number) + 1;
  return words;
}

/** Writes the first `length` bytes of `from`, under the blocks that follow, to `to`. */
export function applyStream(from: Uint8Array, to: Uint8Array, length: number): void {
  for (let at = 0; at < length; at += BLOCK_LENGTH) {
    nextBlock();
    const count = Math.min(BLOCK_LENGTH, length - at);
    for (let i = 0; i < count; i++) to[at + i] = (from[at + i] as number) ^ (block[i] as number);
  }
}

/** Wipes what is left of the stream and its key. */
export function endStream(): void {
  words.fill(0);
  state.fill(0, 4);
}

/** A little-endian word at `at`, signed. */
export function readWord(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** RFC 8439 §2.3: ten times a round of columns and one of diagonals. Sixteen variables, as V8 keeps them in registers. */
// oxlint-disable-next-line max-lines-per-function -- a call for each quarter round, or an array, cost what this is for
function mix(): void {
  let x0 = state[0] as number;
  let x1 = state[1] as number;
  let x2 = state[2] as number;
  let x3 = state[3] as number;
  let x4 = state[4] as number;
  let x5 = state[5] as number;
  let x6 = state[6] as number;
  let x7 = state[7] as number;
  let x8 = state[8] as number;
  let x9 = state[9] as number;
  let x10 = state[10] as number;
  let x11 = state[11] as number;
  let x12 = state[12] as number;
  let x13 = state[13] as number;
  let x14 = state[14] as number;
  let x15 = state[15] as number;
  for (let round = 0; round < 10; round++) {
    x0 = (x0 + x4) | 0;
    x12 ^= x0;
    x12 = (x12 << 16) | (x12 >>> 16);
    x8 = (x8 + x12) | 0;
    x4 ^= x8;
    x4 = (x4 << 12) | (x4 >>> 20);
    x0 = (x0 + x4) | 0;
    x12 ^= x0;
    x12 = (x12 << 8) | (x12 >>> 24);
    x8 = (x8 + x12) | 0;
    x4 ^= x8;
    x4 = (x4 << 7) | (x4 >>> 25);
    x1 = (x1 + x5) | 0;
    x13 ^= x1;
    x13 = (x13 << 16) | (x13 >>> 16);
    x9 = (x9 + x13) | 0;
    x5 ^= x9;
    x5 = (x5 << 12) | (x5 >>> 20);
    x1 = (x1 + x5) | 0;
    x13 ^= x1;
    x13 = (x13 << 8) | (x13 >>> 24);
    x9 = (x9 + x13) | 0;
    x5 ^= x9;
    x5 = (x5 << 7) | (x5 >>> 25);
    x2 = (x2 + x6) | 0;
    x14 ^= x2;
    x14 = (x14 << 16) | (x14 >>> 16);
    x10 = (x10 + x14) | 0;
    x6 ^= x10;
    x6 = (x6 << 12) | (x6 >>> 20);
    x2 = (x2 + x6) | 0;
    x14 ^= x2;
    x14 = (x14 << 8) | (x14 >>> 24);
    x10 = (x10 + x14) | 0;
    x6 ^= x10;
    x6 = (x6 << 7) | (x6 >>> 25);
    x3 = (x3 + x7) | 0;
    x15 ^= x3;
    x15 = (x15 << 16) | (x15 >>> 16);
    x11 = (x11 + x15) | 0;
    x7 ^= x11;
    x7 = (x7 << 12) | (x7 >>> 20);
    x3 = (x3 + x7) | 0;
    x15 ^= x3;
    x15 = (x15 << 8) | (x15 >>> 24);
    x11 = (x11 + x15) | 0;
    x7 ^= x11;
    x7 = (x7 << 7) | (x7 >>> 25);
    x0 = (x0 + x5) | 0;
    x15 ^= x0;
    x15 = (x15 << 16) | (x15 >>> 16);
    x10 = (x10 + x15) | 0;
    x5 ^= x10;
    x5 = (x5 << 12) | (x5 >>> 20);
    x0 = (x0 + x5) | 0;
    x15 ^= x0;
    x15 = (x15 << 8) | (x15 >>> 24);
    x10 = (x10 + x15) | 0;
    x5 ^= x10;
    x5 = (x5 << 7) | (x5 >>> 25);
    x1 = (x1 + x6) | 0;
    x12 ^= x1;
    x12 = (x12 << 16) | (x12 >>> 16);
    x11 = (x11 + x12) | 0;
    x6 ^= x11;
    x6 = (x6 << 12) | (x6 >>> 20);
    x1 = (x1 + x6) | 0;
    x12 ^= x1;
    x12 = (x12 << 8) | (x12 >>> 24);
    x11 = (x11 + x12) | 0;
    x6 ^= x11;
    x6 = (x6 << 7) | (x6 >>> 25);
    x2 = (x2 + x7) | 0;
    x13 ^= x2;
    x13 = (x13 << 16) | (x13 >>> 16);
    x8 = (x8 + x13) | 0;
    x7 ^= x8;
    x7 = (x7 << 12) | (x7 >>> 20);
    x2 = (x2 + x7) | 0;
    x13 ^= x2;
    x13 = (x13 << 8) | (x13 >>> 24);
    x8 = (x8 + x13) | 0;
    x7 ^= x8;
    x7 = (x7 << 7) | (x7 >>> 25);
    x3 = (x3 + x4) | 0;
    x14 ^= x3;
    x14 = (x14 << 16) | (x14 >>> 16);
    x9 = (x9 + x14) | 0;
    x4 ^= x9;
    x4 = (x4 << 12) | (x4 >>> 20);
    x3 = (x3 + x4) | 0;
    x14 ^= x3;
    x14 = (x14 << 8) | (x14 >>> 24);
    x9 = (x9 + x14) | 0;
    x4 ^= x9;
    x4 = (x4 << 7) | (x4 >>> 25);
  }
  words[0] = x0 + (state[0] as number);
  words[1] = x1 + (state[1] as number);
  words[2] = x2 + (state[2] as number);
  words[3] = x3 + (state[3] as number);
  words[4] = x4 + (state[4] as number);
  words[5] = x5 + (state[5] as number);
  words[6] = x6 + (state[6] as number);
  words[7] = x7 + (state[7] as number);
  words[8] = x8 + (state[8] as number);
  words[9] = x9 + (state[9] as number);
  words[10] = x10 + (state[10] as number);
  words[11] = x11 + (state[11] as number);
  words[12] = x12 + (state[12] as number);
  words[13] = x13 + (state[13] as number);
  words[14] = x14 + (state[14] as number);
  words[15] = x15 + (state[15] as number);
}
