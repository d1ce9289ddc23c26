// Decompresses a run of zstd frames, as clients do (Go's DecodeAll); node:zlib stops after the first.
import { zstdDecompressSync } from "node:zlib";

/** The contents of all frames, one after the other. */
export function decompressFrames(bytes: Uint8Array): Uint8Array {
  const contents: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + frameLength(bytes.subarray(at));
    contents.push(zstdDecompressSync(bytes.subarray(at, end)));
    at = end;
  }
  return Buffer.concat(contents);
}

// RFC 8878 3.1.1: [u32 magic][u8 descriptor][0..1 window][0..4 dictionary][0..8 content size] blocks [0 or 4 checksum]
function frameLength(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== 0xfd2fb528) throw new Error("not a zstd frame");
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeLength = sizeFlag === 0 ? Number(isSingleSegment) : 1 << sizeFlag;
  let at = 5 + Number(!isSingleSegment) + ([0, 1, 2, 4][descriptor & 3] ?? 0) + sizeLength;
  for (let isLast = false; !isLast; ) {
    // [u24le: bit 0 last, bits 1–2 type, bits 3–23 size]; a block of type 1 repeats a single byte
    const head = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    isLast = (head & 1) !== 0;
    at += 3 + (((head >> 1) & 3) === 1 ? 1 : head >> 3);
  }
  return at + ((descriptor & 4) !== 0 ? 4 : 0);
}
