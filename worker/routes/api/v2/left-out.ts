// Endpoints of the hosted service that mean nothing here: whoever has a token is told why, and what there is instead
// (docs/api.md). They are not described, since there is nothing to call.
import { Hono } from "hono";
import { identify } from "./api-route.ts";

type Method = "GET" | "POST" | "PUT" | "DELETE" | "PATCH";

/** Why something is left out, and what to do instead. */
type Reason = readonly [why: string, instead: string];

const SHARING: Reason = [
  "devices are not shared with other tailnets, since this server has one",
  "invite the person with POST /tailnet/-/user-invites",
];
const ORGANIZATIONS: Reason = ["this server has one tailnet", "run another deployment for another one"];
const OAUTH_APPS: Reason = ["OAuth apps are not offered", "make an OAuth client with POST /tailnet/-/keys"];

/** What is left out, with the paths as the router takes them. */
export const LEFT_OUT: readonly (readonly [methods: readonly Method[], path: string, reason: Reason])[] = [
  [["POST"], "/device-invites/-/accept", SHARING],
  [["GET", "DELETE"], "/device-invites/:deviceInviteId", SHARING],
  [["POST"], "/device-invites/:deviceInviteId/resend", SHARING],
  [["GET", "POST"], "/organizations/:organization/tailnets", ORGANIZATIONS],
  [["DELETE"], "/tailnet/:tailnet", ORGANIZATIONS],
  [["GET", "POST"], "/tailnet/:tailnet/oauth-apps", OAUTH_APPS],
  [["GET", "PUT", "DELETE"], "/tailnet/:tailnet/oauth-apps/:appId", OAUTH_APPS],
];

/** Where a device's invites are listed, and can not be made: there is the path, so the method is what is missing. */
export const INVITES_OF_DEVICE = "/device/:deviceId/device-invites";

/** Endpoints that are left out; they come after those that are there. */
export const leftOutRoutes = new Hono<{ Bindings: Env }>();

for (const [methods, path, reason] of LEFT_OUT) {
  leftOutRoutes.on([...methods], path, async (c) => {
    await identify(c);
    return c.json({ message: `not implemented: ${reason.join("; ")}` }, 501);
  });
}

leftOutRoutes.all(INVITES_OF_DEVICE, async (c) => {
  await identify(c);
  return c.json({ message: `method not allowed: ${SHARING.join("; ")}` }, 405, { allow: "GET, HEAD" });
});
