// Answers of the token endpoints. Failures have the form of the API and that of RFC 6749 §5.2 at once, because clients
// of both kinds print them (api-v2.md 1.4).
import { z } from "@hono/zod-openapi";
import type { Context, TypedResponse } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { sourceAddress } from "../../../../middleware/authenticate.ts";
import { RateLimitException } from "../../../../middleware/on-error.ts";
import { administrationOf } from "../../../../middleware/tailnet-for.ts";
import type { Credentials } from "../../../../objects/administration/credentials.ts";
import { describeRefusal } from "../../../../tailnet/refusal.ts";
import { reply } from "../api-route.ts";

/** A token as it is handed out. */
const TokenReply = z
  .object({
    access_token: z.string(),
    token_type: z.literal("Bearer"),
    expires_in: z.number().int(),
    scope: z.string(),
  })
  .openapi("AccessToken");

/** A failure in both forms. */
const TokenFailure = z
  .object({ message: z.string(), error: z.string().optional(), error_description: z.string().optional() })
  .openapi("AccessTokenError", { description: "An error of this API, which is one of RFC 6749 §5.2 too." });

/** The answers of the token endpoints. */
export const tokenReplies = {
  200: reply(TokenReply, "A token for an hour"),
  default: reply(TokenFailure, "Refused or failed"),
};

/** A form as the description shows it; the handlers read forms themselves. */
export function form(properties: Readonly<Record<string, string>>, required: readonly string[]) {
  const described = Object.entries(properties).map(([name, description]) => [name, { type: "string", description }]);
  const schema = { type: "object" as const, required: [...required], properties: Object.fromEntries(described) };
  return { content: { "application/x-www-form-urlencoded": { schema } } };
}

/** The answer to a caller who has proved itself. */
export function answerToken(
  c: Context,
  outcome: NonNullable<ReturnType<Credentials["tokenForSecret"]>>,
): TypedResponse<z.infer<typeof TokenReply>, 200, "json"> {
  if (outcome.ok) {
    const { text, lifetimeSeconds, scopes } = outcome.result;
    const token = { access_token: text, token_type: "Bearer", expires_in: lifetimeSeconds, scope: scopes.join(" ") };
    return c.json(token, 200) as never;
  }
  const { refusal } = outcome;
  const isScope = refusal.reason === "scopes-not-granted";
  return failure(c, isScope ? 403 : 400, isScope ? "invalid_scope" : "invalid_target", describeRefusal(refusal));
}

/** The answer to a caller who has not proved itself. @throws RateLimitException when that happens too often */
export async function answerUnproven(c: Context<{ Bindings: Env }>, message: string): Promise<never> {
  const seconds = await administrationOf(c.env).access.noteFailure(sourceAddress(c.req.raw));
  if (seconds > 0) throw new RateLimitException(seconds);
  return failure(c, 401, "invalid_client", message);
}

/** A failure in both forms; `never`, because the description of responses names no failure by its status. */
export function failure(c: Context, status: ContentfulStatusCode, error: string, message: string): never {
  return c.json({ message, error, error_description: message }, status) as never;
}
