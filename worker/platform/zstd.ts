// zstd for map messages (control-protocol.md 5.3): clients decode nothing else. Level 1: a netmap shrinks to within a
// few percent of the default level at a third of its time.
// NOTE: workerd's zstdCompressSync throws "Unexpected end of file" when the output is longer than about 40 KB (workerd of
// November 2026, any chunkSize). Input is therefore cut, and cut further where it hardly shrinks: the pieces are frames
// of their own, and a run of frames decompresses to all of it, one after the other.
import { constants, zstdCompressSync } from "node:zlib";
import { concat } from "../protocol/bytes.ts";

const OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** One block of zstd; JSON of this length shrinks to well below the limit. */
const PIECE = 128 << 10;
/** What cannot fail whatever the bytes are. */
const SAFE = 16 << 10;

/** The bytes as a run of zstd frames, nearly always one. */
export function zstd(bytes: Uint8Array): Uint8Array {
  return bytes.length <= PIECE ? piece(bytes) : pieces(bytes, PIECE);
}

function piece(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= SAFE) return zstdCompressSync(bytes, OPTIONS);
  try {
    return zstdCompressSync(bytes, OPTIONS);
  } catch {
    return pieces(bytes, bytes.length / 2);
  }
}

function pieces(bytes: Uint8Array, length: number): Uint8Array {
  const size = Math.ceil(length);
  const frames: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) frames.push(piece(bytes.subarray(at, at + size)));
  return concat(frames);
}
