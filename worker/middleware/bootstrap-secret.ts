// Asks for the secret BOOTSTRAP_SECRET, which proves the operator of the whole deployment: for what belongs to no tailnet.
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { readSettings } from "../env.ts";
import { hashSecret, matchesHash } from "../tailnet/entities/secret-token.ts";
import { presentedToken, sourceAddress } from "./authenticate.ts";
import { RateLimitException } from "./on-error.ts";
import { administrationOf } from "./tailnet-for.ts";

/**
 * Lets only the operator pass.
 * @param what what is off while no secret is set
 * @throws HTTPException 401, 403 when no secret is set, 429 after too many failures
 */
export async function requireBootstrapSecret(c: Context<{ Bindings: Env }>, what: string): Promise<void> {
  const { bootstrapSecret } = readSettings(c.env);
  if (bootstrapSecret === "") {
    const message = `${what} is off: set the secret BOOTSTRAP_SECRET (npx wrangler secret put BOOTSTRAP_SECRET)`;
    throw new HTTPException(403, { message });
  }
  const presented = presentedToken(c.req.header("authorization") ?? "") ?? "";
  // Hashes make both sides equally long, so that comparing them tells nothing of the secret.
  if (matchesHash(presented, hashSecret(bootstrapSecret))) return;
  const seconds = await administrationOf(c.env).access.noteFailure(sourceAddress(c.req.raw));
  if (seconds > 0) throw new RateLimitException(seconds);
  throw new HTTPException(401, { message: "bootstrap secret invalid" });
}
