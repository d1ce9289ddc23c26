// Posture attributes of devices (api-v2.md 2.5). Values are checked by the domain, which knows the types in use.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { found, RefusalException } from "../../../../middleware/on-error.ts";
import type { AttributesView } from "../../../../objects/administration/attributes.ts";
import { formatTime } from "../../../../protocol/control/json.ts";
import { apiRoute, body, Done, reply } from "../api-route.ts";
import { DeviceId, TailnetName } from "./device-schema.ts";

const TAGS = ["Devices"];
const COMMENT_MAX = 200;
const path = "/device/{deviceId}/attributes";
const keyPath = `${path}/{attributeKey}` as const;
const AttributeKey = z.string().openapi({
  param: { name: "attributeKey", in: "path" },
  description: "Name of an attribute in the namespace `custom:`.",
  example: "custom:tier",
});

const AttributesSchema = z
  .object({
    attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    expiries: z.record(z.string(), z.string()),
  })
  .openapi("DeviceAttributes");

const setting = {
  value: z.union([z.string(), z.number(), z.boolean()]).openapi({ description: "A string, an integer or a boolean." }),
  expiry: z.string().nullish().openapi({ description: "RFC 3339; absent, empty or of the year 1: none." }),
};
const comment = z.string().max(COMMENT_MAX).nullish();

const getDeviceAttributes = apiRoute("getDeviceAttributes", {
  method: "get",
  path,
  tags: TAGS,
  summary: "Get the posture attributes of a device",
  request: { params: z.object({ deviceId: DeviceId }) },
  responses: { 200: reply(AttributesSchema, "Attributes that were set, and those that the device tells of itself") },
});

const setDeviceAttribute = apiRoute("setDeviceAttribute", {
  method: "post",
  path: keyPath,
  tags: TAGS,
  summary: "Set a posture attribute of a device",
  request: {
    params: z.object({ deviceId: DeviceId, attributeKey: AttributeKey }),
    body: body(z.object({ ...setting, comment })),
  },
  responses: { 200: reply(AttributesSchema, "All attributes of the device") },
});

const deleteDeviceAttribute = apiRoute("deleteDeviceAttribute", {
  method: "delete",
  path: keyPath,
  tags: TAGS,
  summary: "Delete a posture attribute of a device",
  request: { params: z.object({ deviceId: DeviceId, attributeKey: AttributeKey }) },
  responses: { 200: reply(Done, "Done") },
});

const batchUpdateAttributes = apiRoute("batchUpdateDeviceAttributes", {
  method: "patch",
  path: "/tailnet/{tailnet}/device-attributes",
  tags: TAGS,
  summary: "Set and delete posture attributes of many devices",
  description: "All of it or nothing; null deletes.",
  request: {
    params: z.object({ tailnet: TailnetName }),
    body: body(
      z.object({
        nodes: z.record(z.string(), z.record(z.string(), z.object(setting).nullable())),
        comment,
      }),
    ),
  },
  responses: { 200: reply(z.null(), "Done") },
});

/** Posture attributes of devices. */
export const deviceAttributeRoutes = new OpenAPIHono<{ Bindings: Env }>();

deviceAttributeRoutes.openapi(getDeviceAttributes, async (c) => {
  const view = found(await c.var.administration.attributes.get(c.req.param("deviceId"), c.var.ownerId), "device");
  return c.json(present(view), 200);
});

deviceAttributeRoutes.openapi(setDeviceAttribute, async (c) => {
  const { attributes } = c.var.administration;
  const [id, key] = [c.req.param("deviceId"), c.req.param("attributeKey")];
  const { value, expiry } = c.req.valid("json");
  const outcome = await attributes.set({ [id]: { [key]: { value, expiresAt: parseExpiry(expiry) } } });
  if (!outcome.ok) throw new RefusalException(withoutName(outcome.refusal));
  const view = found(await attributes.get(id, null), "device");
  return c.json(present(view), 200);
});

deviceAttributeRoutes.openapi(deleteDeviceAttribute, async (c) => {
  const [id, key] = [c.req.param("deviceId"), c.req.param("attributeKey")];
  const outcome = await c.var.administration.attributes.set({ [id]: { [key]: null } });
  if (!outcome.ok) throw new RefusalException(withoutName(outcome.refusal));
  return c.json({}, 200);
});

deviceAttributeRoutes.openapi(batchUpdateAttributes, async (c) => {
  const { nodes } = c.req.valid("json");
  const updates = Object.entries(nodes).map(([id, keys]) => {
    const update = Object.entries(keys).map(([key, wanted]) => {
      return [key, wanted && { value: wanted.value, expiresAt: parseExpiry(wanted.expiry) }] as const;
    });
    return [id, Object.fromEntries(update)] as const;
  });
  const outcome = await c.var.administration.attributes.set(Object.fromEntries(updates));
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return c.json(null, 200);
});

function present({ attributes, expiries }: AttributesView): z.input<typeof AttributesSchema> {
  const times = Object.entries(expiries).map(([key, at]) => [key, formatTime(at)] as const);
  return { attributes, expiries: Object.fromEntries(times) };
}

/** A path that names one device need not be told which one is unknown. */
function withoutName(refusal: RefusalException["refusal"]): RefusalException["refusal"] {
  return refusal.reason === "unknown-device" ? { reason: "not-found", what: "device" } : refusal;
}

/** An expiry as clients write it: those in Go send the year 1 for none. */
function parseExpiry(text: string | null | undefined): number | null {
  if (text === undefined || text === null || text === "" || text.startsWith("0001-")) return null;
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new HTTPException(400, { message: "expiry must be a time such as 2026-01-02T03:04:05Z" });
  return at;
}
