// Frames that a client sends: masked, whole, in one piece of memory with their payload.
import { randomFillSync } from "node:crypto";
import type { Socket } from "node:net";
import { HEAD_ROOM, release, suitsPool, take } from "./buffer-pool.ts";
import { FIN, MASKED } from "./frame.ts";

const MASK_LENGTH = 4;
/** Masks are drawn from the system in advance, so many at a time. */
const masks = new Uint32Array(2_048);
let masksUsed = masks.length;

/**
 * Writes one frame whose payload is the parts joined.
 * @param written called when the frame has left the process, or cannot any more
 */
export function writeFrame(socket: Socket, opcode: number, parts: readonly Uint8Array[], written?: () => void): void {
  let length = 0;
  for (const part of parts) length += part.length;
  const isPooled = suitsPool(socket, length);
  // Whole words, so that the mask need not look at single bytes.
  const buffer = isPooled ? take() : Buffer.from(new ArrayBuffer(HEAD_ROOM + ((length + 3) & ~3)));
  let at = HEAD_ROOM;
  for (const part of parts) {
    buffer.set(part, at);
    at += part.length;
  }
  const mask = nextMask();
  applyMask(buffer, length, mask);
  const start = writeHead(buffer, opcode, length, mask);
  const frame = buffer.subarray(start, at);
  if (!isPooled) socket.write(frame, written);
  else {
    socket.write(frame, () => {
      release(buffer);
      written?.();
    });
  }
}

/** The payload begins at HEAD_ROOM; so its head ends there. Returns where it begins. */
function writeHead(buffer: Buffer, opcode: number, length: number, mask: number): number {
  const maskAt = HEAD_ROOM - MASK_LENGTH;
  new Uint32Array(buffer.buffer, buffer.byteOffset + maskAt, 1)[0] = mask; // in memory's order, as applyMask has it
  let start = maskAt - 2;
  if (length > 0xffff) {
    start -= 8;
    buffer[start + 1] = MASKED | 127;
    buffer.writeBigUInt64BE(BigInt(length), start + 2);
  } else if (length > 125) {
    start -= 2;
    buffer[start + 1] = MASKED | 126;
    buffer.writeUInt16BE(length, start + 2);
  } else {
    buffer[start + 1] = MASKED | length;
  }
  buffer[start] = FIN | opcode;
  return start;
}

function applyMask(buffer: Buffer, length: number, mask: number): void {
  const words = new Uint32Array(buffer.buffer, buffer.byteOffset + HEAD_ROOM, (length + 3) >> 2);
  for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ mask;
}

function nextMask(): number {
  if (masksUsed === masks.length) {
    randomFillSync(masks);
    masksUsed = 0;
  }
  const mask = masks[masksUsed] as number;
  masksUsed += 1;
  return mask;
}
