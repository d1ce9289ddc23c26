// Keys as the administration hands them out: auth keys and API tokens alike, with what the public API shows beside what is
// stored (api-v2.md 2.7). The hash stays between the object and the Worker.
import type { ApiToken } from "../../tailnet/entities/api-token.ts";
import type { AuthKey } from "../../tailnet/entities/auth-key.ts";
import type { Tailnet } from "../../tailnet/tailnet.ts";

interface KeyBase {
  /** Neither revoked nor expired nor used up. */
  readonly isActive: boolean;
  /** Public id of its user; null: made by a credential. */
  readonly ownerId: string | null;
}

/** An auth key or an API token, with what the public API shows beside it. */
export type KeyRecord = KeyBase & (({ readonly keyType: "auth" } & AuthKey) | ({ readonly keyType: "api" } & ApiToken));

/** An auth key as it stands at `now`. */
export function toAuthKeyRecord(tailnet: Tailnet, key: AuthKey, now: number): KeyRecord {
  const isUsedUp = !key.isReusable && key.usedAt !== null;
  return { keyType: "auth", ...key, ...baseOf(tailnet, key, now), ...(isUsedUp && { isActive: false }) };
}

/** An API token as it stands at `now`. */
export function toApiTokenRecord(tailnet: Tailnet, token: ApiToken, now: number): KeyRecord {
  return { keyType: "api", ...token, ...baseOf(tailnet, token, now) };
}

function baseOf(
  tailnet: Tailnet,
  { userId, revokedAt, expiresAt }: Pick<AuthKey, "userId" | "revokedAt" | "expiresAt">,
  now: number,
): KeyBase {
  const owner = userId === null ? undefined : tailnet.users.get(userId);
  return { ownerId: owner?.stableId ?? null, isActive: revokedAt === null && expiresAt > now };
}
