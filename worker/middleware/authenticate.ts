// API tokens as callers present them (api-v2.md 1.2): `Basic` with the token as user name and any password, or `Bearer`.
import { HTTPException } from "hono/http-exception";
import type { Authentication } from "../objects/administration/access.ts";
import { fromBase64, fromUtf8 } from "../protocol/bytes.ts";
import { RateLimitException } from "./on-error.ts";
import type { RemoteAdministration } from "./tailnet-for.ts";

/** Who makes a request. @throws HTTPException 401, or 429 with the time to wait */
export async function authenticate(
  request: Request,
  administration: RemoteAdministration,
): Promise<Authentication & { readonly kind: "authenticated" }> {
  const token = presentedToken(request.headers.get("authorization") ?? "");
  if (token === undefined) throw new HTTPException(401, { message: "API token invalid" });
  const result = await administration.access.authenticate(token, sourceAddress(request));
  if (result.kind === "limited") throw new RateLimitException(result.seconds, result.limit);
  if (result.kind === "invalid") throw new HTTPException(401, { message: "API token invalid" });
  return result;
}

/** Where a request comes from: what the platform says, else the nearest proxy; empty when nobody does. A hint only. */
export function sourceAddress(request: Request): string {
  const forwarded = request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim();
  return request.headers.get("cf-connecting-ip") ?? forwarded ?? "";
}

/** The token in an Authorization header; undefined when there is none. */
export function presentedToken(header: string): string | undefined {
  const [scheme, value] = header.trim().split(/\s+/, 2);
  if (scheme === undefined || value === undefined) return undefined;
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic") return undefined;
  const credentials = fromBase64(value);
  return credentials === undefined ? undefined : fromUtf8(credentials).split(":")[0];
}
