// The HPACK header field tables (RFC 7541 §2.3, §4, Appendix A). The dynamic table is plain data: it lives in the
// connection state and so in the socket's attachment, until the client obeys HEADER_TABLE_SIZE = 0 and empties it.

/** A header field: name and value, one character (U+0000-U+00FF) per octet. */
export type HeaderField = readonly [name: string, value: string];

/** The dynamic table of one direction. Invariant: size = sum of {@link fieldSize} of the entries ≤ capacity. */
export interface HpackTable {
  /** Oldest first, so that insertion is a push; index 62 on the wire is the last. */
  readonly entries: HeaderField[];
  size: number;
  /** Chosen by the encoder, by size updates; at most what our SETTINGS allow. */
  capacity: number;
}

/** Size of a dynamic table before any SETTINGS (RFC 9113 §6.5.2). */
export const DEFAULT_TABLE_SIZE = 4096;

/** An empty dynamic table of the default size. */
export function newTable(): HpackTable {
  return { entries: [], size: 0, capacity: DEFAULT_TABLE_SIZE };
}

/** What a field counts for, in a table and in a header list: its octets plus 32 (RFC 7541 §4.1, RFC 9113 §6.5.2). */
export function fieldSize([name, value]: HeaderField): number {
  return name.length + value.length + 32;
}

/** The field at an index ≥ 1 of the static and dynamic table together; undefined when there is none. */
export function lookUp(table: HpackTable, index: number): HeaderField | undefined {
  if (index <= STATIC_TABLE.length) return STATIC_TABLE[index - 1];
  return table.entries[table.entries.length - (index - STATIC_TABLE.length)];
}

/** Adds a field and evicts the oldest to make room; a field above the capacity empties the table (RFC 7541 §4.4). */
export function insert(table: HpackTable, field: HeaderField): void {
  const size = fieldSize(field);
  evictTo(table, table.capacity - size);
  if (size > table.capacity) return;
  table.entries.push(field);
  table.size += size;
}

/** Obeys a size update, evicting what no longer fits. The caller has checked the capacity against our SETTINGS. */
export function resize(table: HpackTable, capacity: number): void {
  table.capacity = capacity;
  evictTo(table, capacity);
}

function evictTo(table: HpackTable, size: number): void {
  let count = 0;
  for (const field of table.entries) {
    if (table.size <= size) break;
    table.size -= fieldSize(field);
    count++;
  }
  if (count > 0) table.entries.splice(0, count);
}

/** Appendix A; index 1 comes first. */
export const STATIC_TABLE: readonly HeaderField[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ["accept-language", ""],
  ["accept-ranges", ""],
  ["accept", ""],
  ["access-control-allow-origin", ""],
  ["age", ""],
  ["allow", ""],
  ["authorization", ""],
  ["cache-control", ""],
  ["content-disposition", ""],
  ["content-encoding", ""],
  ["content-language", ""],
  ["content-length", ""],
  ["content-location", ""],
  ["content-range", ""],
  ["content-type", ""],
  ["cookie", ""],
  ["date", ""],
  ["etag", ""],
  ["expect", ""],
  ["expires", ""],
  ["from", ""],
  ["host", ""],
  ["if-match", ""],
  ["if-modified-since", ""],
  ["if-none-match", ""],
  ["if-range", ""],
  ["if-unmodified-since", ""],
  ["last-modified", ""],
  ["link", ""],
  ["location", ""],
  ["max-forwards", ""],
  ["proxy-authenticate", ""],
  ["proxy-authorization", ""],
  ["range", ""],
  ["referer", ""],
  ["refresh", ""],
  ["retry-after", ""],
  ["server", ""],
  ["set-cookie", ""],
  ["strict-transport-security", ""],
  ["transfer-encoding", ""],
  ["user-agent", ""],
  ["vary", ""],
  ["via", ""],
  ["www-authenticate", ""],
];
