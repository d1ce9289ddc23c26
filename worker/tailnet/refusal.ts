// Why the domain refuses a command. Reasons are precise here; each caller maps them to what it may tell: a
// RegisterResponse.Error (below) or an HTTP status (middleware/on-error.ts).
import type { TestFailure } from "../policy/policy-tests.ts";
import { unreachable } from "../protocol/errors.ts";

/** What can be missing, as callers are told. */
export type NamedThing =
  | "device"
  | "user"
  | "key"
  | "registration"
  | "login"
  | "policy version"
  | "service"
  | "webhook"
  | "log stream"
  | "external id"
  | "posture integration"
  | "invite"
  | "issuer";

/** A refusal; a `switch` over `reason` is exhaustive. */
export type Refusal =
  | { readonly reason: "client-too-old" }
  | { readonly reason: "node-key-in-use" }
  | { readonly reason: "auth-key-invalid" }
  | { readonly reason: "auth-key-expired" }
  | { readonly reason: "auth-key-used" }
  | { readonly reason: "auth-key-revoked" }
  | { readonly reason: "tags-not-permitted"; readonly tags: readonly string[] }
  | { readonly reason: "wrong-tailnet"; readonly tailnet: string }
  | { readonly reason: "user-suspended" }
  | { readonly reason: "login-denied" }
  | { readonly reason: "expiry-not-sooner" }
  | { readonly reason: "addresses-exhausted" }
  | { readonly reason: "not-found"; readonly what: NamedThing }
  | { readonly reason: "unknown-device"; readonly id: string }
  | { readonly reason: "not-permitted"; readonly detail: string }
  | { readonly reason: "not-yours" }
  | { readonly reason: "sign-in-too-old" }
  | { readonly reason: "forbidden" }
  | { readonly reason: "scopes-not-granted"; readonly scopes: readonly string[] }
  | { readonly reason: "invalid"; readonly detail: string }
  | { readonly reason: "conflict"; readonly detail: string }
  | { readonly reason: "policy-invalid"; readonly detail: string }
  | { readonly reason: "policy-tests-failed"; readonly failures: readonly TestFailure[] }
  | { readonly reason: "precondition-failed" };

/** A refusal as a sentence for the person who caused it; fixed words, tag and tailnet names aside. */
export function describeRefusal(refusal: Refusal): string {
  switch (refusal.reason) {
    case "client-too-old":
      return "client version too old; please upgrade to 1.80 or newer";
    case "node-key-in-use":
      return "node key already in use by another device";
    case "auth-key-invalid":
      return "invalid auth key";
    case "auth-key-expired":
      return "auth key expired";
    case "auth-key-used":
      return "auth key already used";
    case "auth-key-revoked":
      return "auth key revoked";
    case "tags-not-permitted":
      return `requested tags [${refusal.tags.join(" ")}] are invalid or not permitted`;
    case "wrong-tailnet":
      return `this device must join tailnet "${refusal.tailnet}"`;
    case "user-suspended":
      return "user is suspended";
    case "login-denied":
      return "login denied";
    case "expiry-not-sooner":
      return "key expiry can only be moved to an earlier time";
    case "addresses-exhausted":
      return "tailnet has reached its device limit";
    case "not-found":
      return refusal.what === "device" ? "no manageable device matching this ID found" : `${refusal.what} not found`;
    case "forbidden":
      return "calling actor does not have enough permissions to perform this function";
    case "scopes-not-granted":
      return `OAuth client cannot grant scopes "${refusal.scopes.join(" ")}"`;
    case "unknown-device":
      return `no device with the id ${JSON.stringify(refusal.id)} found`;
    case "not-yours":
      return "this login comes from a device of somebody else";
    case "sign-in-too-old":
      return "sign in again to confirm this login";
    case "not-permitted":
    case "invalid":
    case "conflict":
    case "policy-invalid":
      return refusal.detail;
    case "policy-tests-failed":
      return "test(s) failed";
    case "precondition-failed":
      return "precondition failed, invalid old hash";
    default:
      return unreachable(refusal);
  }
}
