// Composition root: the Worker's routes and the Durable Object classes.
import { Hono } from "hono";
import { onError, onNotFound } from "./middleware/on-error.ts";
import { keyRoutes } from "./routes/control/key.ts";
import { ts2021Routes } from "./routes/control/ts2021.ts";
import { derpRoutes } from "./routes/derp/derp-routes.ts";
import { healthRoutes } from "./routes/health.ts";

export { DerpRegionObject } from "./objects/derp-region-object.ts";
export { TailnetObject } from "./objects/tailnet-object.ts";

const app = new Hono<{ Bindings: Env }>();
app.onError(onError);
app.notFound(onNotFound);
app.route("/", keyRoutes);
app.route("/", ts2021Routes);
app.route("/", derpRoutes);
app.route("/", healthRoutes);

export default app;
