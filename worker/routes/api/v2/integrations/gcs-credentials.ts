// The configuration that says where credentials for Google Cloud Storage come from, in one spelling (api-v2.md 2.14).
import { HTTPException } from "hono/http-exception";

const KEYS = [
  "universe_domain",
  "type",
  "audience",
  "subject_token_type",
  "service_account_impersonation_url",
  "token_url",
] as const;
const SOURCE_KEYS = [
  "environment_id",
  "region_url",
  "url",
  "regional_cred_verification_url",
  "imdsv2_session_token_url",
] as const;

/** The configuration with known keys alone, in their order. @throws HTTPException 400 when it is no JSON object */
export function canonicalCredentials(text: string): string {
  if (text.trim() === "") return "";
  const given = parse(text);
  const source = given.credential_source;
  const canonical = {
    ...pick(given, KEYS),
    ...(isObject(source) && { credential_source: pick(source, SOURCE_KEYS) }),
  };
  return JSON.stringify(canonical).replaceAll("&", "\\u0026").replaceAll("<", "\\u003c").replaceAll(">", "\\u003e");
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // said below
  }
  throw new HTTPException(400, { message: "gcsCredentials: not a JSON object" });
}

function pick(given: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => typeof given[key] === "string").map((key) => [key, given[key]]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
