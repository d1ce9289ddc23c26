// Invites to share a device with another tailnet (api-v2.md 2.11). A deployment has one tailnet, so that nothing can be
// shared: a device has no invites, and making one is refused (left-out.ts).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { found } from "../../../../middleware/on-error.ts";
import { apiRoute, reply } from "../api-route.ts";
import { DeviceId } from "./device-schema.ts";

const listDeviceInvites = apiRoute("listDeviceInvites", {
  method: "get",
  path: "/device/{deviceId}/device-invites",
  tags: ["Devices"],
  summary: "List invites to share a device",
  description: "Always empty: devices are not shared with other tailnets.",
  request: { params: z.object({ deviceId: DeviceId }) },
  responses: { 200: reply(z.array(z.looseObject({ id: z.string() })), "No invites") },
});

/** Invites to share a device. */
export const deviceInviteRoutes = new OpenAPIHono<{ Bindings: Env }>();

deviceInviteRoutes.openapi(listDeviceInvites, async (c) => {
  found(await c.var.administration.devices.get(c.req.param("deviceId"), false, c.var.ownerId), "device");
  return c.json([], 200);
});
