// zstd for map messages (control-protocol.md 5.3): clients decode nothing else. Level 1: a netmap shrinks to within a
// few percent of the default level at a third of its time.
import { constants, zstdCompressSync } from "node:zlib";

const OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** One zstd frame of the bytes. */
export function zstd(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, OPTIONS);
}
