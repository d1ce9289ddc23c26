// The page behind the link of an invite: a person becomes a user of the tailnet. The link proves that they were invited;
// from then on they prove who they are by the API token that the page shows once. Single sign-on will be another way.
import { type Context, Hono } from "hono";
import { html } from "hono/html";
import { readSettings } from "../../env.ts";
import { RefusalException } from "../../middleware/on-error.ts";
import { administrationOf } from "../../middleware/tailnet-for.ts";
import type { InviteView, Visit } from "../../objects/administration/logins.ts";
import { type Markup, page } from "./page.ts";
import { readSession, writeSession } from "./session-cookie.ts";
import { hiddenField, onPageError, readForm } from "./sign-in.ts";

/** Pages where people accept invites. */
export const inviteRoutes = new Hono<{ Bindings: Env }>();

inviteRoutes.onError(onPageError);

inviteRoutes.get("/invite/:code", async (c) => {
  const { logins } = administrationOf(c.env);
  const code = c.req.param("code");
  const [visit, invite] = await Promise.all([logins.visit(readSession(c)), logins.invite(code)]);
  if (invite === null) throw new RefusalException({ reason: "not-found", what: "invite" });
  writeSession(c, visit.cookie);
  return await page(c, `Join ${readSettings(c.env).tailnetName}`, inviteForm(code, invite, visit));
});

inviteRoutes.post("/invite/:code", async (c) => {
  const { form } = await readForm(c);
  const { logins } = administrationOf(c.env);
  const outcome = await logins.acceptInvite(c.req.param("code"), form.get("login_name")?.trim() ?? "");
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  const { user, text } = outcome.result;
  writeSession(c, await logins.signIn(user));
  return await page(c, "Welcome", welcome(c, user.loginName, user.isApproved, text));
});

function inviteForm(code: string, { role, email, inviter }: InviteView, visit: Visit): Markup {
  const name =
    email === ""
      ? html`<label>Your email address <input type="email" name="login_name" autocomplete="email" required /></label>`
      : html``;
  return html`
    <p>${inviter} invites you${email === "" ? "" : html` as <strong>${email}</strong>`}, with the role ${role}.</p>
    ${visit.user === null ? html`` : html`<p>This browser is signed in as ${visit.user.loginName}; it will be signed in anew.</p>`}
    <form method="post" action="/invite/${code}">
      ${hiddenField("form_token", visit.formToken)} ${name}
      <button class="approve">Join</button>
    </form>
  `;
}

function welcome(c: Context<{ Bindings: Env }>, loginName: string, isApproved: boolean, token: string): Markup {
  const { controlUrl, publicUrl } = readSettings(c.env);
  const loginServer = controlUrl || publicUrl || new URL(c.req.url).origin;
  return html`
    <p>You are a user of this tailnet: <strong>${loginName}</strong>.</p>
    ${isApproved ? html`` : html`<p class="warning">An administrator has to approve you before your devices connect.</p>`}
    <p>Sign in with this API token. Keep it: it is shown once.</p>
    <p><code>${token}</code></p>
    <p>Connect a device: <code>tailscale up --login-server=${loginServer}</code></p>
  `;
}
