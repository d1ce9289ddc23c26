// The common case of the audit log: some properties of a thing have other values than before.
import type { AuditEntry, AuditTarget } from "./audit-event.ts";

/** One `UPDATE` for each property whose value differs; `names` says what the log calls them. */
export function propertyEntries<T extends object>(
  target: AuditTarget,
  before: T,
  after: T,
  names: Readonly<Partial<Record<keyof T, string>>>,
): AuditEntry[] {
  return (Object.keys(names) as (keyof T)[]).flatMap((key) => {
    const [old, now] = [before[key], after[key]];
    if (old === now || (typeof old === "object" && JSON.stringify(old) === JSON.stringify(now))) return [];
    return [{ target: { ...target, property: names[key] as string }, action: "UPDATE", before: old, after: now }];
  });
}
