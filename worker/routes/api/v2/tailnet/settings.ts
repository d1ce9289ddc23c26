// Tailnet settings, each under the scope that it belongs to (api-v2.md 2.15).
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { RefusalException } from "../../../../middleware/on-error.ts";
import type { Actor } from "../../../../tailnet/entities/actor.ts";
import type { Settings } from "../../../../tailnet/entities/settings.ts";
import { reachOf } from "../access.ts";
import { apiRoute, body, forbidden, reply } from "../api-route.ts";
import { TailnetName } from "../devices/device-schema.ts";

const DAY_MS = 86_400_000;
const params = z.object({ tailnet: TailnetName });
const flag = z.boolean().nullish();

const SettingsSchema = z
  .object({
    aclsExternallyManagedOn: flag.openapi({ description: "Editors shall leave the policy file alone." }),
    aclsExternalLink: z.string().max(2_000).nullish(),
    devicesApprovalOn: flag,
    devicesAutoUpdatesOn: flag,
    devicesKeyDurationDays: z.number().int().nullish().openapi({ example: 90 }),
    usersApprovalOn: flag,
    usersRoleAllowedToJoinExternalTailnets: z.enum(["none", "admin", "member"]).nullish(),
    networkFlowLoggingOn: flag,
    regionalRoutingOn: flag,
    postureIdentityCollectionOn: flag,
    httpsEnabled: flag,
  })
  .openapi("TailnetSettings");

type Shown = z.infer<typeof SettingsSchema>;

const SCOPES = {
  aclsExternallyManagedOn: "policy_file",
  aclsExternalLink: "policy_file",
  devicesApprovalOn: "feature_settings",
  devicesAutoUpdatesOn: "feature_settings",
  devicesKeyDurationDays: "feature_settings",
  usersApprovalOn: "feature_settings",
  usersRoleAllowedToJoinExternalTailnets: "feature_settings",
  networkFlowLoggingOn: "logs:network",
  regionalRoutingOn: "feature_settings",
  postureIdentityCollectionOn: "feature_settings",
  httpsEnabled: "networking_settings",
} as const satisfies Record<keyof Shown, string>;

const getSettings = apiRoute("getTailnetSettings", {
  method: "get",
  path: "/tailnet/{tailnet}/settings",
  tags: ["Settings"],
  summary: "Get tailnet settings",
  description: "Settings that the caller has no scope for are left out.",
  request: { params },
  responses: { 200: reply(SettingsSchema, "The settings") },
});

const updateSettings = apiRoute("updateTailnetSettings", {
  method: "patch",
  path: "/tailnet/{tailnet}/settings",
  tags: ["Settings"],
  summary: "Change tailnet settings",
  description: "What is absent or `null` stays. All of it is applied, or nothing.",
  request: { params, body: body(SettingsSchema) },
  responses: { 200: reply(SettingsSchema, "The settings") },
});

/** Tailnet settings. */
export const settingsRoutes = new OpenAPIHono<{ Bindings: Env }>();

settingsRoutes.openapi(getSettings, async (c) => {
  return c.json(visible(c.var.actor, await c.var.administration.tailnetSettings.get()), 200);
});

settingsRoutes.openapi(updateSettings, async (c) => {
  const { actor, administration } = c.var;
  const wanted = given(c.req.valid("json"));
  for (const name of Object.keys(wanted) as (keyof Shown)[]) {
    if (reachOf(actor, SCOPES[name]) !== "all") throw forbidden();
  }
  const outcome = await administration.tailnetSettings.set(toSettings(wanted));
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return c.json(visible(actor, outcome.result), 200);
});

/** The settings that a caller may read. */
function visible(actor: Actor, settings: Settings): Shown {
  const all: Shown = {
    aclsExternallyManagedOn: settings.isPolicyManagedElsewhere,
    aclsExternalLink: settings.policyLink,
    devicesApprovalOn: settings.isDeviceApprovalOn,
    devicesAutoUpdatesOn: settings.isAutoUpdateOn,
    devicesKeyDurationDays: Math.round(settings.keyDurationMs / DAY_MS),
    usersApprovalOn: settings.isUserApprovalOn,
    usersRoleAllowedToJoinExternalTailnets: settings.externalTailnetRole,
    networkFlowLoggingOn: settings.isFlowLoggingOn,
    regionalRoutingOn: settings.isRegionalRoutingOn,
    postureIdentityCollectionOn: settings.isPostureCollectionOn,
    httpsEnabled: settings.isHttpsOn,
  };
  const names = Object.keys(SCOPES) as (keyof Shown)[];
  const readable = names.filter((name) => reachOf(actor, `${SCOPES[name]}:read`) === "all");
  return Object.fromEntries(readable.map((name) => [name, all[name]]));
}

/** What a request wants changed. */
function given(request: Shown): { readonly [K in keyof Shown]?: NonNullable<Shown[K]> } {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== null && value !== undefined));
}

function toSettings(wanted: ReturnType<typeof given>): Partial<Settings> {
  const named = {
    isPolicyManagedElsewhere: wanted.aclsExternallyManagedOn,
    policyLink: wanted.aclsExternalLink,
    isDeviceApprovalOn: wanted.devicesApprovalOn,
    isAutoUpdateOn: wanted.devicesAutoUpdatesOn,
    keyDurationMs: wanted.devicesKeyDurationDays === undefined ? undefined : wanted.devicesKeyDurationDays * DAY_MS,
    isUserApprovalOn: wanted.usersApprovalOn,
    externalTailnetRole: wanted.usersRoleAllowedToJoinExternalTailnets,
    isFlowLoggingOn: wanted.networkFlowLoggingOn,
    isRegionalRoutingOn: wanted.regionalRoutingOn,
    isPostureCollectionOn: wanted.postureIdentityCollectionOn,
    isHttpsOn: wanted.httpsEnabled,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}
