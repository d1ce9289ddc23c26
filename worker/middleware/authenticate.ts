// API tokens as callers present them (api-v2.md 1.2): `Basic` with the token as user name and any password, or `Bearer`.
import { HTTPException } from "hono/http-exception";
import { fromBase64, fromUtf8 } from "../protocol/bytes.ts";
import type { Actor } from "../tailnet/entities/actor.ts";
import type { RemoteAdministration } from "./tailnet-for.ts";

/** Who makes a request. @throws HTTPException 401 */
export async function authenticate(request: Request, administration: RemoteAdministration): Promise<Actor> {
  const token = presentedToken(request.headers.get("authorization") ?? "");
  const actor = token === undefined ? null : await administration.access.authenticate(token);
  if (actor === null) throw new HTTPException(401, { message: "API token invalid" });
  return actor;
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
