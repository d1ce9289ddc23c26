// Paths for monitors and crawlers.
import { Hono } from "hono";
import { tailnetFor } from "../middleware/tailnet-for.ts";

/** GET /health and /robots.txt. */
export const healthRoutes = new Hono<{ Bindings: Env }>();

/** 200 once the tailnet is loaded; the status is `warn` when its operator must look after something. */
healthRoutes.get("/health", async (c) => {
  const notes = await tailnetFor(c.env).health();
  c.header("content-type", "application/health+json");
  return c.body(JSON.stringify(notes.length === 0 ? { status: "pass" } : { status: "warn", notes }));
});

healthRoutes.get("/robots.txt", (c) => c.text("User-agent: *\nDisallow: /\n"));
