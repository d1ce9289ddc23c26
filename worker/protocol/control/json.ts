// Reads fields of untrusted JSON objects into plain values. A reader returns undefined for an absent or null field and
// throws MalformedRequest when the field has the wrong type, as Go's decoder would.

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

function read<T>(object: JsonObject, name: string, what: string, accept: (value: unknown) => value is T): T | undefined {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (!accept(value)) throw new MalformedRequest(`${name} is not ${what}`);
  return value;
}

/** A string field. NUL characters are removed: clients refuse them in map responses. */
export function readString(object: JsonObject, name: string): string | undefined {
  return read(object, name, "a string", (v) => typeof v === "string")?.replaceAll("\u0000", "");
}

/** A boolean field. */
export function readBoolean(object: JsonObject, name: string): boolean | undefined {
  return read(object, name, "a boolean", (v) => typeof v === "boolean");
}

/** An integer field within ±(2^53 − 1). */
export function readInteger(object: JsonObject, name: string): number | undefined {
  return read(object, name, "an integer", (v): v is number => Number.isSafeInteger(v));
}

/** An object field. */
export function readObject(object: JsonObject, name: string): JsonObject | undefined {
  return read(object, name, "an object", isJsonObject);
}

/** A field that is a list of strings. */
export function readStrings(object: JsonObject, name: string): readonly string[] | undefined {
  const list = read(object, name, "a list", (v): v is unknown[] => Array.isArray(v));
  if (list === undefined) return undefined;
  if (!list.every((item) => typeof item === "string")) throw new MalformedRequest(`${name} is not a list of strings`);
  return list;
}

/** A time field (RFC 3339) as milliseconds since 1970; Go's zero time counts as absent. */
export function readTime(object: JsonObject, name: string): number | undefined {
  const text = readString(object, name);
  if (text === undefined || text === "" || text.startsWith("0001-01-01T00:00:00")) return undefined;
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new MalformedRequest(`${name} is not a time`);
  return at;
}

/** Milliseconds since 1970 as RFC 3339 in UTC. */
export function formatTime(at: number): string {
  return new Date(at).toISOString().replace(".000Z", "Z");
}
