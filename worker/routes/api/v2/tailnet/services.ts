// Services, under both of the paths that clients use (api-v2.md 2.16).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { found, resultOf } from "../../../../middleware/on-error.ts";
import { NODE_MAX_TAGS, SERVICE_REPORT_MAX } from "../../../../protocol/limits.ts";
import type { ServiceSpec } from "../../../../tailnet/commands/configuration/manage-services.ts";
import type { Service } from "../../../../tailnet/entities/configuration/virtual-address.ts";
import type { Permission } from "../../../../tailnet/entities/scopes.ts";
import { reachOf } from "../access.ts";
import { type Authorized, apiRoute, body, Done, forbidden, reply } from "../api-route.ts";
import { DeviceId, TailnetName } from "../devices/device-schema.ts";

const TAGS = ["Services"];
const params = z.object({ tailnet: TailnetName });
const oneParams = params.extend({
  serviceName: z.string().openapi({ param: { name: "serviceName", in: "path" }, example: "svc:web" }),
});
const hostParams = oneParams.extend({ deviceId: DeviceId });

const text = z.string().nullish();
const Request = z
  .object({
    name: z.string(),
    addrs: z.array(z.string()).max(2).nullish().openapi({ description: "IPv4, then IPv6; absent: as they are." }),
    comment: text,
    displayName: z.string().max(64).nullish(),
    annotations: z.record(z.string(), z.string()).nullish(),
    ports: z
      .array(z.string())
      .max(SERVICE_REPORT_MAX)
      .nullish()
      .openapi({ example: ["tcp:443"] }),
    tags: z.array(z.string()).max(NODE_MAX_TAGS).nullish(),
  })
  .openapi("ServiceRequest", { description: "The whole service: what is absent is cleared." });

const strings = z.array(z.string()).readonly();
const ServiceSchema = z
  .object({
    name: z.string(),
    addrs: strings.openapi({ example: ["100.64.0.9", "fd7a:115c:a1e0::9"] }),
    comment: z.string().optional(),
    displayName: z.string().optional(),
    annotations: z.record(z.string(), z.string()).readonly().optional(),
    ports: strings.optional(),
    tags: strings.optional(),
  })
  .openapi("Service");

const Host = z.object({ stableNodeID: z.string(), approvalLevel: z.string(), configured: z.string() });
const Approval = z.object({ approved: z.boolean(), autoApproved: z.boolean() });
const approvalReply = { 200: reply(Approval, "Whether the device may host the service") };

const list = {
  method: "get",
  tags: TAGS,
  summary: "List services",
  request: { params },
  responses: { 200: reply(z.object({ vipServices: z.array(ServiceSchema) }), "Services, oldest first") },
} as const;
const get = {
  method: "get",
  tags: TAGS,
  summary: "Get a service",
  request: { params: oneParams },
  responses: { 200: reply(ServiceSchema, "The service") },
} as const;
const put = {
  method: "put",
  tags: TAGS,
  summary: "Make or replace a service",
  description: "Another name than that in the path renames a service that exists.",
  request: { params: oneParams, body: body(Request) },
  responses: { 200: reply(ServiceSchema, "The service with its addresses") },
} as const;
const remove = {
  method: "delete",
  tags: TAGS,
  summary: "Remove a service",
  request: { params: oneParams },
  responses: { 200: reply(Done, "Done") },
} as const;

const listVipServices = apiRoute("listVipServices", { ...list, path: "/tailnet/{tailnet}/vip-services" });
const getVipService = apiRoute("getVipService", { ...get, path: "/tailnet/{tailnet}/vip-services/{serviceName}" });
const putVipService = apiRoute("putVipService", { ...put, path: "/tailnet/{tailnet}/vip-services/{serviceName}" });
const deleteVipService = apiRoute("deleteVipService", {
  ...remove,
  path: "/tailnet/{tailnet}/vip-services/{serviceName}",
});
const listServices = apiRoute("listServices", { ...list, path: "/tailnet/{tailnet}/services" });
const getService = apiRoute("getService", { ...get, path: "/tailnet/{tailnet}/services/{serviceName}" });
const putService = apiRoute("putService", { ...put, path: "/tailnet/{tailnet}/services/{serviceName}" });
const deleteService = apiRoute("deleteService", { ...remove, path: "/tailnet/{tailnet}/services/{serviceName}" });

