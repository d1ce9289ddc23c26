// Who is there: API tokens of users and access tokens of trust credentials, how often they may ask, and the first
// administrator of a new tailnet.
import { sourceOf } from "../../control/rate-limit.ts";
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { bootstrap } from "../../tailnet/commands/credentials/manage-keys.ts";
import type { Actor } from "../../tailnet/entities/actor.ts";
import { intersect } from "../../tailnet/entities/scopes.ts";
import { matchesHash, splitToken } from "../../tailnet/entities/secret-token.ts";
import { isBarred, type User } from "../../tailnet/entities/user.ts";
import type { ResourceContext } from "./resource-context.ts";

/** What a caller has left of its rate; null: it is not limited. */
export type Allowance = { readonly limit: number; readonly remaining: number } | null;

/** Who presents a token. */
export type Authentication =
  | { readonly kind: "authenticated"; readonly actor: Actor; readonly tailnetId: string; readonly allowance: Allowance }
  | { readonly kind: "invalid" }
  /** Too often: come again in so many seconds. `limit` is that of a token which is good; null: of an address. */
  | { readonly kind: "limited"; readonly seconds: number; readonly limit: number | null };

/** Authentication and bootstrap. */
export class Access {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** Who presents an API token, from an address that is empty when it is unknown. */
  authenticate(token: string, address: string): Authentication {
    const now = Date.now();
    const found = this.#actorOf(token, now);
    if (found === undefined || (found.actor.kind === "user" && isBarred(found.actor.user))) {
      const seconds = this.noteFailure(address);
      return seconds > 0 ? { kind: "limited", seconds, limit: null } : { kind: "invalid" };
    }
    const { requestLimit } = this.#context.limits;
    const { actor, caller } = found;
    const { tailnetId } = this.#context;
    if (requestLimit === null) return { kind: "authenticated", actor, tailnetId, allowance: null };
    const seconds = requestLimit.take(caller, now);
    if (seconds > 0) return { kind: "limited", seconds, limit: requestLimit.rate.burst };
    const allowance = { limit: requestLimit.rate.burst, remaining: requestLimit.remaining(caller, now) };
    return { kind: "authenticated", actor, tailnetId, allowance };
  }

  /** The user whose API token this is, who may have to wait for approval still; null: nobody's who may sign in. */
  identify(token: string): User | null {
    const actor = this.#actorOf(token, Date.now())?.actor;
    return actor?.kind === "user" ? actor.user : null;
  }

  /** Notes that somebody at an address showed a wrong secret. @returns 0, or seconds until it may try again */
  noteFailure(address: string): number {
    return address === "" ? 0 : this.#context.limits.failureLimit.take(sourceOf(address), Date.now());
  }

  /** Makes the first administrator; works once. */
  bootstrap(loginName: string, apiToken?: string): Outcome<{ readonly user: User; readonly text: string }> {
    return this.#context.execute((tailnet, context) => bootstrap(tailnet, loginName, context, apiToken));
  }

  /** The actor behind a token, and whom its requests are counted for. */
  #actorOf(text: string, now: number): { actor: Actor; caller: string } | undefined {
    const parts = splitToken("api", text);
    if (parts === undefined) return undefined;
    const { users, apiTokens, accessTokens, credentials } = this.#context.tailnet;
    const isGood = (stored: { hash: string; revokedAt: number | null; expiresAt: number }) =>
      matchesHash(parts.secret, stored.hash) && stored.revokedAt === null && stored.expiresAt > now;
    const token = apiTokens.get(parts.id);
    if (token !== undefined) {
      const user = users.get(token.userId);
      if (!isGood(token) || user === undefined || user.isSuspended) return undefined;
      return { actor: { kind: "user", user, tokenId: token.id }, caller: token.id };
    }
    const access = accessTokens.get(parts.id);
    const credential = access && credentials.get(access.credentialId);
    if (access === undefined || credential === undefined || !isGood(access) || credential.revokedAt !== null)
      return undefined;
    const actor: Actor = {
      kind: "credential",
      type: credential.federation === null ? "client" : "federated",
      credentialId: credential.id,
      description: access.description || credential.description,
      tokenId: access.id,
      scopes: intersect(access.scopes, credential.scopes),
      tags: access.tags.filter((tag) => credential.tags.includes(tag)),
    };
    return { actor, caller: credential.id };
  }
}
