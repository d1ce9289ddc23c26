// Auth keys, API tokens and users, as administrators make them (api-v2.md 2.7), and the first administrator.
import { type Decision, decided, refused } from "../../change.ts";
import type { ApiToken } from "../../entities/api-token.ts";
import type { AuthKey } from "../../entities/auth-key.ts";
import { adoptToken, mintToken, randomText } from "../../entities/secret-token.ts";
import type { User } from "../../entities/user.ts";
import { deniedTags } from "../../tag-authority.ts";
import { type Tailnet, userByLogin } from "../../tailnet.ts";
import type { CommandContext } from "../registration/place-node.ts";
import { revocationOf } from "./manage-credentials.ts";

const DAY_MS = 86_400_000;
/** Life of an auth key when none is asked for, and at most. */
export const AUTH_KEY_MAX_MS = 90 * DAY_MS;
const API_TOKEN_LIFETIME_MS = 90 * DAY_MS;
const ADMINISTRATOR_TOKEN_LIFETIME_MS = 3650 * DAY_MS;

/** What a new auth key shall be. */
export interface AuthKeySpec {
  readonly isReusable: boolean;
  readonly isEphemeral: boolean;
  readonly isPreauthorized: boolean;
  readonly tags: readonly string[];
  readonly lifetimeMs: number;
  readonly description: string;
}

/** Makes an auth key of the actor; the result holds its text, which is not stored. */
export function createAuthKey(
  tailnet: Tailnet,
  spec: AuthKeySpec,
  context: CommandContext,
): Decision<{ readonly key: AuthKey; readonly text: string }> {
  const tags = [...new Set(spec.tags)].sort();
  const { actor } = context;
  const denied = deniedTags(tailnet, actor, tags);
  if (denied.length > 0) return refused({ reason: "tags-not-permitted", tags: denied });
  if (actor.kind !== "user" && tags.length === 0) {
    return refused({ reason: "invalid", detail: "auth keys that no user makes need at least one tag" });
  }
  const { id, text, hash } = mintToken("auth", context.random);
  const key: AuthKey = {
    id,
    hash,
    description: spec.description,
    userId: actor.kind === "user" ? actor.user.id : null,
    isReusable: spec.isReusable,
    isEphemeral: spec.isEphemeral,
    isPreauthorized: spec.isPreauthorized,
    tags,
    createdAt: context.now,
    expiresAt: context.now + spec.lifetimeMs,
    revokedAt: null,
    usedAt: null,
  };
  return decided({ key, text }, [{ type: "auth-key-put", key }]);
}

/** Revokes a key of any kind. Nodes that joined by it stay; a credential's tokens end with it. */
export function revokeKey(tailnet: Tailnet, id: string, now: number): Decision<null> {
  const key = tailnet.authKeys.get(id);
  if (key !== undefined)
    return decided(null, [{ type: "auth-key-put", key: { ...key, revokedAt: key.revokedAt ?? now } }]);
  const credential = tailnet.credentials.get(id);
  if (credential !== undefined) return decided(null, revocationOf(tailnet, credential, now));
  const access = tailnet.accessTokens.get(id);
  if (access !== undefined)
    return decided(null, [{ type: "access-token-put", token: { ...access, revokedAt: access.revokedAt ?? now } }]);
  const token = tailnet.apiTokens.get(id);
  if (token === undefined) return refused({ reason: "not-found", what: "key" });
  return decided(null, [{ type: "api-token-put", token: { ...token, revokedAt: token.revokedAt ?? now } }]);
}

/** Makes an API token for a user. */
export function createApiToken(
  user: User,
  description: string,
  context: CommandContext,
): Decision<{ readonly token: ApiToken; readonly text: string }> {
  const secret = mintToken("api", context.random);
  const token = toApiToken(secret, { user, description, lifetimeMs: API_TOKEN_LIFETIME_MS }, context.now);
  return decided({ token, text: secret.text }, [{ type: "api-token-put", token }]);
}

/**
 * Makes the owner of a new tailnet with an API token; refused once there is a user. Whoever cannot afford to lose the
 * answer makes the token, keeps it and gives it along.
 */
export function bootstrap(
  tailnet: Tailnet,
  loginName: string,
  context: CommandContext,
  apiToken?: string,
): Decision<{ readonly user: User; readonly text: string }> {
  if (tailnet.users.size > 0) return refused({ reason: "conflict", detail: "the first administrator exists already" });
  const secret = apiToken === undefined ? mintToken("api", context.random) : adoptToken("api", apiToken);
  if (secret === undefined) {
    return refused({ reason: "invalid", detail: "apiToken must be tskey-api-k<11 characters>CNTRL-<32 characters>" });
  }
  const made = createUser(tailnet, loginName, "owner", context);
  if (!made.ok) return made;
  const lifetimeMs = ADMINISTRATOR_TOKEN_LIFETIME_MS;
  const token = toApiToken(secret, { user: made.result, description: "first administrator", lifetimeMs }, context.now);
  return decided({ user: made.result, text: secret.text }, [...made.changes, { type: "api-token-put", token }]);
}

function toApiToken(
  { id, hash }: { readonly id: string; readonly hash: string },
  spec: { readonly user: User; readonly description: string; readonly lifetimeMs: number },
  now: number,
): ApiToken {
  const { user, description, lifetimeMs } = spec;
  return { id, hash, userId: user.id, description, createdAt: now, expiresAt: now + lifetimeMs, revokedAt: null };
}

/** Makes a user. Login names are kept in lower case, as identity providers spell one person's now this way, now that. */
export function createUser(
  tailnet: Tailnet,
  loginName: string,
  role: User["role"],
  context: CommandContext,
): Decision<User> {
  if (!/^[^\s@]{1,64}@[^\s@]{1,190}$/.test(loginName)) {
    return refused({ reason: "invalid", detail: "a login name looks like an email address" });
  }
  if (userByLogin(tailnet, loginName) !== undefined)
    return refused({ reason: "conflict", detail: "user exists already" });
  const user: User = {
    id: tailnet.counters.nextUserId,
    stableId: `u${randomText(context.random, 11)}CNTRL`,
    loginName: loginName.toLowerCase(),
    displayName: loginName.split("@")[0] ?? loginName,
    profilePicUrl: "",
    role,
    isSuspended: false,
    isApproved: true,
    createdAt: context.now,
  };
  const counters = { ...tailnet.counters, nextUserId: user.id + 1 };
  return decided(user, [
    { type: "counters-put", counters },
    { type: "user-put", user },
  ]);
}
