// Users in the audit log.
import type { User } from "../entities/user.ts";
import type { AuditEntry, AuditTarget } from "./audit-event.ts";
import { propertyEntries } from "./property-entries.ts";

/** What a user's new record means. */
export function userEntries(before: User | undefined, after: User): readonly AuditEntry[] {
  const target = targetOf(after);
  if (before === undefined) return [{ target, action: "CREATE", after: summaryOf(after) }];
  const entries = propertyEntries(target, before, after, { role: "USER_ROLE" });
  if (!before.isApproved && after.isApproved) entries.push({ target, action: "APPROVE" });
  if (before.isSuspended === after.isSuspended) return entries;
  return [...entries, { target, action: after.isSuspended ? "SUSPEND" : "RESTORE" }];
}

/** What a user's removal, with all of their devices and keys, means. */
export function userRemovedEntries(before: User | undefined): readonly AuditEntry[] {
  return before === undefined ? [] : [{ target: targetOf(before), action: "DELETE", before: summaryOf(before) }];
}

function targetOf({ stableId, loginName }: User): AuditTarget {
  return { id: stableId, name: loginName, type: "USER" };
}

function summaryOf({ role, isApproved }: User) {
  return { role, ...(!isApproved && { needsApproval: true }) };
}
