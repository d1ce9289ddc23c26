// Keys in the audit log. Secrets and their hashes are left out by naming what goes in.
import type { ApiToken } from "../entities/api-token.ts";
import type { AuthKey } from "../entities/auth-key.ts";
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
