// Texts of others that may be JSON.
import { isJsonObject } from "../../protocol/control/json.ts";

/** The object that a text holds; undefined: it holds none. */
export function readJsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Words of others, fit to be shown: printable ASCII, and not many. */
export function printable(text: string): string {
  return text
    .replaceAll(/[^\x20-\x7e]+/g, " ")
    .trim()
    .slice(0, 300);
}
