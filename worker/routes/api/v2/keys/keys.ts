// Keys: auth keys, OAuth clients, federated identities, and API tokens to read and revoke (api-v2.md 2.7).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { readSettings } from "../../../../env.ts";
import { RefusalException } from "../../../../middleware/on-error.ts";
import type { KeyRecord } from "../../../../objects/administration/key-record.ts";
import { type Authorized, apiRoute, body, Done, forbidden, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";
import { listedKeys, mayMake, mayTouch } from "./key-reach.ts";
import { authKeySpecOf, credentialSpecOf } from "./key-request.ts";
import { CreateKeyRequest, KeySchema, ReplaceKeyRequest, toKey } from "./key-schema.ts";

const TAGS = ["Keys"];
const params = z.object({ tailnet: TailnetName });
const keyParams = params.extend({
  keyId: z.string().openapi({ param: { name: "keyId", in: "path" }, example: "k123456789aCNTRL" }),
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
        .openapi({ description: "`true`: every key that the caller may see, not only the caller's own." }),
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

const createKey = apiRoute("createKey", {
  method: "post",
  path: "/tailnet/{tailnet}/keys",
  tags: TAGS,
  summary: "Make an auth key, an OAuth client or a federated identity",
  request: { params, body: body(CreateKeyRequest) },
  responses: { 200: reply(KeySchema, "The key with its secret") },
});

const replaceKey = apiRoute("replaceKey", {
  method: "put",
  path: "/tailnet/{tailnet}/keys/{keyId}",
  tags: TAGS,
  summary: "Replace what an OAuth client or a federated identity may do",
  description: "At once, for the tokens that it was given too.",
  request: { params: keyParams, body: body(ReplaceKeyRequest) },
  responses: { 200: reply(KeySchema, "The key") },
});

const deleteKey = apiRoute("deleteKey", {
  method: "delete",
  path: "/tailnet/{tailnet}/keys/{keyId}",
  tags: TAGS,
  summary: "Revoke a key",
  description: "It stays readable. Devices that joined by it stay; tokens of a credential end with it.",
  request: { params: keyParams },
  responses: { 200: reply(Done, "Done") },
});

/** Keys: make, list, show, replace, revoke. */
export const keyRoutes = new OpenAPIHono<{ Bindings: Env }>();

keyRoutes.openapi(listKeys, async (c) => {
  const { administration, actor, tailnetId } = c.var;
  const { all } = c.req.valid("query");
  const keys = await administration.keys.listActive(listedKeys(actor, all === "true" || all === "1"));
  return c.json({ keys: keys.map((key) => toKey(key, tailnetId)) }, 200);
});

keyRoutes.openapi(getKey, async (c) => c.json(toKey(await visibleKey(c), c.var.tailnetId), 200));

keyRoutes.openapi(createKey, async (c) => {
  const { administration, actor, ownerId, tailnetId } = c.var;
  const request = c.req.valid("json");
  const kind = request.keyType ?? "auth";
  if (kind === "api") throw new HTTPException(400, { message: "API access tokens can not be made through the API" });
  if (!mayMake(actor, kind)) throw forbidden();
  // Otherwise members would approve their own devices.
  if (request.capabilities?.devices.create?.preauthorized === true && ownerId !== null) throw forbidden();
  const outcome = await (kind === "auth"
    ? administration.keys.createAuthKey(authKeySpecOf(request))
    : administration.keys.createCredential(credentialSpecOf(kind, request), hostOf(c)));
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  const { key, text } = outcome.result;
  return c.json({ ...toKey(key, tailnetId), ...(text !== "" && { key: text }) }, 200);
});

keyRoutes.openapi(replaceKey, async (c) => {
  const { administration, tailnetId } = c.var;
  const request = c.req.valid("json");
  const key = await changeableKey(c);
  if (key.kind !== "client" && key.kind !== "federated") {
    throw new HTTPException(400, { message: "only OAuth clients and federated identities can be changed" });
  }
  if (key.kind !== request.keyType) throw new HTTPException(400, { message: "keyType can not be changed" });
  const outcome = await administration.keys.replaceCredential(key.id, credentialSpecOf(key.kind, request));
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return c.json(toKey(outcome.result, tailnetId), 200);
});

keyRoutes.openapi(deleteKey, async (c) => {
  const key = await changeableKey(c);
  const outcome = await c.var.administration.keys.revoke(key.id);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return c.json({}, 200);
});

type KeyContext = Context<Authorized, "/tailnet/:tailnet/keys/:keyId">;

/** The key that a request names. @throws RefusalException when there is none that the caller may see */
async function visibleKey(c: KeyContext): Promise<KeyRecord> {
  const key = await c.var.administration.keys.get(c.req.param("keyId"));
  if (key !== null && mayTouch(c.var.actor, key, "read")) return key;
  throw new RefusalException({ reason: "not-found", what: "key" });
}

/** The key that a request names and its caller may change. @throws RefusalException, HTTPException 403 */
async function changeableKey(c: KeyContext): Promise<KeyRecord> {
  const key = await visibleKey(c);
  if (!mayTouch(c.var.actor, key, "write")) throw forbidden();
  return key;
}

/** The host by which callers reach the API. */
function hostOf(c: Context<Authorized>): string {
  return new URL(readSettings(c.env).publicUrl || c.req.url).host;
}
