// Keys: auth keys, and the API tokens of users to read and revoke (api-v2.md 2.7). OAuth clients and federated
// identities are not here yet.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { RefusalException } from "../../../middleware/on-error.ts";
import type { KeyRecord } from "../../../objects/administration/key-record.ts";
import type { KeyOwners } from "../../../objects/administration/keys.ts";
import { formatTime } from "../../../protocol/control/json.ts";
import { NODE_MAX_TAGS } from "../../../protocol/limits.ts";
import { AUTH_KEY_MAX_MS, type AuthKeySpec } from "../../../tailnet/commands/manage-keys.ts";
import type { Actor } from "../../../tailnet/entities/actor.ts";
import { type Permission, reachOf } from "./access.ts";
import { apiRoute, body, Done, forbidden, reply } from "./api-route.ts";
import { TailnetName } from "./device-schema.ts";

const TAGS = ["Keys"];
const MAX_SECONDS = AUTH_KEY_MAX_MS / 1000;

const Create = z.object({
  reusable: z.boolean().nullish(),
  ephemeral: z.boolean().nullish(),
  preauthorized: z.boolean().nullish(),
  tags: z.array(z.string()).max(NODE_MAX_TAGS).nullish(),
});

const CreateKeyRequest = z.object({
  keyType: z
    .enum(["auth", "client", "api", "federated"])
    .nullish()
    .openapi({ description: "Only `auth`, the default, so far." }),
  capabilities: z.object({ devices: z.object({ create: Create.nullish() }) }).nullish(),
  expirySeconds: z.number().int().min(0).max(MAX_SECONDS).nullish().openapi({ description: "0: 90 days." }),
  description: z
    .string()
    .regex(/^[\p{L}\p{N} -]{0,50}$/u, "at most 50 letters, digits, blanks and hyphens")
    .nullish(),
});

const time = z.string().openapi({ format: "date-time" });

const KeySchema = z
  .object({
    id: z.string(),
    keyType: z.enum(["auth", "api"]),
    key: z.string().optional().openapi({ description: "The key itself; shown once, when it is made." }),
    description: z.string().optional(),
    expirySeconds: z.number().int(),
    created: time,
    expires: time,
    revoked: time.optional(),
    invalid: z.boolean().optional(),
    capabilities: z
      .object({
        devices: z.object({
          create: z.object({
            reusable: z.boolean(),
            ephemeral: z.boolean(),
            preauthorized: z.boolean(),
            tags: z.array(z.string()).readonly().optional(),
          }),
        }),
      })
      .optional(),
    userId: z.string().optional(),
  })
  .openapi("Key");

type Key = z.infer<typeof KeySchema>;

const params = z.object({ tailnet: TailnetName });
const keyParams = params.extend({
  keyId: z.string().openapi({ param: { name: "keyId", in: "path" }, example: "k123456CNTRL" }),
});

const listKeys = apiRoute("listKeys", {
  method: "get",
  path: "/tailnet/{tailnet}/keys",
  tags: TAGS,
  summary: "List keys that can be used",
  request: {
    params,
    query: z.object({
      all: z
        .string()
        .optional()
        .openapi({ description: "`true`: the keys of all users, as far as the caller may see them." }),
    }),
  },
  responses: { 200: reply(z.object({ keys: z.array(KeySchema) }), "Keys, newest first") },
});

const getKey = apiRoute("getKey", {
  method: "get",
  path: "/tailnet/{tailnet}/keys/{keyId}",
  tags: TAGS,
  summary: "Get a key, revoked or not",
  request: { params: keyParams },
  responses: { 200: reply(KeySchema, "The key") },
});

const createAuthKey = apiRoute("createAuthKey", {
  method: "post",
  path: "/tailnet/{tailnet}/keys",
  tags: TAGS,
  summary: "Make an auth key",
  request: { params, body: body(CreateKeyRequest) },
  responses: { 200: reply(KeySchema, "The key with its secret") },
});

const deleteKey = apiRoute("deleteKey", {
  method: "delete",
  path: "/tailnet/{tailnet}/keys/{keyId}",
  tags: TAGS,
  summary: "Revoke a key",
  description: "It stays readable. Devices that joined by it stay.",
  request: { params: keyParams },
  responses: { 200: reply(Done, "Done") },
});

/** Auth keys: make, list, show, revoke. */
export const keyRoutes = new OpenAPIHono<{ Bindings: Env }>();

