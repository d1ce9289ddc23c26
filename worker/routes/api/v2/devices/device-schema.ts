// Shapes of the device endpoints, as they are documented and, where they come from callers, checked (api-v2.md 2.1).
import { z } from "@hono/zod-openapi";
import type { DeviceDetails } from "../../../../mapper/to-device.ts";

/** `{tailnet}`; checked on entry, so any text passes here. */
export const TailnetName = z.string().openapi({
  param: { name: "tailnet", in: "path" },
  description: "`-`, the tailnet's id, name or MagicDNS suffix.",
  example: "-",
});

/** `{deviceId}` in either form. */
export const DeviceId = z.string().openapi({
  param: { name: "deviceId", in: "path" },
  description: "`nodeId` or `id` of a device.",
  example: "nAbCdEfGhIjKCNTRL",
});

/** `fields`: `all` for every field, anything else for the default ones. */
export const Fields = z
  .union([z.string(), z.array(z.string())])
  .optional()
  .openapi({ type: "string", description: "`all` for every field.", example: "all" });

const time = z.string().openapi({ format: "date-time" });
const flag = z.boolean().nullable();
const strings = z.array(z.string()).readonly();

const Connectivity = z.object({
  endpoints: strings,
  derp: z.string(),
  mappingVariesByDestIP: flag,
  latency: z.record(z.string(), z.object({ preferred: z.literal(true).optional(), latencyMs: z.number() })),
  clientSupports: z.object({ hairPinning: z.null(), ipv6: flag, pcp: flag, pmp: flag, udp: flag, upnp: flag }),
});

/** A device; the fields from `advertisedRoutes` on come with `fields=all` only. */
export const DeviceSchema = z
  .object({
    addresses: strings,
    id: z.string(),
    nodeId: z.string(),
    user: z.string(),
    name: z.string(),
    hostname: z.string(),
    clientVersion: z.string(),
    updateAvailable: z.boolean(),
    os: z.string(),
    created: time,
    connectedToControl: z.boolean(),
    lastSeen: time.optional(),
    keyExpiryDisabled: z.boolean(),
    expires: time,
    authorized: z.boolean(),
    isExternal: z.boolean(),
    isEphemeral: z.boolean(),
    machineKey: z.string(),
    nodeKey: z.string(),
    blocksIncomingConnections: z.boolean(),
    tailnetLockKey: z.string(),
    tailnetLockError: z.string(),
    tags: strings.optional(),
    advertisedRoutes: strings.optional(),
    enabledRoutes: strings.optional(),
    clientConnectivity: Connectivity.optional(),
    sshEnabled: z.boolean().optional(),
    distro: z.object({ name: z.string(), version: z.string(), codeName: z.string() }).optional(),
    postureIdentity: z
      .object({ serialNumbers: strings.optional(), disabled: z.boolean().optional() })
      .openapi({ description: "While it is collected: serial numbers, or that the device's user has not agreed." })
      .optional(),
  })
  .openapi("Device");

/** Routes of a device. */
export const RoutesSchema = z.object({ advertisedRoutes: strings, enabledRoutes: strings }).openapi("DeviceRoutes");

// The description names exactly the fields that the mapper makes: this does not compile when they part.
type Described = z.input<typeof DeviceSchema>;
type Same<A, B> = [keyof A, keyof B] extends [keyof B, keyof A] ? true : never;
true satisfies Same<Described, DeviceDetails>;
