// Webhook endpoints (api-v2.md 2.13).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { found, RefusalException, resultOf } from "../../../../middleware/on-error.ts";
import type { WebhookRecord } from "../../../../objects/administration/webhooks.ts";
import { formatTime } from "../../../../protocol/control/json.ts";
import { SUBSCRIPTIONS, WEBHOOK_PROVIDERS } from "../../../../tailnet/entities/configuration/webhook.ts";
import { apiRoute, body, Done, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";

const TAGS = ["Webhooks"];
const params = z.object({ tailnet: TailnetName });
const idParams = z.object({ endpointId: z.string().openapi({ param: { name: "endpointId", in: "path" } }) });
const subscriptions = z.array(z.enum(SUBSCRIPTIONS)).max(SUBSCRIPTIONS.length).readonly();
const time = z.string().openapi({ format: "date-time" });

const Request = z.object({
  endpointUrl: z.string().openapi({ example: "https://example.com/endpoint" }),
  providerType: z.enum(WEBHOOK_PROVIDERS).nullish(),
  subscriptions: subscriptions.nullish(),
});
const WebhookSchema = z
  .object({
    endpointId: z.string(),
    endpointUrl: z.string(),
    providerType: z.enum(WEBHOOK_PROVIDERS),
    creatorLoginName: z.string(),
    created: time,
    lastModified: time,
    subscriptions,
    secret: z.string().optional().openapi({ description: "Shown when it is made, never again." }),
  })
  .openapi("Webhook");
const one = { 200: reply(WebhookSchema, "The webhook") };

const listWebhooks = apiRoute("listWebhooks", {
  method: "get",
  path: "/tailnet/{tailnet}/webhooks",
  tags: TAGS,
  summary: "List webhooks",
  request: { params },
  responses: { 200: reply(z.object({ webhooks: z.array(WebhookSchema) }), "Webhooks, oldest first") },
});

const createWebhook = apiRoute("createWebhook", {
  method: "post",
  path: "/tailnet/{tailnet}/webhooks",
  tags: TAGS,
  summary: "Add a webhook",
  request: { params, body: body(Request) },
  responses: one,
});

const path = "/webhooks/{endpointId}" as const;

const getWebhook = apiRoute("getWebhook", {
  method: "get",
  path,
  tags: TAGS,
  summary: "Get a webhook",
  request: { params: idParams },
  responses: one,
});

const updateWebhook = apiRoute("updateWebhook", {
  method: "patch",
  path,
  tags: TAGS,
  summary: "Change what a webhook subscribes to",
  request: { params: idParams, body: body(z.object({ subscriptions })) },
  responses: one,
});

const deleteWebhook = apiRoute("deleteWebhook", {
  method: "delete",
  path,
  tags: TAGS,
  summary: "Remove a webhook",
  request: { params: idParams },
  responses: { 200: reply(Done, "Done") },
});

const testWebhook = apiRoute("testWebhook", {
  method: "post",
  path: "/webhooks/{endpointId}/test",
  tags: TAGS,
  summary: "Send a webhook a test event",
  request: { params: idParams },
  responses: { 202: reply(Done, "The event waits to be delivered") },
});

const rotateWebhook = apiRoute("rotateWebhookSecret", {
  method: "post",
  path: "/webhooks/{endpointId}/rotate",
  tags: TAGS,
  summary: "Give a webhook a new secret",
  description: "The old one is good no longer at once.",
  request: { params: idParams },
  responses: one,
});

/** Webhooks. */
export const webhookRoutes = new OpenAPIHono<{ Bindings: Env }>();

webhookRoutes.openapi(listWebhooks, async (c) => {
  return c.json({ webhooks: (await c.var.administration.webhooks.list()).map(toWebhook) }, 200);
});

webhookRoutes.openapi(createWebhook, async (c) => {
  const { endpointUrl, providerType, subscriptions: wanted } = c.req.valid("json");
  const spec = { url: endpointUrl, provider: providerType ?? "", subscriptions: wanted ?? [] };
  const made = resultOf(await c.var.administration.webhooks.create(spec));
  return c.json({ ...toWebhook(made), secret: made.secret }, 200);
});

webhookRoutes.openapi(getWebhook, async (c) => {
  const webhook = found(await c.var.administration.webhooks.get(c.req.param("endpointId")), "webhook");
  return c.json(toWebhook(webhook), 200);
});

webhookRoutes.openapi(updateWebhook, async (c) => {
  const wanted = c.req.valid("json").subscriptions;
  return c.json(
    toWebhook(resultOf(await c.var.administration.webhooks.subscribe(c.req.param("endpointId"), wanted))),
    200,
  );
});

webhookRoutes.openapi(deleteWebhook, async (c) => {
  resultOf(await c.var.administration.webhooks.remove(c.req.param("endpointId")));
  return c.json({}, 200);
});

webhookRoutes.openapi(testWebhook, async (c) => {
  const isQueued = await c.var.administration.webhooks.test(c.req.param("endpointId"));
  if (!isQueued) throw new RefusalException({ reason: "not-found", what: "webhook" });
  return c.json({}, 202);
});

webhookRoutes.openapi(rotateWebhook, async (c) => {
  const made = resultOf(await c.var.administration.webhooks.rotate(c.req.param("endpointId")));
  return c.json({ ...toWebhook(made), secret: made.secret }, 200);
});

function toWebhook({ id, url, provider, subscriptions: wanted, ...known }: WebhookRecord) {
  return {
    endpointId: id,
    endpointUrl: url,
    providerType: provider,
    creatorLoginName: known.creatorLoginName,
    created: formatTime(known.createdAt),
    lastModified: formatTime(known.modifiedAt),
    subscriptions: wanted,
  };
}
