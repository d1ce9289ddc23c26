// Compression in the runtime that serves: netmaps of every size, whatever is in them.
import { describe, expect, it } from "vitest";
import { decompressFrames } from "../../agent/control/zstd-frames.ts";
import { zstd } from "../../worker/platform/zstd.ts";

/** Bytes without any pattern, which no compression makes shorter. */
function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

/** JSON like that of peers: keys of random digits between words that repeat. */
function peers(length: number): Uint8Array {
  const digits = [...noise(length / 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const all = Array.from({ length: Math.ceil(length / 100) }, (_, i) => {
    const key = digits.slice(i * 48, i * 48 + 48);
    return `{"ID":${i},"Key":"nodekey:${key}","Name":"node-${i}.example.com."}`;
  });
  return new TextEncoder().encode(all.join(",")).subarray(0, length);
}

describe("zstd", () => {
  it.each([0, 1, 16 << 10, (128 << 10) + 1, 1 << 20])("takes %i bytes that do not shrink", (length) => {
    const bytes = noise(length);
    expect(Buffer.from(decompressFrames(zstd(bytes))).equals(bytes)).toBe(true);
  });

  // Not 40 KB: workerd's zstdDecompressSync, which nothing but this test uses, fails there; Node's and Go's do not.
  it.each([48 << 10, 200 << 10, 1 << 20])("takes a netmap of %i bytes and makes it shorter", (length) => {
    const bytes = peers(length);
    const compressed = zstd(bytes);
    expect(Buffer.from(decompressFrames(compressed)).equals(bytes)).toBe(true);
    expect(compressed.length).toBeLessThan(0.6 * length);
  });
});
