// The one place that turns what went wrong into an HTTP answer: `{ "message" }`, as the public API has it
// (api-v2.md 1.8). Details of our own bugs go to the log under the request's id, never outside.
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { describeRefusal, type NamedThing, type Refusal } from "../tailnet/refusal.ts";

/** Answers an exception. */
export function onError(error: Error, c: Context): Response {
  const { status, message } = describeError(error, c);
  if (error instanceof RateLimitException) {
    c.header("retry-after", String(error.seconds));
    if (error.limit !== null) announceAllowance(c, { limit: error.limit, remaining: 0 });
  }
  if (error instanceof RefusalException && error.refusal.reason === "policy-tests-failed") {
    return c.json({ message, data: error.refusal.failures }, status);
  }
  return c.json({ message }, status);
}

/** Status and words for an exception; one that nobody meant to throw goes to the log. */
export function describeError(error: Error, c: Context): { status: ContentfulStatusCode; message: string } {
  if (error instanceof HTTPException) return { status: error.status, message: error.message };
  const id = c.get("requestId");
  console.error(`request ${id} failed:`, error);
  return { status: 500, message: `internal error; the log has the details under ${id}` };
}

/** Answers a path that nothing serves. */
export function onNotFound(c: Context): Response {
  return c.json({ message: "404 page not found" }, 404);
}

/** Tells a caller what is left of its rate: requests at once, and those that it may make now. */
export function announceAllowance(c: Context, { limit, remaining }: { limit: number; remaining: number }): void {
  c.header("ratelimit-limit", String(limit));
  c.header("ratelimit-remaining", String(remaining));
}

/** An exception that answers a caller who asks too often. */
export class RateLimitException extends HTTPException {
  readonly seconds: number;
  /** Requests that the caller may make at once; null: nobody is told, since the caller has not proved who it is. */
  readonly limit: number | null;

  constructor(seconds: number, limit: number | null = null) {
    super(429, { message: `too many requests; try again in ${seconds} s` });
    this.seconds = seconds;
    this.limit = limit;
  }
}

/** An exception that answers a refusal of the domain. */
export class RefusalException extends HTTPException {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(STATUS[refusal.reason], { message: describeRefusal(refusal) });
    this.refusal = refusal;
  }
}

/** What a command made. @throws RefusalException */
export function resultOf<T>(
  outcome: { readonly ok: true; readonly result: T } | { readonly ok: false; readonly refusal: Refusal },
): T {
  if (!outcome.ok) throw new RefusalException(outcome.refusal);
  return outcome.result;
}

/** What a look-up by id gave. @throws RefusalException when it is null: there is no such thing */
export function found<T>(value: T | null, what: NamedThing): T {
  if (value === null) throw new RefusalException({ reason: "not-found", what });
  return value;
}

const STATUS: Readonly<Record<Refusal["reason"], ContentfulStatusCode>> = {
  "client-too-old": 400,
  "node-key-in-use": 400,
  "auth-key-invalid": 400,
  "auth-key-expired": 400,
  "auth-key-used": 400,
  "auth-key-revoked": 400,
  "tags-not-permitted": 400,
  "wrong-tailnet": 400,
  "user-suspended": 403,
  "login-denied": 403,
  "expiry-not-sooner": 400,
  "addresses-exhausted": 400,
  "not-found": 404,
  "unknown-device": 404,
  "not-permitted": 403,
  "not-yours": 403,
  "sign-in-too-old": 403,
  forbidden: 403,
  "scopes-not-granted": 403,
  invalid: 400,
  conflict: 409,
  "policy-invalid": 400,
  "policy-tests-failed": 400,
  "precondition-failed": 412,
};