keyRoutes.openapi(listKeys, async (c) => {
  const { administration, actor } = c.var;
  const { all } = c.req.valid("query");
  const isAll = all === "true" || all === "1";
  const keys = await administration.keys.listActive({
    ...ownerOf(actor, "auth", isAll),
    ...ownerOf(actor, "api", isAll),
  });
  return c.json({ keys: keys.map(toKey) }, 200);
});

keyRoutes.openapi(getKey, async (c) => {
  const key = await c.var.administration.keys.get(c.req.param("keyId"));
  if (key === null || !mayTouch(c.var.actor, key, "read"))
    throw new RefusalException({ reason: "not-found", what: "key" });
  return c.json(toKey(key), 200);
});

keyRoutes.openapi(createAuthKey, async (c) => {
  const { administration, ownerId } = c.var;
  const spec = specOf(c.req.valid("json"));
  // Otherwise members would approve their own devices.
  if (spec.isPreauthorized && ownerId !== null) throw forbidden();
  const outcome = await administration.keys.createAuthKey(spec);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  const { key, text } = outcome.result;
  return c.json({ ...toKey(key), key: text }, 200);
});

keyRoutes.openapi(deleteKey, async (c) => {
  const { administration, actor } = c.var;
  const key = await administration.keys.get(c.req.param("keyId"));
  if (key === null || !mayTouch(actor, key, "read")) throw new RefusalException({ reason: "not-found", what: "key" });
  if (!mayTouch(actor, key, "write")) throw forbidden();
  const outcome = await administration.keys.revoke(key.id);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return c.json({}, 200);
});

/** What each kind of key needs. */
const PERMISSIONS = {
  auth: { read: "auth_keys:read", write: "auth_keys" },
  api: { read: "api_access_tokens:read", write: "api_access_tokens" },
} as const satisfies Record<KeyRecord["keyType"], Record<"read" | "write", Permission>>;

function mayTouch(actor: Actor, key: KeyRecord, how: "read" | "write"): boolean {
  const reach = reachOf(actor, PERMISSIONS[key.keyType][how]);
  return reach === "all" || (reach === "own" && actor.kind === "user" && key.userId === actor.user.id);
}

/** Whose keys of a kind a list holds: the caller's own, unless everybody's are asked for and may be seen. */
function ownerOf(actor: Actor, kind: KeyRecord["keyType"], isAll: boolean): KeyOwners {
  const reach = reachOf(actor, PERMISSIONS[kind].read);
  if (reach === "none") return {};
  if (reach === "all" && isAll) return { [kind]: null };
  return actor.kind === "user" ? { [kind]: actor.user.id } : {};
}

function specOf(request: z.infer<typeof CreateKeyRequest>): AuthKeySpec {
  checkKind(request.keyType ?? "auth");
  const devices = request.capabilities?.devices;
  if (devices === undefined) throw new HTTPException(400, { message: "capabilities.devices: required" });
  return {
    isReusable: devices.create?.reusable ?? false,
    isEphemeral: devices.create?.ephemeral ?? false,
    isPreauthorized: devices.create?.preauthorized ?? false,
    tags: devices.create?.tags ?? [],
    lifetimeMs: (request.expirySeconds || MAX_SECONDS) * 1000,
    description: request.description ?? "",
  };
}

function checkKind(kind: "auth" | "client" | "api" | "federated"): void {
  if (kind === "api") throw new HTTPException(400, { message: "API access tokens can not be made through the API" });
  if (kind !== "auth") throw new HTTPException(501, { message: `keys of type ${kind} are not supported yet` });
}

function toKey(key: KeyRecord): Key {
  return {
    id: key.id,
    keyType: key.keyType,
    ...(key.description !== "" && { description: key.description }),
    expirySeconds: (key.expiresAt - key.createdAt) / 1000,
    created: formatTime(key.createdAt),
    expires: formatTime(key.expiresAt),
    ...(key.revokedAt !== null && { revoked: formatTime(key.revokedAt) }),
    ...(!key.isActive && { invalid: true }),
    ...(key.keyType === "auth" && { capabilities: { devices: { create: capabilitiesOf(key) } } }),
    ...(key.ownerId !== null && { userId: key.ownerId }),
  };
}

function capabilitiesOf({ isReusable, isEphemeral, isPreauthorized, tags }: Omit<AuthKeySpec, "lifetimeMs">) {
  return {
    reusable: isReusable,
    ephemeral: isEphemeral,
    preauthorized: isPreauthorized,
    ...(tags.length > 0 && { tags }),
  };
}
