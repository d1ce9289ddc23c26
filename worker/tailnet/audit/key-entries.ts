// Keys in the audit log. Secrets and their hashes are left out by naming what goes in.
import type { ApiToken } from "../entities/api-token.ts";
import type { AuthKey } from "../entities/auth-key.ts";
import type { AccessToken, TrustCredential } from "../entities/trust-credential.ts";
import type { AuditEntry, AuditTarget } from "./audit-event.ts";

/** What an auth key's new record means; its use is told by the node that it makes. */
export function keyEntries(before: AuthKey | undefined, after: AuthKey): readonly AuditEntry[] {
  const { description, isReusable: reusable, isEphemeral: ephemeral, isPreauthorized: preauthorized, tags } = after;
  const summary = { keyType: "auth", description, reusable, ephemeral, preauthorized, tags };
  return lifeEntries(targetOf(after), before, after, summary);
}

/** What an API token's new record means. */
export function tokenEntries(before: ApiToken | undefined, after: ApiToken): readonly AuditEntry[] {
  return lifeEntries(targetOf(after), before, after, { keyType: "api", description: after.description });
}

/** What a trust credential's new record means. */
export function credentialEntries(before: TrustCredential | undefined, after: TrustCredential): readonly AuditEntry[] {
  const target = targetOf(after);
  const summary = credentialSummary(after);
  const life = lifeEntries(target, before, after, summary);
  if (before === undefined || before.updatedAt === after.updatedAt) return life;
  return [...life, { target, action: "UPDATE", before: credentialSummary(before), after: summary }];
}

/** What an access token's new record means. */
export function accessTokenEntries(before: AccessToken | undefined, after: AccessToken): readonly AuditEntry[] {
  const { credentialId, description, scopes, tags } = after;
  return lifeEntries(targetOf(after), before, after, { keyType: "api", credentialId, description, scopes, tags });
}

function credentialSummary({ description, scopes, tags, federation }: TrustCredential) {
  if (federation === null) return { keyType: "client", description, scopes, tags };
  const { issuer, subject, audience, customClaimRules } = federation;
  return { keyType: "federated", description, scopes, tags, issuer, subject, audience, customClaimRules };
}

interface Revocable {
  readonly revokedAt: number | null;
}

function lifeEntries(
  target: AuditTarget,
  before: Revocable | undefined,
  after: Revocable,
  summary: unknown,
): readonly AuditEntry[] {
  if (before === undefined) return [{ target, action: "CREATE", after: summary }];
  return before.revokedAt === null && after.revokedAt !== null ? [{ target, action: "REVOKE" }] : [];
}

function targetOf({ id, description }: { readonly id: string; readonly description: string }): AuditTarget {
  return { id, name: description, type: "API_KEY" };
}
