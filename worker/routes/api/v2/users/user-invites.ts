// Invites of people (api-v2.md 2.10). No mail is sent: the answer that makes an invite holds its link, to be handed on.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { readSettings } from "../../../../env.ts";
import { found, resultOf } from "../../../../middleware/on-error.ts";
import type { UserInviteRecord } from "../../../../objects/administration/user-invites.ts";
import { USER_INVITES_AT_ONCE } from "../../../../protocol/limits.ts";
import { numberOf } from "../../../../tailnet/entities/tailnet-id.ts";
import { apiRoute, body, Done, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";

const TAGS = ["User invites"];
const params = z.object({ tailnet: TailnetName });
const idParams = z.object({
  userInviteId: z.string().openapi({ param: { name: "userInviteId", in: "path" }, example: "12346" }),
});
const role = z.enum(["member", "admin", "it-admin", "network-admin", "billing-admin", "auditor"]);

const Request = z
  .array(
    z.object({
      role: role.nullish(),
      email: z.string().max(254).nullish().openapi({ description: "Login name of the person; absent: they choose." }),
    }),
  )
  .min(1)
  .max(USER_INVITES_AT_ONCE);

const UserInviteSchema = z
  .object({
    id: z.string(),
    role,
    tailnetId: z.number().int(),
    inviterId: z.number().int(),
    email: z.string().optional(),
    inviteUrl: z.string().optional().openapi({ description: "Shown when the invite is made, never again." }),
  })
  .openapi("UserInvite");

const listUserInvites = apiRoute("listUserInvites", {
  method: "get",
  path: "/tailnet/{tailnet}/user-invites",
  tags: TAGS,
  summary: "List open user invites",
  request: { params },
  responses: { 200: reply(z.array(UserInviteSchema), "Invites, oldest first") },
});

const createUserInvites = apiRoute("createUserInvites", {
  method: "post",
  path: "/tailnet/{tailnet}/user-invites",
  tags: TAGS,
  summary: "Invite people",
  description: "No mail is sent: hand on `inviteUrl`. An invite is good for one person and thirty days.",
  request: { params, body: body(Request) },
  responses: { 200: reply(z.array(UserInviteSchema), "The invites, with their links") },
});

const path = "/user-invites/{userInviteId}" as const;

const getUserInvite = apiRoute("getUserInvite", {
  method: "get",
  path,
  tags: TAGS,
  summary: "Get a user invite",
  request: { params: idParams },
  responses: { 200: reply(UserInviteSchema, "The invite") },
});

const deleteUserInvite = apiRoute("deleteUserInvite", {
  method: "delete",
  path,
  tags: TAGS,
  summary: "Withdraw a user invite",
  request: { params: idParams },
  responses: { 200: reply(Done, "Done") },
});

const resendUserInvite = apiRoute("resendUserInvite", {
  method: "post",
  path: "/user-invites/{userInviteId}/resend",
  tags: TAGS,
  summary: "Refused: no mail is sent",
  request: { params: idParams },
  responses: { 200: reply(Done, "Never") },
});

/** Invites of people. */
export const userInviteRoutes = new OpenAPIHono<{ Bindings: Env }>();

userInviteRoutes.openapi(listUserInvites, async (c) => {
  const invites = await c.var.administration.userInvites.list();
  return c.json(
    invites.map((invite) => toInvite(invite, c.var.tailnetId)),
    200,
  );
});

userInviteRoutes.openapi(createUserInvites, async (c) => {
  const specs = c.req
    .valid("json")
    .map(({ role: wanted, email }) => ({ role: wanted ?? "member", email: email ?? "" }));
  for (const { email } of specs) {
    if (email !== "" && !/^[^\s@]{1,64}@[^\s@]{1,190}$/.test(email)) {
      throw new HTTPException(400, { message: "email: not an email address" });
    }
  }
  const made = resultOf(await c.var.administration.userInvites.create(specs));
  const origin = readSettings(c.env).publicUrl || new URL(c.req.url).origin;
  return c.json(
    made.map((invite) => ({ ...toInvite(invite, c.var.tailnetId), inviteUrl: `${origin}/invite/${invite.code}` })),
    200,
  );
});

userInviteRoutes.openapi(getUserInvite, async (c) => {
  const invite = found(await c.var.administration.userInvites.get(c.req.param("userInviteId")), "invite");
  return c.json(toInvite(invite, c.var.tailnetId), 200);
});

userInviteRoutes.openapi(deleteUserInvite, async (c) => {
  resultOf(await c.var.administration.userInvites.remove(c.req.param("userInviteId")));
  return c.json({}, 200);
});

userInviteRoutes.openapi(resendUserInvite, async (c) => {
  found(await c.var.administration.userInvites.get(c.req.param("userInviteId")), "invite");
  const message = "this server sends no mail; withdraw the invite and make another to get a new link to hand on";
  throw new HTTPException(400, { message });
});

function toInvite({ id, role: given, email, inviterId }: UserInviteRecord, tailnetId: string) {
  return { id, role: given, tailnetId: numberOf(tailnetId), inviterId, ...(email !== "" && { email }) };
}
