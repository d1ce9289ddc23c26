// POST /machine/id-token: a token that proves to others who the node is (control-protocol.md 6.3). They verify it by the
// documents that routes/identity.ts serves at the issuer's URL.
import { toIdentityClaims } from "../mapper/to-identity-claims.ts";
import { readString } from "../protocol/control/json.ts";
import { TOKEN_AUDIENCE_MAX } from "../protocol/limits.ts";
import { isServed } from "../tailnet/entities/node.ts";
import { forNode } from "./asking-node.ts";
import { json, text } from "./control-endpoint.ts";

/** Signs a token for the audience that the node asks for. The client hands status and text on to who asked it. */
export const idToken = forNode((node, body, context) => {
  const { runtime, deployment, issuer, now } = context;
  const audience = readString(body, "Audience")?.trim() ?? "";
  if (audience === "" || audience.length > TOKEN_AUDIENCE_MAX) {
    return text(400, `Audience must have 1 to ${TOKEN_AUDIENCE_MAX} characters`);
  }
  if (!isServed(node, now)) return text(403, "this device is not approved, or must log in again");
  const wait = context.limits.tokens.take(node.machineKey, now);
  if (wait > 0) return text(429, "too many tokens", [["retry-after", String(wait)]]);
  const claims = toIdentityClaims(runtime.tailnet, node, deployment, { issuer, audience, now });
  return json({ id_token: context.tokens.sign(claims, now) });
});
