// Users in the audit log.
import type { User } from "../entities/user.ts";
import type { AuditEntry, AuditTarget } from "./audit-event.ts";
import { propertyEntries } from "./property-entries.ts";

/** What a user's new record means. */
export function userEntries(before: User | undefined, after: User): readonly AuditEntry[] {
  const target: AuditTarget = { id: after.stableId, name: after.loginName, type: "USER" };
  if (before === undefined) return [{ target, action: "CREATE", after: { role: after.role } }];
  const entries = propertyEntries(target, before, after, { role: "USER_ROLE" });
  if (before.isSuspended === after.isSuspended) return entries;
  return [...entries, { target, action: after.isSuspended ? "SUSPEND" : "RESTORE" }];
}
