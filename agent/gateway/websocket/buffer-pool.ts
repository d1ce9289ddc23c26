// Memory for what is being written. A gateway moves gigabytes through buffers that live for microseconds; made anew for
// each write, they would have V8 collect its whole heap again and again (profile of 2026-11-24: 40 % of the gateway's CPU).
import type { Socket } from "node:net";
import { TRUNK_HEADER_LENGTH } from "../../../worker/protocol/trunk/frame.ts";

/** Largest content of a pooled buffer: as much as one read of a socket brings, and the header of a frame of a trunk. */
const POOLED_MAX = (64 << 10) + TRUNK_HEADER_LENGTH;
/** Room before the content, for the head of a WebSocket frame; keeps the content aligned for words. */
export const HEAD_ROOM = 16;

const KEPT_MAX = 32;
/** Below this Node's own slab is cheaper, and a pooled buffer would hold too much memory for too little. */
const SMALL = 4 << 10;

const free: Buffer[] = [];

/** A buffer of HEAD_ROOM + POOLED_MAX bytes with anything in it; to be given back by {@link release} once. */
export function take(): Buffer {
  return free.pop() ?? Buffer.from(new ArrayBuffer(HEAD_ROOM + POOLED_MAX));
}

/** Gives a buffer back that nobody reads any more. */
export function release(buffer: Buffer): void {
  if (free.length < KEPT_MAX) free.push(buffer);
}

/**
 * Whether the content of a write to this socket should lie in a pooled buffer: it is neither too large nor small, and
 * nothing waits before it, so that a peer which does not read holds one of them at most.
 */
export function suitsPool(socket: Socket, length: number): boolean {
  return length > SMALL && length <= POOLED_MAX && socket.writableLength === 0;
}

/** Writes a copy of bytes that the caller is about to overwrite. Returns what `socket.write` does. */
export function writeCopy(socket: Socket, bytes: Uint8Array): boolean {
  if (!suitsPool(socket, bytes.length)) return socket.write(Buffer.from(bytes));
  const buffer = take();
  buffer.set(bytes);
  return socket.write(buffer.subarray(0, bytes.length), () => release(buffer));
}
