// Routes of a device: what it advertises and what is enabled (api-v2.md 2.4).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { found, RefusalException } from "../../../../middleware/on-error.ts";
import { NODE_MAX_ROUTES } from "../../../../protocol/limits.ts";
import { apiRoute, body, reply } from "../api-route.ts";
import { DeviceId, RoutesSchema } from "./device-schema.ts";

const path = "/device/{deviceId}/routes";
const params = z.object({ deviceId: DeviceId });
const responses = { 200: reply(RoutesSchema, "Routes of the device, in order of address") };

const listDeviceRoutes = apiRoute("listDeviceRoutes", {
  method: "get",
  path,
  tags: ["Devices"],
  summary: "List routes of a device",
  request: { params },
  responses,
});

const setDeviceRoutes = apiRoute("setDeviceRoutes", {
  method: "post",
  path,
  tags: ["Devices"],
  summary: "Set the enabled routes of a device",
  description: "Replaces the set. Routes may be enabled before the device advertises them.",
  request: { params, body: body(z.object({ routes: z.array(z.string()).max(NODE_MAX_ROUTES).nullish() })) },
  responses,
});

/** The routes of a device. */
export const deviceRouteRoutes = new OpenAPIHono<{ Bindings: Env }>();

deviceRouteRoutes.openapi(listDeviceRoutes, async (c) => {
  const routes = found(await c.var.administration.devices.routes(c.req.param("deviceId"), c.var.ownerId), "device");
  return c.json(routes, 200);
});

deviceRouteRoutes.openapi(setDeviceRoutes, async (c) => {
  const { administration, ownerId } = c.var;
  const routes = c.req.valid("json").routes ?? [];
  const outcome = await administration.devices.setRoutes(c.req.param("deviceId"), routes, ownerId);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return c.json(outcome.result, 200);
});
