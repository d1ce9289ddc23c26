// Endpoints of the hosted service that mean nothing here: each says why (docs/api.md). They are not described, since
// there is nothing to call.
import { Hono } from "hono";

const SHARING = "devices are not shared with other tailnets: this server has one tailnet";
const ORGANIZATIONS = "this server has one tailnet; run another deployment for another one";
const OAUTH_APPS = "OAuth apps are not offered; make an OAuth client with POST /tailnet/-/keys";

type Method = "GET" | "POST" | "PUT" | "DELETE" | "PATCH";

const LEFT_OUT: readonly (readonly [methods: readonly Method[], path: string, reason: string])[] = [
  [["POST"], "/device/:deviceId/device-invites", SHARING],
  [["POST"], "/device-invites/-/accept", SHARING],
  [["GET", "DELETE"], "/device-invites/:deviceInviteId", SHARING],
  [["POST"], "/device-invites/:deviceInviteId/resend", SHARING],
  [["GET", "POST"], "/organizations/:organization/tailnets", ORGANIZATIONS],
  [["DELETE"], "/tailnet/:tailnet", ORGANIZATIONS],
  [["GET", "POST"], "/tailnet/:tailnet/oauth-apps", OAUTH_APPS],
  [["GET", "PUT", "DELETE"], "/tailnet/:tailnet/oauth-apps/:appId", OAUTH_APPS],
  [["GET", "POST"], "/tailnet/:tailnet/dns/config", "use /tailnet/{tailnet}/dns/configuration"],
];

/** Endpoints that are left out. */
export const leftOutRoutes = new Hono<{ Bindings: Env }>();

for (const [methods, path, reason] of LEFT_OUT) {
  leftOutRoutes.on([...methods], path, (c) => c.json({ message: `not implemented: ${reason}` }, 501));
}
