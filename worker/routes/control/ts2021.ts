// /ts2021: the control connection by WebSocket (control-protocol.md 1.4). Native clients upgrade to another protocol,
// which never reaches a Worker; a gateway in front of them makes this form of it, or carries several of them on a trunk.
import { Hono } from "hono";
import { tailnetFor } from "../../middleware/tailnet-for.ts";
import { offersSubprotocol } from "../../platform/subprotocols.ts";
import { TRUNK_PROTOCOL } from "../../protocol/trunk/frame.ts";

const SUBPROTOCOL = "tailscale-control-protocol";

/** /ts2021, whatever the method: what cannot be served is told why. */
export const ts2021Routes = new Hono<{ Bindings: Env }>();

ts2021Routes.all("/ts2021", async (c) => {
  if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
    c.header("upgrade", "websocket");
    return c.text("native clients connect through a gateway: see docs/gateway.md, or run `flarescale doctor`\n", 426);
  }
  const { headers } = c.req.raw;
  const isTrunk = offersSubprotocol(headers, TRUNK_PROTOCOL) && c.req.query("X-Tailscale-Handshake") === undefined;
  if (!isTrunk && !offersSubprotocol(headers, SUBPROTOCOL))
    return c.text(`WebSocket subprotocol ${SUBPROTOCOL} is required\n`, 400);
  return await tailnetFor(c.env).fetch(c.req.raw);
});
