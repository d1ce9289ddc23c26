// Bytes of the connection states (state-codec.ts): numbers take as many bytes as they need, texts one byte a character, or
// half of one when they are hex. One writer serves all encodings, so that an encoding allocates what it returns and no more.

const FEW = 64;
/** Longest run of characters made by one call: arguments lie on the stack. */
const RUN = 4_096;
const TextForm = { LATIN_1: 0, UTF_16: 1, HEX: 2 } as const;

const NO_DIGIT = 255;
/** Values of lower-case hex digits by code unit. */
const NIBBLES = new Uint8Array(128).fill(NO_DIGIT);
for (let value = 0; value < 16; value++) NIBBLES[value.toString(16).charCodeAt(0)] = value;
const DIGITS = "0123456789abcdef";

/** Appends values to a buffer that grows. */
export class CompactWriter {
  #bytes = new Uint8Array(1_024);
  #at = 0;

  /** Forgets what was written. */
  clear(): void {
    this.#at = 0;
  }

  /** A copy of what was written. */
  written(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  /** One byte. */
  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** An integer from 0 to 2^53 − 1. @throws Error when it is none */
  count(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${value} is no count`);
    this.#digits(value);
  }

  /** An integer from −(2^53 − 1) to 2^53 − 1. @throws Error when it is none */
  integer(value: number): void {
    if (!Number.isSafeInteger(value)) throw new Error(`${value} is no integer`);
    const size = Math.abs(value);
    const rest = Math.floor(size / 64);
    this.byte((size % 64) | (value < 0 ? 0x40 : 0) | (rest > 0 ? 0x80 : 0));
    if (rest > 0) this.#digits(rest);
  }

  /** Bytes of any length. */
  bytes(value: Uint8Array): void {
    this.#digits(value.length);
    this.raw(value);
  }

  /** Bytes whose length the reader knows. */
  raw(value: Uint8Array): void {
    const { length } = value;
    this.#reserve(length);
    // What is short is copied faster by a loop than by a call.
    if (length > FEW) this.#bytes.set(value, this.#at);
    else for (let i = 0; i < length; i++) this.#bytes[this.#at + i] = value[i] as number;
    this.#at += length;
  }

  /** A string of any code units. */
  text(value: string): void {
    const { length } = value;
    const start = this.#at;
    if (length > 0 && length % 2 === 0) {
      this.#digits(length * 2 + TextForm.HEX);
      if (this.#hex(value, 0)) return;
      this.#at = start;
    }
    this.#digits(length * 4 + TextForm.LATIN_1);
    if (this.#latin1(value)) return;
    this.#at = start;
    this.#digits(length * 8 + TextForm.UTF_16);
    this.#utf16(value);
  }

  /** The bytes of a key in text form: a prefix and hex digits. @throws Error when it is none */
  key(prefix: string, length: number, value: string): void {
    const isKey = value.length === prefix.length + 2 * length && value.startsWith(prefix);
    if (!isKey || !this.#hex(value, prefix.length))
      throw new Error(`key does not begin with ${prefix} or is malformed`);
  }

  // [7 bits | 0x80 when more follow]*, least significant first
  #digits(value: number): void {
    this.#reserve(8);
    let left = value;
    while (left > 0x7f) {
      this.#bytes[this.#at++] = (left % 128) | 0x80;
      left = Math.floor(left / 128);
    }
    this.#bytes[this.#at++] = left;
  }

  #hex(text: string, from: number): boolean {
    this.#reserve((text.length - from) / 2);
    for (let i = from; i < text.length; i += 2) {
      const high = NIBBLES[text.charCodeAt(i)] ?? NO_DIGIT;
      const low = NIBBLES[text.charCodeAt(i + 1)] ?? NO_DIGIT;
      if ((high | low) > 15) return false;
      this.#bytes[this.#at++] = (high << 4) | low;
    }
    return true;
  }

  #latin1(text: string): boolean {
    this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0xff) return false;
      this.#bytes[this.#at++] = unit;
    }
    return true;
  }

  #utf16(text: string): void {
    this.#reserve(2 * text.length);
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      this.#bytes[this.#at++] = unit >>> 8;
      this.#bytes[this.#at++] = unit;
    }
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.#at + length));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

/** Reads what {@link CompactWriter} wrote; each method throws an Error when it is not there. Keeps no view on the bytes. */
export class CompactReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Refuses bytes that nobody read. */
  end(): void {
    if (this.#at < this.#bytes.length) throw new Error("bytes follow the end");
  }

  /** One byte. */
  byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error("bytes end too early");
    return byte;
  }

  /** One byte of which only some bits have a meaning. */
  flags(known: number): number {
    const byte = this.byte();
    if ((byte & ~known) !== 0) throw new Error("unknown flag");
    return byte;
  }

  /** An integer from 0 to 2^53 − 1. */
  count(): number {
    return this.#digits(0, 1);
  }

  /** An integer from −(2^53 − 1) to 2^53 − 1. */
  integer(): number {
    const byte = this.byte();
    const size = byte & 0x80 ? this.#digits(byte & 0x3f, 64) : byte & 0x3f;
    return byte & 0x40 && size > 0 ? -size : size;
  }

  /** Bytes of any length. */
  bytes(): Uint8Array {
    return this.raw(this.count());
  }

  /** Bytes whose length is known. */
  raw(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.#bytes.slice(at, at + length);
  }

  /** A string. */
  text(): string {
    const head = this.count();
    const length = Math.floor(head / 4);
    const at = this.#skip(length);
    switch (head % 4) {
      case TextForm.LATIN_1:
        return this.#latin1(at, at + length);
      case TextForm.HEX:
        return this.#hex(at, at + length);
      case TextForm.UTF_16:
        if (length % 2 === 0) return this.#utf16(at, at + length);
    }
    throw new Error("unknown form of text");
  }

  /** The hex digits of a key of `length` bytes. */
  key(length: number): string {
    const at = this.#skip(length);
    return this.#hex(at, at + length);
  }

  #digits(low: number, unit: number): number {
    let value = low;
    for (let scale = unit; scale < 2 ** 53; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte > 0x7f) continue;
      if (value > Number.MAX_SAFE_INTEGER) break;
      return value;
    }
    throw new Error("number is too big");
  }

  #skip(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw new Error("bytes end too early");
    this.#at = at + length;
    return at;
  }

  #hex(from: number, to: number): string {
    let text = "";
    for (let i = from; i < to; i++) {
      const byte = this.#bytes[i] as number;
      text += DIGITS.charAt(byte >>> 4) + DIGITS.charAt(byte & 15);
    }
    return text;
  }

  #latin1(from: number, to: number): string {
    let text = "";
    for (let at = from; at < to; at += RUN) {
      text += String.fromCharCode(...this.#bytes.subarray(at, Math.min(to, at + RUN)));
    }
    return text;
  }

  #utf16(from: number, to: number): string {
    let text = "";
    for (let i = from; i < to; i += 2) {
      text += String.fromCharCode(((this.#bytes[i] as number) << 8) | (this.#bytes[i + 1] as number));
    }
    return text;
  }
}
