// Keys as the administration hands them out: every kind, with what the public API shows beside what is stored
// (api-v2.md 2.7). Hashes stay in the object.
import type { ApiToken } from "../../tailnet/entities/api-token.ts";
import type { AuthKey } from "../../tailnet/entities/auth-key.ts";
import type { AccessToken, TrustCredential } from "../../tailnet/entities/trust-credential.ts";
import type { Tailnet } from "../../tailnet/tailnet.ts";

/** Kinds of keys. `access` are the hour-long tokens of trust credentials; the public API calls them `api` too. */
export type KeyKind = "auth" | "api" | "access" | "client" | "federated";

interface KeyBase {
  /** Neither revoked nor expired nor used up. */
  readonly isActive: boolean;
  /** User who made it; null: made by a credential. */
  readonly userId: number | null;
  /** Public id of that user. */
  readonly ownerId: string | null;
}

type Shown<T> = Omit<T, "hash" | "userId">;

/** A key with what the public API shows beside it. */
export type KeyRecord = KeyBase &
  (
    | ({ readonly kind: "auth" } & Shown<AuthKey>)
    | ({ readonly kind: "api" } & Shown<ApiToken>)
    | ({ readonly kind: "access" } & Shown<AccessToken>)
    | ({ readonly kind: "client" | "federated" } & Shown<TrustCredential>)
  );

/** An auth key as it stands at `now`. */
export function toAuthKeyRecord(tailnet: Tailnet, { hash: _hash, ...key }: AuthKey, now: number): KeyRecord {
  const isUsedUp = !key.isReusable && key.usedAt !== null;
  const base = baseOf(tailnet, key, now);
  return { kind: "auth", ...key, ...base, isActive: base.isActive && !isUsedUp };
}

/** Every key of a tailnet as it stands at `now`, in no order. */
export function* keyRecords(tailnet: Tailnet, now: number): Generator<KeyRecord> {
  for (const id of tailnet.authKeys.keys()) yield* keyRecord(tailnet, id, now);
  for (const id of tailnet.apiTokens.keys()) yield* keyRecord(tailnet, id, now);
  for (const id of tailnet.accessTokens.keys()) yield* keyRecord(tailnet, id, now);
  for (const id of tailnet.credentials.keys()) yield* keyRecord(tailnet, id, now);
}

/** The key with an id, whatever its kind; none when there is none. */
export function keyRecord(tailnet: Tailnet, id: string, now: number): readonly KeyRecord[] {
  const authKey = tailnet.authKeys.get(id);
  if (authKey !== undefined) return [toAuthKeyRecord(tailnet, authKey, now)];
  const apiToken = tailnet.apiTokens.get(id);
  if (apiToken !== undefined) {
    const { hash: _hash, ...token } = apiToken;
    return [{ kind: "api", ...token, ...baseOf(tailnet, token, now) }];
  }
  const accessToken = tailnet.accessTokens.get(id);
  if (accessToken !== undefined) {
    const { hash: _hash, ...token } = accessToken;
    return [{ kind: "access", ...token, ...baseOf(tailnet, { ...token, userId: null }, now) }];
  }
  const credential = tailnet.credentials.get(id);
  return credential === undefined ? [] : [toCredentialRecord(tailnet, credential)];
}

/** A trust credential. */
export function toCredentialRecord(tailnet: Tailnet, { hash: _hash, ...credential }: TrustCredential): KeyRecord {
  const kind = credential.federation === null ? "client" : "federated";
  return { kind, ...credential, ...baseOf(tailnet, { ...credential, expiresAt: Number.POSITIVE_INFINITY }, 0) };
}

function baseOf(
  tailnet: Tailnet,
  { userId, revokedAt, expiresAt }: Pick<AuthKey, "userId" | "revokedAt" | "expiresAt">,
  now: number,
): KeyBase {
  const owner = userId === null ? undefined : tailnet.users.get(userId);
  return { userId, ownerId: owner?.stableId ?? null, isActive: revokedAt === null && expiresAt > now };
}
