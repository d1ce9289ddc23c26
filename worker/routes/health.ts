// Paths for monitors and crawlers.
import { Hono } from "hono";
import { tailnetFor } from "../middleware/tailnet-for.ts";

/** GET /health and /robots.txt. */
export const healthRoutes = new Hono<{ Bindings: Env }>();

/** 200 once the tailnet's object runs and its database is up to date. */
healthRoutes.get("/health", async (c) => {
  await tailnetFor(c.env).publicKey();
  c.header("content-type", "application/health+json");
  return c.body('{"status":"pass"}');
});

healthRoutes.get("/robots.txt", (c) => c.text("User-agent: *\nDisallow: /\n"));
