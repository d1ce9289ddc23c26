// HPACK encoder without state (RFC 7541 §6): :status from the static table where it is there, everything else as
// literals that are not added to the table, never Huffman. Responses here have two or three fields, so a smarter encoder
// would save a few octets and cost a table in the state of every connection.
import { concat, utf8 } from "../../bytes.ts";
import type { HeaderField } from "./table.ts";

const STATUS_INDEX: ReadonlyMap<number, number> = new Map([
  [200, 8],
  [204, 9],
  [206, 10],
  [304, 11],
  [400, 12],
  [404, 13],
  [500, 14],
]);
const STATUS_NAME_INDEX = 8;

/**
 * Encodes the header block of a response. Names must be lower-case.
 * Shape: [0x20 = table size 0][:status][0x00, name, value]…
 * The size update stands in every block because the first block after a client lowers HEADER_TABLE_SIZE must have it
 * (RFC 7541 §4.2), and one octet is cheaper than remembering whether that was said.
 */
export function encodeResponseBlock(status: number, headers: readonly HeaderField[]): Uint8Array {
  const index = STATUS_INDEX.get(status);
  const parts = [
    index === undefined
      ? concat([Uint8Array.of(0x20, STATUS_NAME_INDEX), encodeString(String(status))])
      : Uint8Array.of(0x20, 0x80 | index),
  ];
  for (const [name, value] of headers) parts.push(Uint8Array.of(0x00), encodeString(name), encodeString(value));
  return concat(parts);
}

// [0][7+ length][octets]
function encodeString(text: string): Uint8Array {
  const octets = utf8(text);
  return concat([encodeLength(octets.length), octets]);
}

function encodeLength(length: number): Uint8Array {
  if (length < 0x7f) return Uint8Array.of(length);
  const octets = [0x7f];
  let rest = length - 0x7f;
  for (; rest >= 0x80; rest >>>= 7) octets.push((rest & 0x7f) | 0x80);
  return Uint8Array.of(...octets, rest);
}
