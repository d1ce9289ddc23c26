// Integrations with device management systems (api-v2.md 2.19): stored and shown, so that tools which keep them can
// work. No system is asked; the status says so.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { found, RefusalException } from "../../../../middleware/on-error.ts";
import type { PostureIntegrationRecord } from "../../../../objects/administration/posture-integrations.ts";
import { formatTime } from "../../../../protocol/control/json.ts";
import { POSTURE_PROVIDERS } from "../../../../tailnet/entities/configuration/posture-integration.ts";
import { apiRoute, body, Done, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";

const TAGS = ["Posture integrations"];
const params = z.object({ tailnet: TailnetName });
const idParams = z.object({
  integrationId: z.string().openapi({ param: { name: "integrationId", in: "path" }, example: "pAbCdEfGhIjKCNTRL" }),
});
const text = z.string().max(2_000).nullish();
const Request = z.object({
  provider: z.enum(POSTURE_PROVIDERS),
  cloudId: text,
  clientId: text,
  tenantId: text,
  clientSecret: text,
});
const Integration = z
  .object({
    id: z.string(),
    provider: z.string(),
    cloudId: z.string().optional(),
    clientId: z.string().optional(),
    tenantId: z.string().optional(),
    configUpdated: z.string().openapi({ format: "date-time" }),
    status: z.object({
      lastSync: z.string().openapi({ format: "date-time" }),
      error: z.string(),
      providerHostCount: z.number().int(),
      matchedCount: z.number().int(),
      possibleMatchedCount: z.number().int(),
    }),
  })
  .openapi("PostureIntegration");

const listIntegrations = apiRoute("listPostureIntegrations", {
  method: "get",
  path: "/tailnet/{tailnet}/posture/integrations",
  tags: TAGS,
  summary: "List posture integrations",
  request: { params },
  responses: { 200: reply(z.object({ integrations: z.array(Integration) }), "Integrations, oldest first") },
});

const createIntegration = apiRoute("createPostureIntegration", {
  method: "post",
  path: "/tailnet/{tailnet}/posture/integrations",
  tags: TAGS,
  summary: "Add a posture integration",
  description: "It is stored; the system is not asked yet.",
  request: { params, body: body(Request) },
  responses: { 200: reply(Integration, "The integration") },
});

const getIntegration = apiRoute("getPostureIntegration", {
  method: "get",
  path: "/posture/integrations/{integrationId}",
  tags: TAGS,
  summary: "Get a posture integration",
  request: { params: idParams },
  responses: { 200: reply(Integration, "The integration") },
});

const updateIntegration = apiRoute("updatePostureIntegration", {
  method: "patch",
  path: "/posture/integrations/{integrationId}",
  tags: TAGS,
  summary: "Change a posture integration",
  description: "What is absent or empty stays; the provider can not be changed.",
  request: { params: idParams, body: body(Request.partial()) },
  responses: { 200: reply(Integration, "The integration") },
});

const deleteIntegration = apiRoute("deletePostureIntegration", {
  method: "delete",
  path: "/posture/integrations/{integrationId}",
  tags: TAGS,
  summary: "Remove a posture integration",
  request: { params: idParams },
  responses: { 200: reply(Done, "Done") },
});

/** Posture integrations. */
export const postureIntegrationRoutes = new OpenAPIHono<{ Bindings: Env }>();

postureIntegrationRoutes.openapi(listIntegrations, async (c) => {
  return c.json({ integrations: (await c.var.administration.postureIntegrations.list()).map(toIntegration) }, 200);
});

postureIntegrationRoutes.openapi(createIntegration, async (c) => {
  const { provider, cloudId, clientId, tenantId, clientSecret } = c.req.valid("json");
  const outcome = await c.var.administration.postureIntegrations.create({
    provider,
    cloudId: cloudId ?? "",
    clientId: clientId ?? "",
    tenantId: tenantId ?? "",
    clientSecret: clientSecret ?? "",
  });
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return c.json(toIntegration(outcome.result), 200);
});

postureIntegrationRoutes.openapi(getIntegration, async (c) => {
  const integration = found(
    await c.var.administration.postureIntegrations.get(c.req.param("integrationId")),
    "posture integration",
  );
  return c.json(toIntegration(integration), 200);
});

postureIntegrationRoutes.openapi(updateIntegration, async (c) => {
  const given = Object.entries(c.req.valid("json")).filter(([, value]) => value !== null && value !== undefined);
  const outcome = await c.var.administration.postureIntegrations.update(
    c.req.param("integrationId"),
    Object.fromEntries(given),
  );
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return c.json(toIntegration(outcome.result), 200);
});

postureIntegrationRoutes.openapi(deleteIntegration, async (c) => {
  const outcome = await c.var.administration.postureIntegrations.remove(c.req.param("integrationId"));
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return c.json({}, 200);
});

function toIntegration(known: PostureIntegrationRecord): z.infer<typeof Integration> {
  const { id, provider, cloudId, clientId, tenantId, updatedAt } = known;
  return {
    id,
    provider,
    ...(cloudId !== "" && { cloudId }),
    ...(clientId !== "" && { clientId }),
    ...(tenantId !== "" && { tenantId }),
    configUpdated: formatTime(updatedAt),
    status: {
      lastSync: "0001-01-01T00:00:00Z",
      error: "this server does not ask posture providers",
      providerHostCount: 0,
      matchedCount: 0,
      possibleMatchedCount: 0,
    },
  };
}
