// The public API (api-v2.md): its resources, its description, and what is the same for every answer.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { readSettings } from "../../../env.ts";
import { onError, onNotFound } from "../../../middleware/on-error.ts";
import { requestId } from "../../../middleware/request-id.ts";
import { onInvalid, publicRoute, reply } from "./api-route.ts";
import { bootstrapRoutes } from "./bootstrap.ts";
import { completed, type Description } from "./description/document.ts";
import { referencePage } from "./description/page.ts";
import { deviceAttributeRoutes } from "./devices/device-attributes.ts";
import { deviceInviteRoutes } from "./devices/device-invites.ts";
import { deviceRouteRoutes } from "./devices/device-routes.ts";
import { deviceRoutes } from "./devices/devices.ts";
import { logStreamRoutes } from "./integrations/log-streams.ts";
import { loggingRoutes } from "./integrations/logging.ts";
import { postureIntegrationRoutes } from "./integrations/posture-integrations.ts";
import { webhookRoutes } from "./integrations/webhooks.ts";
import { issuerRoutes } from "./keys/issuers.ts";
import { keyRoutes } from "./keys/keys.ts";
import { leftOutRoutes } from "./left-out.ts";
import { tokenRoutes } from "./oauth/token.ts";
import { tokenExchangeRoutes } from "./oauth/token-exchange.ts";
import { aclRoutes } from "./policy-file/acl.ts";
import { aclPreviewRoutes } from "./policy-file/acl-preview.ts";
import { aclReachRoutes } from "./policy-file/acl-reach.ts";
import { aclVersionRoutes } from "./policy-file/acl-versions.ts";
import { contactRoutes } from "./tailnet/contacts.ts";
import { dnsRoutes } from "./tailnet/dns.ts";
import { dnsConfigRoutes } from "./tailnet/dns-config.ts";
import { serviceRoutes } from "./tailnet/services.ts";
import { settingsRoutes } from "./tailnet/settings.ts";
import { transferRoutes } from "./tailnet/transfer.ts";
import { userInviteRoutes } from "./users/user-invites.ts";
import { userRoutes } from "./users/users.ts";

/** Routes below /api/v2. */
export const apiRoutes = new OpenAPIHono<{ Bindings: Env }>({ defaultHook: onInvalid });

apiRoutes.use(async (c, next) => {
  await next();
  if (!c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
});
apiRoutes.use(
  methodNotAllowed({
    app: apiRoutes,
    onMethodNotAllowed: (c, methods) => c.json({ message: "method not allowed" }, 405, { allow: methods.join(", ") }),
  }),
);

const getOpenApi = publicRoute("getOpenApi", {
  method: "get",
  path: "/openapi.json",
  tags: ["Description"],
  summary: "This description",
  responses: { 200: reply(z.looseObject({ openapi: z.string() }), "OpenAPI 3.1 document") },
});

apiRoutes.openapi(getOpenApi, (c) => c.json({ ...describe() }, 200));

apiRoutes.route("/", bootstrapRoutes);
apiRoutes.route("/", deviceRoutes);
apiRoutes.route("/", deviceRouteRoutes);
apiRoutes.route("/", deviceAttributeRoutes);
apiRoutes.route("/", deviceInviteRoutes);
apiRoutes.route("/", aclRoutes);
apiRoutes.route("/", aclPreviewRoutes);
apiRoutes.route("/", aclReachRoutes);
apiRoutes.route("/", aclVersionRoutes);
apiRoutes.route("/", keyRoutes);
apiRoutes.route("/", issuerRoutes);
for (const routes of [
  transferRoutes,
  dnsRoutes,
  dnsConfigRoutes,
  settingsRoutes,
  contactRoutes,
  postureIntegrationRoutes,
  serviceRoutes,
])
  apiRoutes.route("/", routes);
apiRoutes.route("/", webhookRoutes);
apiRoutes.route("/", loggingRoutes);
apiRoutes.route("/", logStreamRoutes);
apiRoutes.route("/", userRoutes);
apiRoutes.route("/", userInviteRoutes);
apiRoutes.route("/", tokenRoutes);
apiRoutes.route("/", tokenExchangeRoutes);
apiRoutes.route("/", leftOutRoutes);

for (const [name, scheme] of [
  ["bearer", "bearer"],
  ["basic", "basic"],
] as const) {
  apiRoutes.openAPIRegistry.registerComponent("securitySchemes", name, {
    type: "http",
    scheme,
    description: name === "basic" ? "The API token as user name, no password." : "The API token.",
  });
}

let description: Description | undefined;

/** The description; made once, and only when somebody asks for it. */
function describe(): Description {
  const document = () =>
    apiRoutes.getOpenAPI31Document({
      openapi: "3.1.0",
      info: {
        title: "flarescale API",
        version: "2",
        description: "Compatible with the Tailscale REST API v2. Every error is an object with a `message`.",
      },
      servers: [{ url: "/api/v2" }],
    });
  description ??= completed(document() as unknown as Description);
  return description;
}

/** The public API, a program of its own: the Worker loads it for its first request (worker/index.ts). */
export const api = new Hono<{ Bindings: Env }>();
api.onError(onError);
api.notFound(onNotFound);
api.use(requestId);
api.route("/api/v2", apiRoutes);
// Generators of clients look for the description where the hosted service has it; JSON is YAML.
api.get("/api/v2", (c) => (c.req.query("outputOpenapiSchema") === "true" ? c.json(describe()) : onNotFound(c)));
api.get("/api", (c) => referencePage(c, describe(), readSettings(c.env).publicUrl || new URL(c.req.url).origin));
