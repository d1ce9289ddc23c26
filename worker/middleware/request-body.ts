// Bodies of public requests: read whole, never more than the limit, and understood by content, because clients send
// JSON under any content type or none (api-v2.md 1.1).
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { concat, fromUtf8, utf8 } from "../protocol/bytes.ts";
import { API_BODY_MAX } from "../protocol/limits.ts";

/** Reads a body of at most `limit` bytes. @throws HTTPException 413 */
async function readBody(request: Request, limit: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length")) > limit) throw tooLarge(limit);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return concat(chunks);
}

/** Reads a body as text, without a byte order mark. @throws HTTPException 413 */
export async function readText(request: Request, limit: number): Promise<string> {
  return fromUtf8(await readBody(request, limit));
}

/**
 * Makes the request's body JSON for whatever reads it next. A missing one becomes `{}` where none is required; elsewhere
 * it is a mistake: taken for `{}`, it would clear what operations replace whole. @throws HTTPException 400, 413
 */
export async function takeBodyAsJson(c: Context, isRequired: boolean): Promise<void> {
  const body = await readBody(c.req.raw, API_BODY_MAX);
  const isBlank = body.length < 16 && fromUtf8(body).trim() === "";
  if (isBlank && isRequired) throw new HTTPException(400, { message: "body: JSON is required" });
  const headers = new Headers(c.req.raw.headers);
  headers.set("content-type", "application/json");
  headers.delete("content-length");
  c.req.raw = new Request(c.req.raw, { headers, body: isBlank ? utf8("{}") : body });
}

function tooLarge(limit: number): HTTPException {
  return new HTTPException(413, { message: `body is larger than ${limit} bytes` });
}
