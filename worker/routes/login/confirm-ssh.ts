// The page of a login over SSH in check mode (control-protocol.md 6.4): the owner of the device that connects proves again
// who they are and confirms the login. A session that began before the login is no such proof, so that its holder signs
// in anew, by whatever way identity-provider.ts offers.
import { type Context, Hono } from "hono";
import { html } from "hono/html";
import { HTTPException } from "hono/http-exception";
import { RefusalException } from "../../middleware/on-error.ts";
import { administrationOf } from "../../middleware/tailnet-for.ts";
import type { SSHCheckView, Visit } from "../../objects/administration/logins.ts";
import { actorOf } from "../../tailnet/entities/actor.ts";
import type { User } from "../../tailnet/entities/user.ts";
import { type Markup, page, shown } from "./page.ts";
import { readSession, writeSession } from "./session-cookie.ts";
import { hiddenField, onPageError, readForm, signInPage, signOutForm } from "./sign-in.ts";

/** Pages where logins over SSH are confirmed. */
export const confirmSSHRoutes = new Hono<{ Bindings: Env }>();

confirmSSHRoutes.onError(onPageError);

confirmSSHRoutes.get("/ssh/:id", async (c) => {
  const { logins } = administrationOf(c.env);
  const id = c.req.param("id");
  const [visit, check] = await Promise.all([logins.visit(readSession(c)), logins.sshCheck(id)]);
  if (check === null) throw new RefusalException({ reason: "not-found", what: "login" });
  writeSession(c, visit.cookie);
  const mustSignIn = visit.user === null || visit.signedInAt < check.createdAt;
  if (mustSignIn) return await signInPage(c, visit, `/ssh/${id}`, { reason: "Sign in to confirm a login over SSH." });
  if (visit.user?.id !== check.userId) {
    return await page(c, "Not yours to confirm", html`${foreignLogin}${signOutForm(visit)}`, 403);
  }
  return await page(c, "Log in over SSH?", decisionForms(check, visit));
});

confirmSSHRoutes.post("/ssh/:id/approve", async (c) => {
  const { id, user, visit } = await readDecision(c);
  const outcome = await administrationOf(c.env, actorOf(user)).logins.approveSSHCheck(id, user, visit.signedInAt);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return await page(c, "Login confirmed", html`<p>The SSH session goes on. You may close this page.</p>`);
});

confirmSSHRoutes.post("/ssh/:id/deny", async (c) => {
  const { id, user } = await readDecision(c);
  const outcome = await administrationOf(c.env, actorOf(user)).logins.denySSHCheck(id, user);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return await page(c, "Login denied", html`<p>The SSH session was refused. You may close this page.</p>`);
});

const foreignLogin = html`<p>This login comes from a device of somebody else. Its owner must confirm it.</p>`;

interface DecisionOfPerson {
  readonly id: string;
  readonly user: User;
  readonly visit: Visit;
}

async function readDecision(
  c: Context<{ Bindings: Env }, "/ssh/:id/approve" | "/ssh/:id/deny">,
): Promise<DecisionOfPerson> {
  const { visit } = await readForm(c);
  if (visit.user === null) throw new HTTPException(403, { message: "sign in first" });
  return { id: c.req.param("id"), user: visit.user, visit };
}

function decisionForms(check: SSHCheckView, visit: Visit): Markup {
  return html`
    <dl>
      <dt>From</dt><dd>${shown(check.source)}</dd>
      <dt>To</dt><dd>${shown(check.destination)}</dd>
      <dt>Account</dt><dd>${shown(check.localUser)}</dd>
    </dl>
    <p class="warning">Confirm this login only if you have just started it yourself.</p>
    ${decisionForm(check, visit, "approve", "Confirm")} ${decisionForm(check, visit, "deny", "Deny")}
    ${signOutForm(visit)}
  `;
}

function decisionForm({ id }: SSHCheckView, visit: Visit, decision: "approve" | "deny", label: string): Markup {
  return html`<form method="post" action="/ssh/${id}/${decision}">
    ${hiddenField("form_token", visit.formToken)}
    <button class="${decision}">${label}</button>
  </form>`;
}
