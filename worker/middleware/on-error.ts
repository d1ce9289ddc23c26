// The one place that turns what went wrong into an HTTP answer: `{ "message" }`, as the public API has it
// (api-v2.md 1.8). Details of our own bugs go to the log under the request's id, never outside.
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { describeRefusal, type Refusal } from "../tailnet/refusal.ts";

/** Answers an exception. */
export function onError(error: Error, c: Context): Response {
  if (error instanceof HTTPException) return c.json({ message: error.message }, error.status);
  const id = crypto.randomUUID();
  console.error(`request ${id} failed:`, error);
  return c.json({ message: `internal error; the log has the details under ${id}` }, 500);
}

/** Answers a path that nothing serves. */
export function onNotFound(c: Context): Response {
  return c.json({ message: "404 page not found" }, 404);
}

/** An exception that answers a refusal of the domain. */
export function refusalException(refusal: Refusal): HTTPException {
  return new HTTPException(statusOf(refusal), { message: describeRefusal(refusal) });
}

function statusOf(refusal: Refusal): ContentfulStatusCode {
  switch (refusal.reason) {
    case "not-found":
      return 404;
    case "conflict":
      return 409;
    case "precondition-failed":
      return 412;
    case "user-suspended":
    case "login-denied":
      return 403;
    default:
      return 400;
  }
}
