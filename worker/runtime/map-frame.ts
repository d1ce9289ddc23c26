// One message of a map stream: JSON, compressed, with its length (control-protocol.md 5.3).
import { zstd } from "../platform/zstd.ts";
import { utf8 } from "../protocol/bytes.ts";
import { formatTime } from "../protocol/control/json.ts";
import { frameMapResponse } from "../protocol/control/map.ts";

/** JSON text as one message of a map stream. */
export function mapFrame(json: string): Uint8Array {
  return frameMapResponse(zstd(utf8(json)));
}

/** A keep-alive. It carries the time, so that no client remembers its bytes as "nothing new" (control-protocol.md 5.4). */
export function keepAliveFrame(now: number): Uint8Array {
  return mapFrame(JSON.stringify({ KeepAlive: true, ControlTime: formatTime(now) }));
}
