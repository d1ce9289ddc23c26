// One message of a map stream: JSON, compressed, with its length (control-protocol.md 5.3).
import type { Segment } from "../mapper/peer-chunks.ts";
import { zstd } from "../platform/zstd.ts";
import { concat, utf8 } from "../protocol/bytes.ts";
import { formatTime } from "../protocol/control/json.ts";
import { frameMapResponse } from "../protocol/control/map.ts";

/** JSON text as one message of a map stream. */
export function mapFrame(json: string): Uint8Array {
  return frameMapResponse(zstd(utf8(json)));
}

// Compressed shared segments; each goes with its segment.
const compressed = new WeakMap<Segment, Uint8Array>();

/**
 * A message in segments as one message of a map stream: a run of zstd frames, of which those of shared segments are
 * compressed once. Clients decode as many frames as there are (util/zstdframe of 1.80.3 and 1.102.3).
 */
export function segmentedMapFrame(segments: readonly Segment[]): Uint8Array {
  const frames: Uint8Array[] = [];
  let own = "";
  for (const segment of segments) {
    if (!segment.isShared) {
      own += segment.text();
      continue;
    }
    if (own !== "") frames.push(zstd(utf8(own)));
    own = "";
    const frame = compressed.get(segment) ?? zstd(utf8(segment.text()));
    compressed.set(segment, frame);
    frames.push(frame);
  }
  if (own !== "") frames.push(zstd(utf8(own)));
  return frameMapResponse(concat(frames));
}

/** A keep-alive. It carries the time, so that no client remembers its bytes as "nothing new" (control-protocol.md 5.4). */
export function keepAliveFrame(now: number): Uint8Array {
  return mapFrame(JSON.stringify({ KeepAlive: true, ControlTime: formatTime(now) }));
}
