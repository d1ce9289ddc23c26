// Issuers whose keys are given to this server instead of being fetched by it; an extension (docs/federation.md).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { RefusalException, resultOf } from "../../../../middleware/on-error.ts";
import { formatTime } from "../../../../protocol/control/json.ts";
import { CREDENTIAL_MAX_LIST } from "../../../../protocol/limits.ts";
import { KEYS_LIFETIME_MS } from "../../../../tailnet/commands/credentials/manage-issuers.ts";
import { type Issuer, keysExpireAt } from "../../../../tailnet/entities/configuration/issuer.ts";
import { reachOf } from "../access.ts";
import { type Authorized, apiRoute, body, Done, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";
import { GivenKeySet, keySetText } from "./key-set.ts";

const TAGS = ["Issuers"];
const time = z.string().openapi({ format: "date-time" });
const params = z.object({ tailnet: TailnetName });
const issuerParams = params.extend({
  issuerId: z.string().openapi({ param: { name: "issuerId", in: "path" }, example: "iAbCdEfGhIjKCNTRL" }),
});

const settings = {
  publishers: z
    .array(z.string())
    .max(CREDENTIAL_MAX_LIST)
    .nullish()
    .openapi({ description: "Ids of the OAuth clients and federated identities that may set the keys." }),
  keysLifetimeSeconds: z
    .number()
    .int()
    .min(KEYS_LIFETIME_MS.min / 1000)
    .max(KEYS_LIFETIME_MS.max / 1000)
    .nullish()
    .openapi({ description: "How long keys are good that are not set again. Absent: seven days." }),
};
const CreateRequest = z.object({
  issuer: z.string().openapi({ description: "As it stands in tokens (`iss`)." }),
  ...settings,
  jwks: GivenKeySet.nullish(),
});
const UpdateRequest = z.object(settings);

const IssuerSchema = z
  .object({
    id: z.string(),
    issuer: z.string(),
    publishers: z.array(z.string()),
    keysLifetimeSeconds: z.number().int(),
    created: time,
    jwks: z.object({ keys: z.array(z.unknown()) }).optional(),
    keysUpdated: time.optional().openapi({ description: "When the keys were last other ones than before." }),
    keysConfirmed: time.optional().openapi({ description: "When they were last set." }),
    keysExpire: time.optional().openapi({ description: "When they are no longer good, unless they are set again." }),
    keysExpired: z.boolean().optional().openapi({ description: "True: no token of the issuer is believed." }),
  })
  .openapi("Issuer");

const listIssuers = apiRoute("listIssuers", {
  method: "get",
  path: "/tailnet/{tailnet}/issuers",
  tags: TAGS,
  summary: "List issuers whose keys are set through the API",
  description: "Those who may only set keys see the issuers whose keys they may set.",
  request: { params },
  responses: { 200: reply(z.object({ issuers: z.array(IssuerSchema) }), "Issuers, oldest first") },
});

const createIssuer = apiRoute("createIssuer", {
  method: "post",
  path: "/tailnet/{tailnet}/issuers",
  tags: TAGS,
  summary: "Add an issuer whose keys are set through the API",
  description:
    "What it publishes is not fetched any more. Whoever may set its keys can speak for each of its subjects.",
  request: { params, body: body(CreateRequest) },
  responses: { 200: reply(IssuerSchema, "The issuer") },
});

const getIssuer = apiRoute("getIssuer", {
  method: "get",
  path: "/tailnet/{tailnet}/issuers/{issuerId}",
  tags: TAGS,
  summary: "Get an issuer",
  request: { params: issuerParams },
  responses: { 200: reply(IssuerSchema, "The issuer") },
});

const updateIssuer = apiRoute("updateIssuer", {
  method: "patch",
  path: "/tailnet/{tailnet}/issuers/{issuerId}",
  tags: TAGS,
  summary: "Change who may set the keys of an issuer, and how long they last",
  description: "What is absent stays.",
  request: { params: issuerParams, body: body(UpdateRequest) },
  responses: { 200: reply(IssuerSchema, "The issuer") },
});

const setIssuerKeys = apiRoute("setIssuerKeys", {
  method: "put",
  path: "/tailnet/{tailnet}/issuers/{issuerId}/keys",
  tags: TAGS,
  summary: "Set the keys of an issuer",
  description: "All of them: a key that is left out is not trusted any more. The same keys again are good for longer.",
  request: { params: issuerParams, body: body(GivenKeySet) },
  responses: { 200: reply(IssuerSchema, "The issuer") },
});

const deleteIssuer = apiRoute("deleteIssuer", {
  method: "delete",
  path: "/tailnet/{tailnet}/issuers/{issuerId}",
  tags: TAGS,
  summary: "Remove an issuer",
  description: "Its identities are believed by what it publishes, if that can be reached.",
  request: { params: issuerParams },
  responses: { 200: reply(Done, "Done") },
});

/** Issuers: list, add, show, change, set their keys, remove. */
export const issuerRoutes = new OpenAPIHono<{ Bindings: Env }>();

issuerRoutes.openapi(listIssuers, async (c) => {
  const issuers = await c.var.administration.issuers.list();
  return c.json({ issuers: issuers.filter((issuer) => maySee(c, issuer)).map(toIssuer) }, 200);
});

issuerRoutes.openapi(createIssuer, async (c) => {
  const { issuer, publishers, keysLifetimeSeconds, jwks } = c.req.valid("json");
  const outcome = await c.var.administration.issuers.create({
    issuer,
    publishers: publishers ?? [],
    keysLifetimeMs: keysLifetimeSeconds ? keysLifetimeSeconds * 1000 : KEYS_LIFETIME_MS.usual,
    jwks: jwks ? keySetText(jwks) : null,
  });
  return c.json(toIssuer(resultOf(outcome)), 200);
});

issuerRoutes.openapi(getIssuer, async (c) => c.json(toIssuer(await visibleIssuer(c)), 200));

issuerRoutes.openapi(updateIssuer, async (c) => {
  const { publishers, keysLifetimeSeconds } = c.req.valid("json");
  const outcome = await c.var.administration.issuers.update(c.req.param("issuerId"), {
    ...(publishers && { publishers }),
    ...(keysLifetimeSeconds && { keysLifetimeMs: keysLifetimeSeconds * 1000 }),
  });
  return c.json(toIssuer(resultOf(outcome)), 200);
});

issuerRoutes.openapi(setIssuerKeys, async (c) => {
  const { id } = await visibleIssuer(c);
  const outcome = await c.var.administration.issuers.setKeys(id, keySetText(c.req.valid("json")));
  return c.json(toIssuer(resultOf(outcome)), 200);
});

issuerRoutes.openapi(deleteIssuer, async (c) => {
  resultOf(await c.var.administration.issuers.remove(c.req.param("issuerId")));
  return c.json({}, 200);
});

/** The issuer that a request names. @throws RefusalException when there is none that the caller may see */
async function visibleIssuer(c: Context<Authorized, "/tailnet/:tailnet/issuers/:issuerId">): Promise<Issuer> {
  const issuer = await c.var.administration.issuers.get(c.req.param("issuerId"));
  if (issuer !== null && maySee(c, issuer)) return issuer;
  throw new RefusalException({ reason: "not-found", what: "issuer" });
}

/** Programs that may not read federated identities see what they may set the keys of. */
function maySee(c: Context<Authorized>, { publishers }: Issuer): boolean {
  const { actor } = c.var;
  if (reachOf(actor, "federated_keys:read") === "all") return true;
  return actor.kind === "credential" && publishers.includes(actor.credentialId);
}

function toIssuer(known: Issuer): z.infer<typeof IssuerSchema> {
  const { id, issuer, publishers, keysLifetimeMs, jwks, createdAt, keysChangedAt, keysConfirmedAt } = known;
  const expireAt = keysExpireAt(known);
  return {
    id,
    issuer,
    publishers: [...publishers],
    keysLifetimeSeconds: keysLifetimeMs / 1000,
    created: formatTime(createdAt),
    ...(jwks !== null && { jwks: JSON.parse(jwks) as { keys: unknown[] } }),
    ...(keysChangedAt !== null && { keysUpdated: formatTime(keysChangedAt) }),
    ...(keysConfirmedAt !== null && { keysConfirmed: formatTime(keysConfirmedAt) }),
    ...(expireAt !== null && { keysExpire: formatTime(expireAt), keysExpired: expireAt <= Date.now() }),
  };
}
