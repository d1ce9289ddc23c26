// Poly1305 (RFC 8439 §2.5) over whole blocks, as the cipher beside it needs it. One message at a time.
//
// Numbers are six limbs of 22 bits, lowest first. Products of limbs, times 20 for those above 2^132 (which is 20 modulo
// 2^130 − 5), and sums of six of them stay below 2^53, where JavaScript's numbers are exact. Nothing branches on secrets.
import { readWord } from "./chacha20.ts";

const BLOCK_LENGTH = 16;
const LIMBS = 6;
const LIMB = 2 ** 22;
const LIMB_MASK = LIMB - 1;
const PER_LIMB = 2 ** -22;
/** The highest limb of a number below 2^130. */
const TOP_LIMB = 2 ** 20;
/** RFC 8439 §2.5: the bit behind each block, 2^128, in the highest limb. */
const BLOCK_END = 2 ** 18;

/** The multiplier, the sum so far, and a number that it is compared with. */
const multiplier = new Float64Array(LIMBS);
const sum = new Float64Array(LIMBS);
const other = new Float64Array(LIMBS);
/** What is added at the end, four words. */
const pad = new Uint32Array(4);
const lastBlock = new Uint8Array(BLOCK_LENGTH);

/** Starts a message under a one-time key of eight words. */
export function startMac(key: Int32Array): void {
  setLimbs(key);
  for (let i = 0; i < pad.length; i++) pad[i] = key[4 + i] as number;
  sum.fill(0);
}

/** Adds the first `length` bytes, filled up with zeros to whole blocks. */
export function addPadded(bytes: Uint8Array, length: number): void {
  const whole = length - (length % BLOCK_LENGTH);
  addBlocks(bytes, whole);
  if (whole === length) return;
  lastBlock.fill(0);
  for (let i = whole; i < length; i++) lastBlock[i - whole] = bytes[i] as number;
  addBlocks(lastBlock, BLOCK_LENGTH);
}

/** Adds the block that says how long both parts of a message were (RFC 8439 §2.8). */
export function addLengths(first: number, second: number): void {
  lastBlock.fill(0);
  for (let i = 0; i < 4; i++) {
    lastBlock[i] = first >>> (8 * i);
    lastBlock[8 + i] = second >>> (8 * i);
  }
  addBlocks(lastBlock, BLOCK_LENGTH);
}

/** Writes the tag to `to`, at `at`, and wipes the key. */
export function finishMac(to: Uint8Array, at: number): void {
  reduce();
  const h1 = sum[1] as number;
  const h2 = sum[2] as number;
  const h4 = sum[4] as number;
  let carry = writeWord(to, at, (sum[0] as number) | (h1 << 22), pad[0] as number);
  carry = writeWord(to, at + 4, (h1 >>> 10) | (h2 << 12), (pad[1] as number) + carry);
  carry = writeWord(to, at + 8, (h2 >>> 20) | ((sum[3] as number) << 2) | (h4 << 24), (pad[2] as number) + carry);
  writeWord(to, at + 12, (h4 >>> 8) | ((sum[5] as number) << 14), (pad[3] as number) + carry);
  multiplier.fill(0);
  sum.fill(0);
  other.fill(0);
  pad.fill(0);
}

/** Writes a sum, little-endian. @returns what is carried over, 0 or 1 */
// oxlint-disable-next-line max-params -- where and what
function writeWord(to: Uint8Array, at: number, word: number, plus: number): number {
  const total = (word >>> 0) + plus;
  to[at] = total;
  to[at + 1] = total >>> 8;
  to[at + 2] = total >>> 16;
  to[at + 3] = total >>> 24;
  return Math.floor(total / 2 ** 32);
}

/** RFC 8439 §2.5: half of the key, without the bits that must be 0. */
function setLimbs(key: Int32Array): void {
  const w0 = (key[0] as number) & 0x0fffffff;
  const w1 = (key[1] as number) & 0x0ffffffc;
  const w2 = (key[2] as number) & 0x0ffffffc;
  const w3 = (key[3] as number) & 0x0ffffffc;
  multiplier[0] = w0 & LIMB_MASK;
  multiplier[1] = ((w0 >>> 22) | (w1 << 10)) & LIMB_MASK;
  multiplier[2] = ((w1 >>> 12) | (w2 << 20)) & LIMB_MASK;
  multiplier[3] = (w2 >>> 2) & LIMB_MASK;
  multiplier[4] = ((w2 >>> 24) | (w3 << 8)) & LIMB_MASK;
  multiplier[5] = w3 >>> 14;
}

