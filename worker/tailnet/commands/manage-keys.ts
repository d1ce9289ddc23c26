// Auth keys, API tokens and users, as administrators make them (api-v2.md 2.7), and the first administrator.
import { type Decision, decided, refused } from "../change.ts";
import type { ApiToken } from "../entities/api-token.ts";
import type { AuthKey } from "../entities/auth-key.ts";
import { mintToken, randomText } from "../entities/secret-token.ts";
import type { User } from "../entities/user.ts";
import { deniedTags } from "../tag-authority.ts";
import { type Tailnet, userByLogin } from "../tailnet.ts";
import { revocationOf } from "./credentials/manage-credentials.ts";
import type { CommandContext } from "./place-node.ts";

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
  lifetimeMs = API_TOKEN_LIFETIME_MS,
): Decision<{ readonly token: ApiToken; readonly text: string }> {
  const { id, text, hash } = mintToken("api", context.random);
  const token: ApiToken = {
    id,
    hash,
    userId: user.id,
    description,
    createdAt: context.now,
    expiresAt: context.now + lifetimeMs,
    revokedAt: null,
  };
  return decided({ token, text }, [{ type: "api-token-put", token }]);
}

/** Makes the owner of a new tailnet with an API token; refused once there is a user. */
export function bootstrap(
  tailnet: Tailnet,
  loginName: string,
  context: CommandContext,
): Decision<{ readonly user: User; readonly text: string }> {
  if (tailnet.users.size > 0) return refused({ reason: "conflict", detail: "the first administrator exists already" });
  const made = createUser(tailnet, loginName, "owner", context);
  if (!made.ok) return made;
  const token = createApiToken(made.result, "first administrator", context, ADMINISTRATOR_TOKEN_LIFETIME_MS);
  if (!token.ok) return token;
  return decided({ user: made.result, text: token.result.text }, [...made.changes, ...token.changes]);
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
    createdAt: context.now,
  };
  const counters = { ...tailnet.counters, nextUserId: user.id + 1 };
  return decided(user, [
    { type: "counters-put", counters },
    { type: "user-put", user },
  ]);
}
