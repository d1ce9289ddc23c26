// An entry of the audit log as the public API and log streams write it (api-v2.md 2.14).
import { formatTime } from "../../protocol/control/json.ts";
import type { AuditEvent } from "./audit-event.ts";

/** The entry as JSON. */
export function toAuditJson({ at, groupId, origin, actor, target, action, before, after }: AuditEvent) {
  return {
    eventTime: formatTime(at),
    type: "CONFIG" as const,
    deferredAt: "0001-01-01T00:00:00Z",
    eventGroupID: groupId,
    origin,
    actor: { ...actor },
    target: { ...target },
    action,
    ...(before !== undefined && { old: before }),
    ...(after !== undefined && { new: after }),
  };
}
