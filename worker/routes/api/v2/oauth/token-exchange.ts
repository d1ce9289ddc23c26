// POST /oauth/token-exchange: access tokens for federated identities, by a token of their issuer (api-v2.md 1.5). Clients
// send more than is needed: an empty Basic header, a grant type, a code. None of it counts.
import { OpenAPIHono } from "@hono/zod-openapi";
import { readText } from "../../../../middleware/request-body.ts";
import { administrationOf } from "../../../../middleware/tailnet-for.ts";
import { TOKEN_FORM_MAX } from "../../../../protocol/limits.ts";
import { publicRoute } from "../api-route.ts";
import { IssuerKeys } from "./issuer-keys.ts";
import { answerToken, answerUnproven, form, tokenReplies } from "./oauth-answer.ts";
import { verifyIdentityToken } from "./verify-identity-token.ts";

const exchangeToken = publicRoute("exchangeToken", {
  method: "post",
  path: "/oauth/token-exchange",
  tags: ["OAuth"],
  summary: "Exchange a token of another issuer for an access token",
  request: {
    body: form({ client_id: "Id of the federated identity.", jwt: "The issuer's token." }, ["client_id", "jwt"]),
  },
  responses: tokenReplies,
});

/** What issuers publish, kept for as long as this Worker lives. */
const issuerKeys = new IssuerKeys((url, init) => fetch(url, init));

/** Tokens for tokens. */
export const tokenExchangeRoutes = new OpenAPIHono<{ Bindings: Env }>();

tokenExchangeRoutes.openapi(exchangeToken, async (c) => {
  const fields = new URLSearchParams(await readText(c.req.raw, TOKEN_FORM_MAX));
  const clientId = (fields.get("client_id") ?? "").trim().split("?", 1)[0] ?? "";
  const { credentials } = administrationOf(c.env);
  const identity = await credentials.federatedIdentity(clientId);
  if (identity === null) return await answerUnproven(c, "client_id: unknown federated identity");
  const verified = await verifyIdentityToken(identity, (fields.get("jwt") ?? "").trim(), issuerKeys);
  if (!verified.ok) return await answerUnproven(c, verified.problem);
  const outcome = await credentials.tokenForSubject(clientId, identity.version, verified.subject);
  return outcome === null ? await answerUnproven(c, "the identity was changed meanwhile") : answerToken(c, outcome);
});