const listServiceHosts = apiRoute("listServiceHosts", {
  method: "get",
  path: "/tailnet/{tailnet}/services/{serviceName}/devices",
  tags: TAGS,
  summary: "List devices that offer to host a service",
  request: { params: oneParams },
  responses: { 200: reply(z.object({ hosts: z.array(Host) }), "Hosts") },
});

const approved = "/tailnet/{tailnet}/services/{serviceName}/device/{deviceId}/approved" as const;

const getServiceApproval = apiRoute("getServiceApproval", {
  method: "get",
  path: approved,
  tags: TAGS,
  summary: "Tell whether a device may host a service",
  request: { params: hostParams },
  responses: approvalReply,
});

const setServiceApproval = apiRoute("setServiceApproval", {
  method: "post",
  path: approved,
  tags: TAGS,
  summary: "Let a device host a service, or forbid it",
  description: "Counts before what the policy file approves by itself.",
  request: { params: hostParams, body: body(z.object({ approved: z.boolean() })) },
  responses: approvalReply,
});

/** Services: list, show, make, replace, remove, approve hosts. */
export const serviceRoutes = new OpenAPIHono<{ Bindings: Env }>();

for (const route of [listVipServices, listServices] as const) {
  serviceRoutes.openapi(route as typeof listVipServices, async (c) => {
    return c.json({ vipServices: (await c.var.administration.services.list()).map(toService) }, 200);
  });
}

for (const route of [getVipService, getService] as const) {
  serviceRoutes.openapi(route as typeof getVipService, async (c) => {
    const service = found(await c.var.administration.services.get(c.req.param("serviceName")), "service");
    return c.json(toService(service), 200);
  });
}

for (const route of [putVipService, putService] as const) {
  serviceRoutes.openapi(route as typeof putVipService, async (c) => {
    const spec = toSpec(c.req.valid("json"));
    const outcome = await c.var.administration.services.put(c.req.param("serviceName"), spec);
    return c.json(toService(resultOf(outcome)), 200);
  });
}

for (const route of [deleteVipService, deleteService] as const) {
  serviceRoutes.openapi(route as typeof deleteVipService, async (c) => {
    resultOf(await c.var.administration.services.remove(c.req.param("serviceName")));
    return c.json({}, 200);
  });
}

serviceRoutes.openapi(listServiceHosts, async (c) => {
  const hosts = found(await c.var.administration.services.hosts(c.req.param("serviceName")), "service");
  return c.json({ hosts }, 200);
});

serviceRoutes.openapi(getServiceApproval, async (c) => {
  const { serviceName, deviceId } = c.req.param();
  await checkDevices(c, serviceName, "devices:core:read");
  return c.json(resultOf(await c.var.administration.services.approval(serviceName, deviceId)), 200);
});

serviceRoutes.openapi(setServiceApproval, async (c) => {
  const { serviceName, deviceId } = c.req.param();
  await checkDevices(c, serviceName, "devices:core");
  const isApproved = c.req.valid("json").approved;
  return c.json(resultOf(await c.var.administration.services.approve(serviceName, deviceId, isApproved)), 200);
});

/** Who decides about hosts needs a right to devices too. @throws HTTPException */
async function checkDevices(c: Context<Authorized>, name: string, permission: Permission): Promise<void> {
  found(await c.var.administration.services.get(name), "service");
  if (reachOf(c.var.actor, permission) !== "all") throw forbidden();
}

/** Empty members count as absent, and stay so. */
function toSpec(request: z.infer<typeof Request>): ServiceSpec {
  const { name, addrs, comment, displayName, annotations, ports, tags } = request;
  return {
    name,
    ...(addrs && { addrs }),
    ...(comment && { comment }),
    ...(displayName && { displayName }),
    ...(annotations && Object.keys(annotations).length > 0 && { annotations }),
    ...(ports && ports.length > 0 && { ports }),
    ...(tags && tags.length > 0 && { tags }),
  };
}

function toService({ name, ipv4, ipv6, comment, displayName, annotations, ports, tags }: Service) {
  return {
    name,
    addrs: [ipv4, ipv6],
    ...(comment !== undefined && { comment }),
    ...(displayName !== undefined && { displayName }),
    ...(annotations !== undefined && { annotations }),
    ...(ports !== undefined && { ports }),
    ...(tags !== undefined && { tags }),
  };
}
