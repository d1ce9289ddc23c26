// Reads fields of untrusted JSON objects into plain values. A reader returns undefined for an absent or null field and
// throws MalformedRequest when the field has the wrong type, as Go's decoder would. Names are matched exactly.
import { isZeroKey } from "../keys.ts";

/** A request body that is not what its endpoint expects; the text is fixed and safe to send back. */
export class MalformedRequest extends Error {
  override readonly name = "MalformedRequest";
}

/** A decoded JSON object. */
export type JsonObject = { readonly [name: string]: unknown };

/** Tells whether a JSON value is an object (not null, not an array). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses a JSON text that must be an object. @throws MalformedRequest */
export function parseJsonObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MalformedRequest("body is not JSON");
  }
  if (!isJsonObject(value)) throw new MalformedRequest("body is not a JSON object");
  return value;
}

function read<T>(
  object: JsonObject,
  name: string,
  what: string,
  accept: (value: unknown) => value is T,
): T | undefined {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (!accept(value)) throw new MalformedRequest(`${name} is not ${what}`);
  return value;
}

/** A text without NUL characters, which clients report as errors when a map response has them. */
export function withoutNul(text: string): string {
  return text.replaceAll("\u0000", "");
}

/** A string field, without NUL characters. */
export function readString(object: JsonObject, name: string): string | undefined {
  const text = read(object, name, "a string", (v) => typeof v === "string");
  return text === undefined ? undefined : withoutNul(text);
}

/** A boolean field. */
export function readBoolean(object: JsonObject, name: string): boolean | undefined {
  return read(object, name, "a boolean", (v) => typeof v === "boolean");
}

/** An integer field within 32 bits: what is read here goes on to peers, and Go's int has no more on the smallest of them. */
export function readInteger(object: JsonObject, name: string): number | undefined {
  return read(object, name, "an integer of 32 bits", (v): v is number => typeof v === "number" && (v | 0) === v);
}

/** An object field. */
export function readObject(object: JsonObject, name: string): JsonObject | undefined {
  return read(object, name, "an object", isJsonObject);
}

/** A field that is a list of strings, each without NUL characters. */
export function readStrings(object: JsonObject, name: string): readonly string[] | undefined {
  return read(object, name, "a list of strings", isStrings)?.map(withoutNul);
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** A key field; absent, null and the zero key are null. */
export function readKey<K extends string>(
  object: JsonObject,
  name: string,
  parse: (text: unknown) => K | undefined,
): K | null {
  const value = object[name];
  if (value === undefined || value === null) return null;
  const key = parse(value);
  if (key === undefined) throw new MalformedRequest(`${name} is not a key of its kind`);
  return isZeroKey(key) ? null : key;
}

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/** A time field (RFC 3339) as milliseconds since 1970; Go's zero time counts as absent. */
export function readTime(object: JsonObject, name: string): number | undefined {
  const text = readString(object, name);
  if (text === undefined || text === "0001-01-01T00:00:00Z") return undefined;
  const at = RFC_3339.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new MalformedRequest(`${name} is not a time`);
  return at;
}

/** Milliseconds since 1970 as RFC 3339 in UTC; years from 0 to 9999, as Go's decoder demands. */
export function formatTime(at: number): string {
  return new Date(at).toISOString().replace(".000Z", "Z");
}

/** The same, to the second that it is in: netmaps have two or three times a node, and digits are what they consist of. */
export function formatSecond(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
