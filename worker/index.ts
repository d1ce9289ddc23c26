// Composition root: the Worker's routes and the Durable Object classes.
import { Hono } from "hono";
import { onError, onNotFound } from "./middleware/on-error.ts";
import { requestId } from "./middleware/request-id.ts";
import { keyRoutes } from "./routes/control/key.ts";
import { ts2021Routes } from "./routes/control/ts2021.ts";
import { derpRoutes } from "./routes/derp/derp-routes.ts";
import { relayOperationRoutes } from "./routes/derp/relay-operation.ts";
import { healthRoutes } from "./routes/health.ts";
import { identityRoutes } from "./routes/identity.ts";
import { approveRoutes } from "./routes/login/approve.ts";
import { confirmSSHRoutes } from "./routes/login/confirm-ssh.ts";
import { homeRoutes } from "./routes/login/home.ts";
import { inviteRoutes } from "./routes/login/invite.ts";
import { signInRoutes } from "./routes/login/sign-in.ts";

export { DerpRegionObject } from "./objects/derp-region-object.ts";
export { TailnetObject } from "./objects/tailnet-object.ts";

const app = new Hono<{ Bindings: Env }>();
app.onError(onError);
app.notFound(onNotFound);
// The schemas of the public API are most of what there is to evaluate; control connections need none of them.
app.get("/api", (c) => answerByApi(c.req.raw, c.env));
app.all("/api/v2/*", (c) => answerByApi(c.req.raw, c.env));
app.use(requestId);
app.route("/", keyRoutes);
app.route("/", ts2021Routes);
app.route("/", derpRoutes);
app.route("/", relayOperationRoutes);
app.route("/", healthRoutes);
app.route("/", identityRoutes);
app.route("/", homeRoutes);
app.route("/", approveRoutes);
app.route("/", confirmSSHRoutes);
app.route("/", inviteRoutes);
app.route("/", signInRoutes);

async function answerByApi(request: Request, env: Env): Promise<Response> {
  const { api } = await import("./routes/api/v2/api.ts");
  return await api.fetch(request, env);
}

export default app;
