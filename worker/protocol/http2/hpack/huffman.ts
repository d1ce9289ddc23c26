// Huffman decoding of HPACK strings (RFC 7541 §5.2, Appendix B). The code of the RFC is canonical: within a length,
// codes rise with the symbol, and each length starts where the one before ended. So 257 lengths are the whole table.
// Encoding is left out: we never send Huffman strings.
import { Http2ErrorCode, ProtocolError } from "../../errors.ts";

const EOS = 256;
const MAX_CODE_BITS = 30;

// Bits of the code of each octet value 0-255, then of EOS.
// biome-ignore format: a table of 16 columns
const CODE_BITS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
   6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
   5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
  13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
   7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
  15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
   6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

/** Symbols sorted by code length, then value: the order in which the canonical code numbers them. */
const SYMBOLS = Uint16Array.from(
  CODE_BITS.map((_, symbol) => symbol).sort((a, b) => (CODE_BITS[a] as number) - (CODE_BITS[b] as number) || a - b),
);
/** For each length: its first code, how many codes it has, and where in {@link SYMBOLS} they begin. */
const FIRST_CODE = new Uint32Array(MAX_CODE_BITS + 1);
const CODES = new Uint16Array(MAX_CODE_BITS + 1);
const FIRST_SYMBOL = new Uint16Array(MAX_CODE_BITS + 1);
for (const bits of CODE_BITS) CODES[bits] = (CODES[bits] as number) + 1;
for (let bits = 1; bits <= MAX_CODE_BITS; bits++) {
  FIRST_CODE[bits] = ((FIRST_CODE[bits - 1] as number) + (CODES[bits - 1] as number)) << 1;
  FIRST_SYMBOL[bits] = (FIRST_SYMBOL[bits - 1] as number) + (CODES[bits - 1] as number);
}

/**
 * Decodes a Huffman string to text with one character (U+0000-U+00FF) per octet.
 * @throws ProtocolError COMPRESSION_ERROR when EOS occurs, or when the padding has 8 bits or more or a 0 bit.
 */
export function decodeHuffman(bytes: Uint8Array): string {
  let text = "";
  let code = 0;
  let bits = 0;
  for (const byte of bytes) {
    for (let shift = 7; shift >= 0; shift--) {
      code = (code << 1) | ((byte >> shift) & 1);
      bits++;
      const offset = code - (FIRST_CODE[bits] as number);
      if (offset < 0 || offset >= (CODES[bits] as number)) continue;
      const symbol = SYMBOLS[(FIRST_SYMBOL[bits] as number) + offset] as number;
      if (symbol === EOS)
        throw new ProtocolError("http2", "huffman string holds EOS", Http2ErrorCode.COMPRESSION_ERROR);
      text += String.fromCharCode(symbol);
      code = 0;
      bits = 0;
    }
  }
  if (bits > 7 || code !== (1 << bits) - 1) {
    throw new ProtocolError("http2", "huffman padding is wrong", Http2ErrorCode.COMPRESSION_ERROR);
  }
  return text;
}
