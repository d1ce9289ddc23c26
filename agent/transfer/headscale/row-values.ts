// Values of headscale's rows.
import type { Row } from "./read-database.ts";

/** A text; empty when there is none. */
export function text(row: Row, column: string): string {
  const value = row[column];
  return typeof value === "string" ? value : "";
}

/** A flag, which SQLite keeps as a number. */
export function flag(row: Row, column: string): boolean {
  return row[column] === 1;
}

/** A list of texts; empty when there is none. */
export function list(row: Row, column: string): string[] {
  const value: unknown = JSON.parse(text(row, column) || "[]");
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

/** An instant in milliseconds since 1970, from `2026-01-02 03:04:05.123456789+00:00`; null for none, also the year 1. */
export function instant(row: Row, column: string): number | null {
  const [, day, time, fraction = "", zone = "Z"] =
    /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?(?: ?\+0000 UTC|(Z|[+-]\d\d:\d\d))?/.exec(text(row, column)) ?? [];
  if (day === undefined) return null;
  const at = Date.parse(`${day}T${time}${fraction.slice(0, 4)}${zone}`);
  return Number.isNaN(at) || at < 0 ? null : at;
}
