// The page at `/`, for people who look what is here.
import { Hono } from "hono";
import { html } from "hono/html";
import { readSettings } from "../../env.ts";
import { tailnetFor } from "../../middleware/tailnet-for.ts";
import { page } from "./page.ts";
import { onPageError } from "./sign-in.ts";

/** The page that greets people. */
export const homeRoutes = new Hono<{ Bindings: Env }>();

homeRoutes.onError(onPageError);

homeRoutes.get("/", async (c) => {
  const { tailnetName, controlUrl, publicUrl } = readSettings(c.env);
  await tailnetFor(c.env).publicKey(); // throws when the tailnet does not run
  const loginServer = controlUrl || publicUrl || new URL(c.req.url).origin;
  return await page(
    c,
    tailnetName,
    html`
      <p>This is flarescale, a coordination server for Tailscale clients. The tailnet is up and running.</p>
      <p>Connect a device: <code>tailscale up --login-server=${loginServer}</code></p>
      <ul>
        <li><a href="/health">/health</a>: status for monitors</li>
        <li><a href="/api/v2/openapi.json">/api/v2/openapi.json</a>: description of the REST API</li>
        <li><code>docs/</code> of the repository: deploy.md, self-host.md</li>
      </ul>
    `,
  );
});
