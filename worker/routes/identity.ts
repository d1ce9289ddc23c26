// The documents by which others verify the identity tokens of nodes (control-protocol.md 1.10): OpenID Connect Discovery
// 1.0 and a key set. Public, the same for everybody, and cheap to keep for a while.
import { Hono } from "hono";
import { cors } from "hono/cors";
import { readSettings } from "../env.ts";
import { tailnetFor } from "../middleware/tailnet-for.ts";

const KEY_SET_PATH = "/.well-known/jwks.json";
/** A key is published for a day before it signs, so that an hour-old set never lacks one. */
const CACHE = "public, max-age=3600";

/** GET /.well-known/openid-configuration and the key set. */
export const identityRoutes = new Hono<{ Bindings: Env }>();

identityRoutes.use("/.well-known/*", cors());

identityRoutes.get("/.well-known/openid-configuration", (c) => {
  const issuer = readSettings(c.env).publicUrl || new URL(c.req.url).origin;
  c.header("cache-control", CACHE);
  return c.json({
    issuer,
    jwks_uri: `${issuer}${KEY_SET_PATH}`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
    scopes_supported: ["openid"],
    claims_supported: [
      ...["iss", "sub", "aud", "iat", "nbf", "exp", "jti"],
      ...["key", "addresses", "nid", "node", "domain", "tags", "user", "uid"],
    ],
  });
});

identityRoutes.get(KEY_SET_PATH, async (c) => {
  const keySet = await tailnetFor(c.env).identityKeys();
  c.header("cache-control", CACHE);
  return c.json(keySet);
});