/** Adds each block to the sum and multiplies it. Limbs are variables, as V8 keeps them in registers. */
function addBlocks(bytes: Uint8Array, length: number): void {
  const r0 = multiplier[0] as number;
  const r1 = multiplier[1] as number;
  const r2 = multiplier[2] as number;
  const r3 = multiplier[3] as number;
  const r4 = multiplier[4] as number;
  const r5 = multiplier[5] as number;
  const s1 = 20 * r1;
  const s2 = 20 * r2;
  const s3 = 20 * r3;
  const s4 = 20 * r4;
  const s5 = 20 * r5;
  let h0 = sum[0] as number;
  let h1 = sum[1] as number;
  let h2 = sum[2] as number;
  let h3 = sum[3] as number;
  let h4 = sum[4] as number;
  let h5 = sum[5] as number;
  for (let at = 0; at < length; at += BLOCK_LENGTH) {
    const w0 = readWord(bytes, at);
    const w1 = readWord(bytes, at + 4);
    const w2 = readWord(bytes, at + 8);
    const w3 = readWord(bytes, at + 12);
    h0 += w0 & LIMB_MASK;
    h1 += ((w0 >>> 22) | (w1 << 10)) & LIMB_MASK;
    h2 += ((w1 >>> 12) | (w2 << 20)) & LIMB_MASK;
    h3 += (w2 >>> 2) & LIMB_MASK;
    h4 += ((w2 >>> 24) | (w3 << 8)) & LIMB_MASK;
    h5 += (w3 >>> 14) + BLOCK_END;
    const p0 = h0 * r0 + h1 * s5 + h2 * s4 + h3 * s3 + h4 * s2 + h5 * s1;
    let p1 = h0 * r1 + h1 * r0 + h2 * s5 + h3 * s4 + h4 * s3 + h5 * s2;
    let p2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s5 + h4 * s4 + h5 * s3;
    let p3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s5 + h5 * s4;
    let p4 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0 + h5 * s5;
    let p5 = h0 * r5 + h1 * r4 + h2 * r3 + h3 * r2 + h4 * r1 + h5 * r0;
    let carry = Math.floor(p0 * PER_LIMB);
    h0 = p0 - carry * LIMB;
    p1 += carry;
    carry = Math.floor(p1 * PER_LIMB);
    h1 = p1 - carry * LIMB;
    p2 += carry;
    carry = Math.floor(p2 * PER_LIMB);
    h2 = p2 - carry * LIMB;
    p3 += carry;
    carry = Math.floor(p3 * PER_LIMB);
    h3 = p3 - carry * LIMB;
    p4 += carry;
    carry = Math.floor(p4 * PER_LIMB);
    h4 = p4 - carry * LIMB;
    p5 += carry;
    carry = Math.floor(p5 * PER_LIMB);
    h5 = p5 - carry * LIMB;
    h0 += carry * 20;
    carry = Math.floor(h0 * PER_LIMB);
    h0 -= carry * LIMB;
    h1 += carry;
  }
  sum[0] = h0;
  sum[1] = h1;
  sum[2] = h2;
  sum[3] = h3;
  sum[4] = h4;
  sum[5] = h5;
}

/** Brings the sum below 2^130 − 5. */
function reduce(): void {
  for (let pass = 0; pass < 2; pass++) {
    const above = carryThrough(sum, 0, sum);
    sum[0] = (sum[0] as number) + 5 * above;
  }
  // The sum plus 5 reaches 2^130 when the sum is not below 2^130 − 5, and is then what is wanted, without that bit.
  const isAbove = carryThrough(sum, 5, other);
  for (let i = 0; i < LIMBS; i++) sum[i] = isAbove * (other[i] as number) + (1 - isAbove) * (sum[i] as number);
}

/** Writes a number plus a small one with limbs in their ranges to `to`. @returns what is above 2^130, as a count of it */
function carryThrough(from: Float64Array, plus: number, to: Float64Array): number {
  let carry = plus;
  for (let i = 0; i < LIMBS; i++) {
    const limb = (from[i] as number) + carry;
    const size = i === LIMBS - 1 ? TOP_LIMB : LIMB;
    carry = Math.floor(limb / size);
    to[i] = limb - carry * size;
  }
  return carry;
}
