// Turns a decoded header list into a request head, or finds it malformed (RFC 9113 §8.1.1, §8.2, §8.3). Trailers are only
// checked. CONNECT is left out: no client of a coordination server sends it, and without :path it counts as malformed.
import type { HeaderField } from "./hpack/table.ts";

/** A request without its body. Text has one character (U+0000-U+00FF) per octet. */
export interface RequestHead {
  readonly method: string;
  /** Origin form with the query, or `*`. */
  readonly path: string;
  /** From :authority, else from Host; may be empty, and clients of 1.80 and later may send any word here. */
  readonly authority: string;
  /** Without pseudo headers, in order of arrival; names are lower-case and may repeat. */
  readonly headers: readonly HeaderField[];
}

/** A well-formed request: its head and the body length that it declares. */
export interface ParsedRequest {
  readonly head: RequestHead;
  readonly contentLength: number | undefined;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// What RFC 9113 §8.2.1 forbids in a value.
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;
const PATH = /^(?:\/[\x21-\x7e]*|\*)$/;
const CONTENT_LENGTH = /^[0-9]{1,15}$/;

const PSEUDO_NAMES: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path"]);
/** Fields of an HTTP/1.1 connection (RFC 9113 §8.2.2); `te` is allowed with one value only. */
const CONNECTION_NAMES: ReadonlySet<string> = new Set([
  "connection",
  "proxy-connection",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
]);

/** Reads a request; undefined when it is malformed and the stream must end with PROTOCOL_ERROR. */
export function readRequest(fields: readonly HeaderField[]): ParsedRequest | undefined {
  const pseudo = readPseudo(fields);
  if (pseudo === undefined) return undefined;
  const headers = fields.slice(pseudo.size);
  if (!headers.every(isRegular)) return undefined;
  const method = pseudo.get(":method") ?? "";
  const path = pseudo.get(":path") ?? "";
  if (!TOKEN.test(method) || !PATH.test(path) || !pseudo.get(":scheme")) return undefined;
  const authority = pseudo.get(":authority") ?? headers.find(([name]) => name === "host")?.[1] ?? "";
  const lengths = new Set(headers.filter(([name]) => name === "content-length").map(([, value]) => value));
  const [length] = lengths;
  if (lengths.size > 1 || (length !== undefined && !CONTENT_LENGTH.test(length))) return undefined;
  return {
    head: { method, path, authority, headers },
    contentLength: length === undefined ? undefined : Number(length),
  };
}

/** Whether a header list may follow a body: regular fields only. */
export function areTrailers(fields: readonly HeaderField[]): boolean {
  return fields.every(isRegular);
}

/** The pseudo headers, all of which come first; undefined when one is unknown, repeated or has a bad value. */
function readPseudo(fields: readonly HeaderField[]): Map<string, string> | undefined {
  const pseudo = new Map<string, string>();
  for (const [name, value] of fields) {
    if (!name.startsWith(":")) break;
    if (!PSEUDO_NAMES.has(name) || pseudo.has(name) || BAD_VALUE.test(value)) return undefined;
    pseudo.set(name, value);
  }
  return pseudo;
}

function isRegular([name, value]: HeaderField): boolean {
  if (!NAME.test(name) || BAD_VALUE.test(value)) return false;
  return name === "te" ? value === "trailers" : !CONNECTION_NAMES.has(name);
}
