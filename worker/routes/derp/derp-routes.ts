// What a DERP host serves over HTTP: the relay itself and the small helpers of control-protocol.md 7.10. Native clients
// ask for another upgrade, which never reaches a Worker; a gateway in front of them makes a WebSocket of it.
import { Hono } from "hono";
import { tailnetFor } from "../../middleware/tailnet-for.ts";
import { builtInRelay } from "../../platform/built-in-relay.ts";
import { TAILNET_ID_HEADER } from "../../platform/forwarded-headers.ts";

/** GET /derp, /derp/probe, /derp/latency-check and /generate_204. */
export const derpRoutes = new Hono<{ Bindings: Env }>();

derpRoutes.get("/derp", async (c) => {
  if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
    c.header("upgrade", "websocket");
    return c.text("DERP needs a WebSocket upgrade; native clients connect through a gateway\n", 426);
  }
  const request = new Request(c.req.raw);
  request.headers.set(TAILNET_ID_HEADER, tailnetFor(c.env).id.toString());
  return await builtInRelay(c.env).fetch(request);
});

// Clients measure latency with these, WASM ones from another origin.
for (const path of ["/derp/probe", "/derp/latency-check"]) {
  derpRoutes.all(path, (c) => {
    if (c.req.method !== "GET" && c.req.method !== "HEAD")
      return c.text("method not allowed\n", 405, { allow: "GET, HEAD" });
    return c.body(null, 200, { "access-control-allow-origin": "*" });
  });
}

// The probe for captive portals. The echoed challenge shows that the answer is ours and not a portal's.
derpRoutes.get("/generate_204", (c) => {
  const challenge = c.req.header("x-tailscale-challenge");
  if (challenge !== undefined && /^[A-Za-z0-9._:-]{1,64}$/.test(challenge)) {
    c.header("x-tailscale-response", `response ${challenge}`);
  }
  c.header("cache-control", "no-cache, no-store, must-revalidate, no-transform, max-age=0");
  return c.body(null, 204);
});
