// HPACK decoder (RFC 7541 §3.2, §5, §6). It decodes one whole header block; connection.ts joins the fragments. Every
// block must pass through here, those of refused and reset streams too, or the dynamic table falls out of step.
import { Http2ErrorCode, ProtocolError } from "../../errors.ts";
import { decodeHuffman } from "./huffman.ts";
import { fieldSize, type HeaderField, type HpackTable, insert, lookUp, resize } from "./table.ts";

/** What a header block may be, and what our SETTINGS promised to its encoder. */
export interface BlockRules {
  /** Largest dynamic table: our HEADER_TABLE_SIZE once the peer acknowledged it, 4096 before. */
  readonly tableLimit: number;
  /** Largest header list that is collected, as RFC 9113 §6.5.2 counts it. */
  readonly maxList: number;
}

interface Reader {
  readonly block: Uint8Array;
  at: number;
}

/**
 * Decodes a header block and updates the table. Returns undefined when the list is above `maxList`; the table is in
 * step even then, so only the stream is lost.
 * @throws ProtocolError COMPRESSION_ERROR on any malformed block.
 */
export function decodeBlock(table: HpackTable, block: Uint8Array, rules: BlockRules): HeaderField[] | undefined {
  const reader: Reader = { block, at: 0 };
  const fields: HeaderField[] = [];
  let listSize = 0;
  readSizeUpdates(reader, table, rules.tableLimit);
  while (reader.at < block.length) {
    const field = readField(reader, table);
    listSize += fieldSize(field);
    if (listSize <= rules.maxList) fields.push(field);
  }
  return listSize <= rules.maxList ? fields : undefined;
}

// [001][5+ capacity]  may stand before the first field only (§4.2); a lowered limit must be obeyed there.
function readSizeUpdates(reader: Reader, table: HpackTable, limit: number): void {
  while (reader.at < reader.block.length && (peek(reader) & 0xe0) === 0x20) {
    const capacity = readInteger(reader, 5);
    if (capacity > limit) throw compressionError("table size update is above the limit");
    resize(table, capacity);
  }
  if (table.capacity > limit) throw compressionError("table size update is missing");
}

// [1][7+ index]                                       indexed field
// [01][6+ name index, or 0 and a name][value]         literal, added to the table
// [000x][4+ name index, or 0 and a name][value]       literal, not added (x: never to be indexed by intermediaries)
function readField(reader: Reader, table: HpackTable): HeaderField {
  const first = peek(reader);
  if (first & 0x80) return fieldAt(table, readInteger(reader, 7));
  if ((first & 0xe0) === 0x20) throw compressionError("table size update after a field");
  const isIndexed = (first & 0x40) !== 0;
  const nameIndex = readInteger(reader, isIndexed ? 6 : 4);
  const name = nameIndex === 0 ? readString(reader) : fieldAt(table, nameIndex)[0];
  const field: HeaderField = [name, readString(reader)];
  if (isIndexed) insert(table, field);
  return field;
}

function fieldAt(table: HpackTable, index: number): HeaderField {
  const field = index === 0 ? undefined : lookUp(table, index);
  if (field === undefined) throw compressionError("index outside the tables");
  return field;
}

// [1 huffman?][7+ length][octets]
function readString(reader: Reader): string {
  const isHuffman = (peek(reader) & 0x80) !== 0;
  const length = readInteger(reader, 7);
  if (length > reader.block.length - reader.at) throw compressionError("string runs past the block");
  const octets = reader.block.subarray(reader.at, reader.at + length);
  reader.at += length;
  if (isHuffman) return decodeHuffman(octets);
  let text = "";
  for (const octet of octets) text += String.fromCharCode(octet);
  return text;
}

/** Reads an integer with an N-bit prefix (§5.1). Four continuation octets reach 2^28, more than any legal value. */
function readInteger(reader: Reader, prefixBits: number): number {
  const mask = (1 << prefixBits) - 1;
  let value = peek(reader) & mask;
  reader.at++;
  if (value < mask) return value;
  for (let shift = 0; shift <= 21; shift += 7) {
    const octet = peek(reader);
    reader.at++;
    value += (octet & 0x7f) << shift;
    if (octet < 0x80) return value;
  }
  throw compressionError("integer is too long");
}

function peek(reader: Reader): number {
  const octet = reader.block[reader.at];
  if (octet === undefined) throw compressionError("block ends inside a field");
  return octet;
}

function compressionError(detail: string): ProtocolError {
  return new ProtocolError("http2", detail, Http2ErrorCode.COMPRESSION_ERROR);
}
