// Users: list, show, give a role, approve, suspend, restore, delete (api-v2.md 2.9).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { found, RefusalException } from "../../../../middleware/on-error.ts";
import type { UserRecord } from "../../../../objects/administration/users.ts";
import { formatTime } from "../../../../protocol/control/json.ts";
import type { UserAction } from "../../../../tailnet/commands/users/manage-users.ts";
import { type Authorized, apiRoute, body, Done, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";

const TAGS = ["Users"];
const IDLE_AFTER_MS = 28 * 86_400_000;
const params = z.object({ userId: z.string().openapi({ param: { name: "userId", in: "path" } }) });
const done = { 200: reply(Done, "Done") };
const role = z.enum(["owner", "admin", "it-admin", "network-admin", "billing-admin", "auditor", "member"]);
const time = z.string().openapi({ format: "date-time" });

const UserDetails = z
  .object({
    id: z.string(),
    displayName: z.string(),
    loginName: z.string(),
    profilePicUrl: z.string(),
    tailnetId: z.string(),
    created: time,
    type: z.literal("member"),
    role,
    status: z.enum(["active", "idle", "suspended", "needs-approval"]),
    deviceCount: z.number().int(),
    lastSeen: time.optional(),
    currentlyConnected: z.boolean(),
  })
  .openapi("UserDetails");

const listUsers = apiRoute("listUsers", {
  method: "get",
  path: "/tailnet/{tailnet}/users",
  tags: TAGS,
  summary: "List users",
  request: {
    params: z.object({ tailnet: TailnetName }),
    // The Terraform provider sends both, empty when it wants neither.
    query: z.object({
      type: z.enum(["member", "shared", "all", ""]).optional(),
      role: z.enum([...role.options, "all", ""]).optional(),
    }),
  },
  responses: { 200: reply(z.object({ users: z.array(UserDetails) }), "Users, oldest first") },
});

const getUser = apiRoute("getUser", {
  method: "get",
  path: "/users/{userId}",
  tags: TAGS,
  summary: "Get a user",
  request: { params },
  responses: { 200: reply(UserDetails, "The user") },
});

const setUserRole = apiRoute("setUserRole", {
  method: "post",
  path: "/users/{userId}/role",
  tags: TAGS,
  summary: "Give a user a role",
  description: "Only the owner can make another the owner, and becomes an administrator by it.",
  request: { params, body: body(z.object({ role })) },
  responses: done,
});

const approveUser = apiRoute("approveUser", {
  method: "post",
  path: "/users/{userId}/approve",
  tags: TAGS,
  summary: "Approve a user",
  request: { params },
  responses: done,
});

const suspendUser = apiRoute("suspendUser", {
  method: "post",
  path: "/users/{userId}/suspend",
  tags: TAGS,
  summary: "Suspend a user",
  description: "The user's devices, keys and tokens stop working at once.",
  request: { params },
  responses: done,
});

const restoreUser = apiRoute("restoreUser", {
  method: "post",
  path: "/users/{userId}/restore",
  tags: TAGS,
  summary: "Restore a suspended user",
  request: { params },
  responses: done,
});

const deleteUser = apiRoute("deleteUser", {
  method: "post",
  path: "/users/{userId}/delete",
  tags: TAGS,
  summary: "Delete a user",
  description: "Their devices, auth keys and API tokens go with them.",
  request: { params },
  responses: done,
});

/** Users: list, show, change. */
export const userRoutes = new OpenAPIHono<{ Bindings: Env }>();

userRoutes.openapi(listUsers, async (c) => {
  const { type, role: wanted } = c.req.valid("query");
  const users = type === "shared" ? [] : await c.var.administration.users.list();
  const chosen = users.filter((user) => !wanted || wanted === "all" || user.role === wanted);
  return c.json({ users: chosen.map((user) => toDetails(user, c.var.tailnetId)) }, 200);
});

userRoutes.openapi(getUser, async (c) => {
  const user = found(await c.var.administration.users.get(c.req.param("userId")), "user");
  return c.json(toDetails(user, c.var.tailnetId), 200);
});

userRoutes.openapi(setUserRole, async (c) => {
  return c.json(await change(c, { type: "role", role: c.req.valid("json").role }), 200);
});

userRoutes.openapi(approveUser, async (c) => c.json(await change(c, { type: "approve" }), 200));
userRoutes.openapi(suspendUser, async (c) => c.json(await change(c, { type: "suspend" }), 200));
userRoutes.openapi(deleteUser, async (c) => c.json(await change(c, { type: "delete" }), 200));
userRoutes.openapi(restoreUser, async (c) => c.json(await change(c, { type: "restore" }), 200));

async function change(c: Context<Authorized, "/users/:userId">, action: UserAction): Promise<Record<string, never>> {
  const outcome = await c.var.administration.users.change(c.req.param("userId"), action);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return {};
}

function statusOf({ isSuspended, isApproved, isConnected, lastSeenAt, createdAt }: UserRecord) {
  if (isSuspended) return "suspended";
  if (!isApproved) return "needs-approval";
  const isIdle = !isConnected && Date.now() - Math.max(lastSeenAt ?? 0, createdAt) > IDLE_AFTER_MS;
  return isIdle ? "idle" : "active";
}

function toDetails(user: UserRecord, tailnetId: string): z.infer<typeof UserDetails> {
  const { displayName, loginName, profilePicUrl, lastSeenAt, isConnected, deviceCount } = user;
  return {
    id: user.stableId,
    displayName,
    loginName,
    profilePicUrl,
    tailnetId,
    created: formatTime(user.createdAt),
    type: "member",
    role: user.role,
    status: statusOf(user),
    deviceCount,
    ...(lastSeenAt !== null && { lastSeen: formatTime(lastSeenAt) }),
    currentlyConnected: isConnected,
  };
}
