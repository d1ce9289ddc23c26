// GET /key: the server's Noise key (control-protocol.md 1.2). Open to other origins: WASM clients fetch it from theirs.
import { Hono } from "hono";
import { cors } from "hono/cors";
import { tailnetFor } from "../../middleware/tailnet-for.ts";
import { ZERO_MACHINE_KEY } from "../../protocol/keys.ts";

/** GET and OPTIONS /key. */
export const keyRoutes = new Hono<{ Bindings: Env }>();

keyRoutes.use("/key", cors());
keyRoutes.get("/key", async (c) => {
  if (c.req.query("v") === undefined) return c.text("parameter v (capability version) is required\n", 400);
  const publicKey = await tailnetFor(c.env).publicKey();
  c.header("cache-control", "no-store");
  return c.json({ legacyPublicKey: ZERO_MACHINE_KEY, publicKey });
});
