// The first administrator of a new tailnet, made once by whoever holds the secret BOOTSTRAP_SECRET.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { requireBootstrapSecret } from "../../../middleware/bootstrap-secret.ts";
import { RefusalException } from "../../../middleware/on-error.ts";
import { administrationOf } from "../../../middleware/tailnet-for.ts";
import { formatTime } from "../../../protocol/control/json.ts";
import { body, publicRoute, reply } from "./api-route.ts";

const UserSchema = z
  .object({
    id: z.string(),
    displayName: z.string(),
    loginName: z.string(),
    profilePicUrl: z.string(),
    created: z.string().openapi({ format: "date-time" }),
    role: z.enum(["owner", "admin", "it-admin", "network-admin", "billing-admin", "auditor", "member"]),
  })
  .openapi("User");

const BootstrapRequest = z.object({
  loginName: z.string().openapi({ example: "admin@example.com", description: "Email address of the administrator." }),
  apiToken: z.string().max(100).optional().openapi({
    description:
      "API token that the caller made and has kept, so that a lost answer loses nothing; absent: one is made.",
  }),
});

const BootstrapReply = z.object({
  apiToken: z.string().openapi({ description: "API token of the administrator; shown this once." }),
  user: UserSchema,
});

const bootstrap = publicRoute("bootstrap", {
  method: "post",
  path: "/bootstrap",
  tags: ["Bootstrap"],
  summary: "Make the first administrator",
  description: "Works once. The header `Authorization: Bearer <BOOTSTRAP_SECRET>` is required.",
  request: { body: body(BootstrapRequest) },
  responses: { 200: reply(BootstrapReply, "The administrator and an API token") },
});

/** The first administrator. */
export const bootstrapRoutes = new OpenAPIHono<{ Bindings: Env }>();

bootstrapRoutes.openapi(bootstrap, async (c) => {
  await requireBootstrapSecret(c, "bootstrap");
  const { loginName, apiToken } = c.req.valid("json");
  const outcome = await administrationOf(c.env).access.bootstrap(loginName, apiToken);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  const { user, text } = outcome.result;
  const { displayName, profilePicUrl, role } = user;
  const created = formatTime(user.createdAt);
  return c.json(
    {
      apiToken: text,
      user: { id: user.stableId, displayName, loginName: user.loginName, profilePicUrl, created, role },
    },
    200,
  );
});
