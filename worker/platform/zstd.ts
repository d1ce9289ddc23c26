// zstd for map messages (control-protocol.md 5.3): clients decode nothing else. Peers are mostly keys: random digits,
// which shrink to half a byte each when nothing is matched in them. Higher levels find short matches there, which cost more than
// the digits do: level 3 makes netmaps 5 to 15 % longer than the fastest strategy with long matches alone (docs/performance.md).
// NOTE: workerd's zstdCompressSync throws "Unexpected end of file" when the output is longer than about 40 KB (workerd of
// November 2026, any chunkSize). Input is therefore cut, and cut further where it hardly shrinks: the pieces are frames
// of their own, and a run of frames decompresses to all of it, one after the other.
import { constants, zstdCompressSync } from "node:zlib";
import { concat } from "../protocol/bytes.ts";

/** Messages of a few peers or patches, whose matches are short. */
const SHORT = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** Lists of peers. The small table stays in the processor's nearest cache and forgets what lies far behind. */
const LONG = {
  params: {
    [constants.ZSTD_c_compressionLevel]: 1,
    [constants.ZSTD_c_strategy]: constants.ZSTD_fast,
    [constants.ZSTD_c_minMatch]: 7,
    [constants.ZSTD_c_hashLog]: 14,
  },
};
/** One block of zstd; JSON of this length shrinks to well below the limit. */
const PIECE = 128 << 10;
/** What cannot fail whatever the bytes are. */
const SAFE = 16 << 10;

/** The bytes as a run of zstd frames, nearly always one. */
export function zstd(bytes: Uint8Array): Uint8Array {
  return bytes.length <= PIECE ? piece(bytes) : pieces(bytes, PIECE);
}

function piece(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= SAFE) return zstdCompressSync(bytes, SHORT);
  try {
    return zstdCompressSync(bytes, LONG);
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
