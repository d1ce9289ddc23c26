// The page behind an AuthURL (control-protocol.md 1.9, 4.6): a signed-in user looks at the device that asks to join and
// approves or denies it. Nothing is decided on GET; every form carries a token of the browser's session.
import { type Context, Hono } from "hono";
import { html } from "hono/html";
import { HTTPException } from "hono/http-exception";
import { RefusalException } from "../../middleware/on-error.ts";
import { administrationOf, type RemoteAdministration } from "../../middleware/tailnet-for.ts";
import type { Visit } from "../../objects/administration/logins.ts";
import { toBase64 } from "../../protocol/bytes.ts";
import { requestedTags } from "../../protocol/control/hostinfo.ts";
import { type MachineKey, rawKey } from "../../protocol/keys.ts";
import { actorOf } from "../../tailnet/entities/actor.ts";
import type { PendingRegistration } from "../../tailnet/entities/pending-registration.ts";
import type { User } from "../../tailnet/entities/user.ts";
import { type Markup, page, shown } from "./page.ts";
import { readSession, writeSession } from "./session-cookie.ts";
import { hiddenField, onPageError, readForm, signInPage, signOutForm } from "./sign-in.ts";

/** Pages where devices are approved. */
export const approveRoutes = new Hono<{ Bindings: Env }>();

approveRoutes.onError(onPageError);

approveRoutes.get("/a/:id", async (c) => {
  const administration = administrationOf(c.env);
  const id = c.req.param("id");
  const [visit, pending] = await Promise.all([
    administration.logins.visit(readSession(c)),
    administration.logins.pendingRegistration(id),
  ]);
  if (pending === null) throw new RefusalException({ reason: "not-found", what: "registration" });
  writeSession(c, visit.cookie);
  if (visit.user === null) return await signInPage(c, visit, `/a/${id}`);
  return await page(c, "Connect this device?", decisionForms(pending, visit.user, visit));
});

approveRoutes.post("/a/:id/approve", async (c) => {
  const { id, user, administration } = await readDecision(c);
  const outcome = await administration.logins.approve(id, user);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return await page(
    c,
    "Device connected",
    html`<p>${shown(outcome.result.name)} is part of the tailnet. You may close this page.</p>`,
  );
});

approveRoutes.post("/a/:id/deny", async (c) => {
  const { id, user, administration } = await readDecision(c);
  const outcome = await administration.logins.deny(id, user);
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return await page(c, "Device denied", html`<p>The device was not connected. You may close this page.</p>`);
});

async function readDecision(c: Context<{ Bindings: Env }, "/a/:id/approve" | "/a/:id/deny">) {
  const { visit } = await readForm(c);
  if (visit.user === null) throw new HTTPException(403, { message: "sign in first" });
  const administration: RemoteAdministration = administrationOf(c.env, actorOf(visit.user));
  return { id: c.req.param("id"), user: visit.user, administration };
}

function decisionForms(pending: PendingRegistration, user: User, visit: Visit): Markup {
  const { hostinfo } = pending;
  const tags = requestedTags(hostinfo);
  const owner = tags.length === 0 ? user.loginName : `nobody; it is tagged ${tags.join(", ")}`;
  return html`
    <dl>
      <dt>Host name</dt><dd>${shown(hostinfo.Hostname)}</dd>
      <dt>System</dt><dd>${shown(hostinfo.OS)}</dd>
      <dt>Asked from</dt><dd>${shown(pending.remoteAddress)}</dd>
      <dt>Machine key</dt><dd><code>${shortKey(pending.machineKey)}</code></dd>
      <dt>Will belong to</dt><dd>${shown(owner)}</dd>
    </dl>
    <p class="warning">
      Approve this device only if you have just started connecting it yourself. Whoever sent you this link
      gets into the network in your name otherwise.
    </p>
    ${decisionForm(pending, visit, "approve", "Approve")} ${decisionForm(pending, visit, "deny", "Deny")}
    ${signOutForm(visit)}
  `;
}

function decisionForm({ id }: PendingRegistration, visit: Visit, decision: "approve" | "deny", label: string): Markup {
  return html`<form method="post" action="/a/${id}/${decision}">
    ${hiddenField("form_token", visit.formToken)}
    <button class="${decision}">${label}</button>
  </form>`;
}

/** A machine key as clients print it in short. */
function shortKey(key: MachineKey): string {
  return `[${toBase64(rawKey(key)).slice(0, 5)}]`;
}
