// POST /oauth/token: access tokens for OAuth clients, by their secret (api-v2.md 1.4, RFC 6749 §4.4).
import { OpenAPIHono } from "@hono/zod-openapi";
import { readText } from "../../../../middleware/request-body.ts";
import { administrationOf } from "../../../../middleware/tailnet-for.ts";
import { fromBase64, fromUtf8 } from "../../../../protocol/bytes.ts";
import { TOKEN_FORM_MAX } from "../../../../protocol/limits.ts";
import { publicRoute } from "../api-route.ts";
import { answerToken, answerUnproven, failure, form, tokenReplies } from "./oauth-answer.ts";

const requestToken = publicRoute("requestToken", {
  method: "post",
  path: "/oauth/token",
  tags: ["OAuth"],
  summary: "Get an access token for an OAuth client",
  description:
    "The secret comes in the form or as the password of `Basic`. It names the client; `client_id` is ignored.",
  request: {
    body: form(
      {
        client_id: "Ignored.",
        client_secret: "`tskey-client-…`",
        grant_type: "`client_credentials`, which is also the default.",
        scope: "A subset of the client's scopes, separated by blanks; absent: all of them.",
        tags: "A subset of the client's tags, separated by blanks; absent: all of them.",
      },
      [],
    ),
  },
  responses: tokenReplies,
});

/** Tokens for secrets. */
export const tokenRoutes = new OpenAPIHono<{ Bindings: Env }>();

tokenRoutes.openapi(requestToken, async (c) => {
  const fields = new URLSearchParams(await readText(c.req.raw, TOKEN_FORM_MAX));
  const grant = fields.get("grant_type") || "client_credentials";
  if (grant !== "client_credentials") return failure(c, 400, "unsupported_grant_type", "use client_credentials");
  const secret = fields.get("client_secret") || basicPassword(c.req.header("authorization") ?? "");
  const request = { scopes: words(fields.get("scope")), tags: words(fields.get("tags")) };
  // Mounted secrets end in a line break, and some carry the options of the client that they were given to.
  const bare = secret.trim().split("?", 1)[0] ?? "";
  const outcome = await administrationOf(c.env).credentials.tokenForSecret(bare, request);
  return outcome === null ? await answerUnproven(c, "API token invalid") : answerToken(c, outcome);
});

/** The password of `Basic`, which RFC 6749 §2.3.1 has percent-encoded; empty when there is none. */
function basicPassword(header: string): string {
  const match = /^basic\s+(\S+)$/i.exec(header.trim());
  const credentials = match?.[1] === undefined ? undefined : fromBase64(match[1]);
  const text = credentials === undefined ? "" : fromUtf8(credentials);
  return new URLSearchParams(`password=${text.slice(text.indexOf(":") + 1)}`).get("password") ?? "";
}

function words(text: string | null): string[] {
  return [...new Set((text ?? "").split(/\s+/).filter((word) => word !== ""))];
}
