// Signing in and out at a browser. Forms are bound to the browser's session before anybody signs in, so that nobody can
// be signed in as somebody else by a page elsewhere; signing in starts a new session.
import { type Context, Hono } from "hono";
import { html } from "hono/html";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { describeError } from "../../middleware/on-error.ts";
import { readText } from "../../middleware/request-body.ts";
import { administrationOf } from "../../middleware/tailnet-for.ts";
import type { Visit } from "../../objects/administration/logins.ts";
import { FORM_BODY_MAX } from "../../protocol/limits.ts";
import { IDENTITY_PROVIDERS, type IdentityProvider } from "./identity-provider.ts";
import { type Markup, page } from "./page.ts";
import { clearSession, readSession, writeSession } from "./session-cookie.ts";

/** Pages where people sign in and out. */
export const signInRoutes = new Hono<{ Bindings: Env }>();

signInRoutes.onError(onPageError);

signInRoutes.post("/login/:provider", async (c) => {
  const { form, visit } = await readForm(c);
  const provider = IDENTITY_PROVIDERS.find(({ id }) => id === c.req.param("provider"));
  if (provider === undefined) throw new HTTPException(404, { message: "there is no such way to sign in" });
  const next = localPath(form.get("next") ?? "");
  const administration = administrationOf(c.env);
  const user = await provider.identify(form.get("value") ?? "", administration);
  if (user === null)
    return await signInPage(c, visit, next, { problem: "That did not work. Please try again.", status: 403 });
  writeSession(c, await administration.logins.signIn(user));
  return c.redirect(next, 303);
});

signInRoutes.post("/logout", async (c) => {
  await readForm(c);
  clearSession(c);
  return await page(c, "Signed out", html`<p>You may close this page.</p>`);
});

/** What the sign-in page says above its forms. */
interface SignInNotes {
  /** Why the last try failed, and the status to say so with. */
  readonly problem?: string;
  readonly status?: ContentfulStatusCode;
  readonly reason?: string;
}

/** Asks who is there, then leads on to `next`. */
export async function signInPage(
  c: Context,
  visit: Visit,
  next: string,
  { problem, status, reason = "Sign in to continue." }: SignInNotes = {},
): Promise<Response> {
  const content = html`
    ${problem === undefined ? html`<p>${reason}</p>` : html`<p class="warning" role="alert">${problem}</p>`}
    ${IDENTITY_PROVIDERS.map((provider) => providerForm(provider, visit, next))}
  `;
  return await page(c, "Sign in", content, status);
}

function providerForm({ id, label, field }: IdentityProvider, visit: Visit, next: string): Markup {
  return html`<form method="post" action="/login/${id}">
    ${hiddenField("form_token", visit.formToken)} ${hiddenField("next", next)}
    <label>${field.label} <input type="password" name="value" autocomplete="${field.autocomplete}" required /></label>
    <button class="approve">${label}</button>
  </form>`;
}

/** A button that ends the session, with the name of whose it is. */
export function signOutForm(visit: Visit): Markup {
  return html`<form method="post" action="/logout" class="quiet">
    ${hiddenField("form_token", visit.formToken)}
    <p>Signed in as ${visit.user?.loginName}. <button>Sign out</button></p>
  </form>`;
}

/** A field that the person does not see. */
export function hiddenField(name: string, value: string): Markup {
  return html`<input type="hidden" name="${name}" value="${value}" />`;
}

/** The form that a browser sent and who sent it. @throws HTTPException 403 when the form is not of the browser's session */
export async function readForm(c: Context<{ Bindings: Env }>): Promise<{ form: URLSearchParams; visit: Visit }> {
  const form = new URLSearchParams(await readText(c.req.raw, FORM_BODY_MAX));
  const visit = await administrationOf(c.env).logins.submission(readSession(c), form.get("form_token") ?? "");
  if (visit === null)
    throw new HTTPException(403, { message: "this form is out of date; go back and reload the page" });
  return { form, visit };
}

/** Answers an exception with a page. */
export async function onPageError(error: Error, c: Context): Promise<Response> {
  const { status, message } = describeError(error, c);
  return await page(c, status === 404 ? "Not found" : "That did not work", html`<p>${message}</p>`, status);
}

/** Where to go after signing in: the page of a device or of a login over SSH, never another site. */
function localPath(text: string): string {
  return /^\/(a|ssh)\/[0-9A-Za-z]{1,64}$/.test(text) ? text : "/";
}
