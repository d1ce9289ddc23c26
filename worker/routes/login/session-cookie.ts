// The session cookie of the login pages. Over https it has the `__Host-` prefix, so that no other host and no plain
// connection can plant one.
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";

const NAME = "flarescale_session";

/** What the browser's cookie holds; empty when there is none. */
export function readSession(c: Context): string {
  return (isHttps(c) ? getCookie(c, NAME, "host") : getCookie(c, NAME)) ?? "";
}

/** Gives the browser its session, unless it holds that one already. */
export function writeSession(c: Context, value: string): void {
  if (value !== readSession(c)) setCookie(c, NAME, value, optionsFor(c));
}

/** Takes the session away from the browser. */
export function clearSession(c: Context): void {
  deleteCookie(c, NAME, optionsFor(c));
}

function optionsFor(c: Context) {
  const options = { httpOnly: true, sameSite: "Lax", path: "/" } as const;
  return isHttps(c) ? ({ ...options, secure: true, prefix: "host" } as const) : options;
}

/** As the browser sees it. What a gateway says of it is good enough: whoever could forge that carries the cookie anyway. */
function isHttps(c: Context): boolean {
  return (c.req.header("x-forwarded-proto") ?? new URL(c.req.url).protocol).startsWith("https");
}
