// Devices: list, read, delete and what an administrator sets on one (api-v2.md 2.1 to 2.3).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, TypedResponse } from "hono";
import { HTTPException } from "hono/http-exception";
import { DEVICE_FILTERS, type DeviceFilter } from "../../../../mapper/to-device.ts";
import { found, RefusalException } from "../../../../middleware/on-error.ts";
import type { DeviceAction } from "../../../../objects/administration/devices.ts";
import { NODE_MAX_TAGS } from "../../../../protocol/limits.ts";
import { type Authorized, apiRoute, body, Done, reply } from "../api-route.ts";
import { DeviceId, DeviceSchema, Fields, TailnetName } from "./device-schema.ts";

const TAGS = ["Devices"];
const params = z.object({ deviceId: DeviceId });
const done = { 200: reply(Done, "Done") };

const listDevices = apiRoute("listDevices", {
  method: "get",
  path: "/tailnet/{tailnet}/devices",
  tags: TAGS,
  summary: "List devices",
  description: `Every query parameter but \`fields\` is a filter: a property and the value that it must equal or, being a list, contain. Filters: ${DEVICE_FILTERS.join(", ")}.`,
  request: { params: z.object({ tailnet: TailnetName }), query: z.looseObject({ fields: Fields }) },
  responses: { 200: reply(z.object({ devices: z.array(DeviceSchema) }), "Devices in order of creation") },
});

const getDevice = apiRoute("getDevice", {
  method: "get",
  path: "/device/{deviceId}",
  tags: TAGS,
  summary: "Get a device",
  request: { params, query: z.object({ fields: Fields }) },
  responses: { 200: reply(DeviceSchema, "The device") },
});

const deleteDevice = apiRoute("deleteDevice", {
  method: "delete",
  path: "/device/{deviceId}",
  tags: TAGS,
  summary: "Delete a device",
  request: { params },
  responses: done,
});

const expireDeviceKey = apiRoute("expireDeviceKey", {
  method: "post",
  path: "/device/{deviceId}/expire",
  tags: TAGS,
  summary: "Expire a device's key now",
  request: { params },
  responses: done,
});

const authorizeDevice = apiRoute("authorizeDevice", {
  method: "post",
  path: "/device/{deviceId}/authorized",
  tags: TAGS,
  summary: "Approve a device, or withdraw the approval",
  request: { params, body: body(z.object({ authorized: z.boolean() })) },
  responses: done,
});

const setDeviceName = apiRoute("setDeviceName", {
  method: "post",
  path: "/device/{deviceId}/name",
  tags: TAGS,
  summary: "Name a device",
  description: "A label, or a full name under the tailnet's suffix. Empty: follow the host name again.",
  request: { params, body: body(z.object({ name: z.string().nullish() })) },
  responses: done,
});

const setDeviceTags = apiRoute("setDeviceTags", {
  method: "post",
  path: "/device/{deviceId}/tags",
  tags: TAGS,
  summary: "Set a device's tags",
  description: "A device that loses its last tag becomes the caller's and must log in again.",
  request: { params, body: body(z.object({ tags: z.array(z.string()).max(NODE_MAX_TAGS).nullish() })) },
  responses: done,
});

const updateDeviceKey = apiRoute("updateDeviceKey", {
  method: "post",
  path: "/device/{deviceId}/key",
  tags: TAGS,
  summary: "Switch key expiry of a device off or on",
  request: { params, body: body(z.object({ keyExpiryDisabled: z.boolean() })) },
  responses: done,
});

const setDeviceIp = apiRoute("setDeviceIp", {
  method: "post",
  path: "/device/{deviceId}/ip",
  tags: TAGS,
  summary: "Give a device another IPv4 address",
  request: { params, body: body(z.object({ ipv4: z.string() })) },
  responses: done,
});

/** Devices: list, show, change, delete. */
export const deviceRoutes = new OpenAPIHono<{ Bindings: Env }>();

deviceRoutes.openapi(listDevices, async (c) => {
  const { administration, ownerId } = c.var;
  const hasAllFields = c.req.valid("query").fields === "all";
  const query = { hasAllFields, filters: filtersOf(c.req.queries()), ownerId };
  const parts: string[] = [];
  for (let from: number | null = 0; from !== null; ) {
    const page = await administration.devices.list(query, from);
    if (page.json !== "") parts.push(page.json);
    from = page.next;
  }
  return jsonText<{ devices: z.input<typeof DeviceSchema>[] }>(c, `{"devices":[${parts.join(",")}]}`);
});

deviceRoutes.openapi(getDevice, async (c) => {
  const { administration, ownerId } = c.var;
  const device = found(
    await administration.devices.get(c.req.param("deviceId"), c.req.valid("query").fields === "all", ownerId),
    "device",
  );
  return c.json(device, 200);
});

deviceRoutes.openapi(deleteDevice, async (c) => c.json(await change(c, { type: "delete" }), 200));

deviceRoutes.openapi(expireDeviceKey, async (c) => c.json(await change(c, { type: "expire" }), 200));

deviceRoutes.openapi(authorizeDevice, async (c) => {
  return c.json(await change(c, { type: "authorize", isAuthorized: c.req.valid("json").authorized }), 200);
});

deviceRoutes.openapi(setDeviceName, async (c) => {
  return c.json(await change(c, { type: "rename", name: c.req.valid("json").name ?? "" }), 200);
});

deviceRoutes.openapi(setDeviceTags, async (c) => {
  return c.json(await change(c, { type: "tag", tags: c.req.valid("json").tags ?? [] }), 200);
});

deviceRoutes.openapi(updateDeviceKey, async (c) => {
  const isDisabled = c.req.valid("json").keyExpiryDisabled;
  return c.json(await change(c, { type: "disable-key-expiry", isDisabled }), 200);
});

deviceRoutes.openapi(setDeviceIp, async (c) => {
  return c.json(await change(c, { type: "readdress", ipv4: c.req.valid("json").ipv4 }), 200);
});

async function change(
  c: Context<Authorized, "/device/:deviceId">,
  action: DeviceAction,
): Promise<Record<string, never>> {
  const { administration, ownerId } = c.var;
  const outcome = await administration.devices.change(c.req.param("deviceId"), action, ownerId);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return {};
}

function filtersOf(queries: Record<string, string[]>): DeviceFilter[] {
  return Object.entries(queries).flatMap(([name, values]) => {
    if (name === "fields") return [];
    const property = DEVICE_FILTERS.find((known) => known === name);
    if (property === undefined) throw new HTTPException(400, { message: `devices can not be filtered by "${name}"` });
    return values.map((value) => [property, value] as const);
  });
}

/** An answer whose JSON exists already. */
function jsonText<T>(c: Context, json: string): TypedResponse<T, 200, "json"> {
  return c.body(json, 200, { "content-type": "application/json" }) as unknown as TypedResponse<T, 200, "json">;
}
