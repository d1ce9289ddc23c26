// Signature Version 4 of AWS for S3 and what is compatible with it, in the Authorization header:
//
//   canonical request   method, path, query, headers (lower case, sorted), their names, SHA-256 of the body; one per line
//   text to be signed   "AWS4-HMAC-SHA256", time, scope (day/region/s3/aws4_request), SHA-256 of the canonical request
//   key                 HMAC of day, region, "s3", "aws4_request" in turn, beginning with "AWS4" and the secret
//
// S3 takes the path as it is in the URL, escaped once.
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { toHex, utf8 } from "../../protocol/bytes.ts";

/** Whoever signs. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/** What is signed. Header names are in lower case; `host` is taken from the URL. */
export interface S3Request {
  readonly method: "GET" | "PUT";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The headers of a request with those that sign it. */
export function signS3(request: S3Request, credentials: S3Credentials, now: number): Record<string, string> {
  const time = `${new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z`;
  const bodyHash = toHex(sha256(request.body));
  const url = new URL(request.url);
  const headers = { ...request.headers, "x-amz-content-sha256": bodyHash, "x-amz-date": time };
  const signed = Object.entries({ ...headers, host: url.host }).sort(([a], [b]) => (a < b ? -1 : 1));
  const names = signed.map(([name]) => name).join(";");
  const canonical = [
    request.method,
    url.pathname,
    canonicalQuery(url.searchParams),
    ...signed.map(([name, value]) => `${name}:${value.trim()}`),
    "",
    names,
    bodyHash,
  ].join("\n");
  const scope = `${time.slice(0, 8)}/${credentials.region}/s3/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", time, scope, toHex(sha256(utf8(canonical)))].join("\n");
  const signature = toHex(hmac(sha256, signingKey(credentials.secretAccessKey, scope), utf8(text)));
  const credential = `${credentials.accessKeyId}/${scope}`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential},SignedHeaders=${names},Signature=${signature}`;
  return { ...headers, authorization };
}

/** A text as it stands in the path of an object's URL: all but unreserved characters and slashes are escaped. */
export function escapeKey(key: string): string {
  return key.split("/").map(escapeS3).join("/");
}

function signingKey(secret: string, scope: string): Uint8Array {
  return scope.split("/").reduce((key, part) => hmac(sha256, key, utf8(part)), utf8(`AWS4${secret}`));
}

function canonicalQuery(query: URLSearchParams): string {
  const pairs = [...query].map(([name, value]) => `${escapeS3(name)}=${escapeS3(value)}`);
  return pairs.sort().join("&");
}

function escapeS3(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
