// Nodes in the audit log: that they came and went, and what is set on them.
import type { SSHRecordingReport } from "../../protocol/control/ssh-recording.ts";
import type { Node, NodeId } from "../entities/node.ts";
import type { AuditEntry, AuditTarget } from "./audit-event.ts";
import { propertyEntries } from "./property-entries.ts";

const PROPERTIES = {
  name: "MACHINE_NAME",
  tags: "ACL_TAGS",
  approvedRoutes: "ALLOWED_IPS",
  isKeyExpiryDisabled: "KEY_EXPIRY",
  keyExpiresAt: "KEY_EXPIRY_TIME",
  ipv4: "ADDRESS",
  attributes: "POSTURE_ATTRIBUTES",
} as const satisfies Partial<Record<keyof Node, string>>;

/** What a node's new record means. */
export function nodeEntries(before: Node | undefined, after: Node): readonly AuditEntry[] {
  const target = targetOf(after);
  if (before === undefined) return [{ target, action: "CREATE", after: summaryOf(after) }];
  const entries = propertyEntries(target, before, after, PROPERTIES);
  if (before.isAuthorized === after.isAuthorized) return entries;
  const property = "MACHINE_APPROVAL_NEEDED";
  const [old, now] = [!before.isAuthorized, !after.isAuthorized];
  const action = after.isAuthorized ? "APPROVE" : "UPDATE";
  return [...entries, { target: { ...target, property }, action, before: old, after: now }];
}

/** What a node's removal means. */
export function nodeRemovedEntries(before: Node | undefined): readonly AuditEntry[] {
  if (before === undefined) return [];
  return [{ target: targetOf(before), action: "DELETE", before: summaryOf(before) }];
}

/** What a user did on a node, in the words of its client. */
export function nodeReportEntries(node: Node | undefined, action: string, details: string): readonly AuditEntry[] {
  return node === undefined
    ? []
    : [{ target: { ...targetOf(node), property: action }, action: "UPDATE", after: details }];
}

/** What it means that a session on a node could not be recorded: its own word. */
export function recordingEntries(
  nodes: ReadonlyMap<NodeId, Node>,
  { id, report }: { readonly id: NodeId; readonly report: SSHRecordingReport },
): readonly AuditEntry[] {
  const node = nodes.get(id);
  if (node === undefined) return [];
  const { sourceId, ...told } = report;
  const from = nodes.get(sourceId);
  const source = { id: from?.stableId ?? String(sourceId), name: from?.name ?? "" };
  const target = { ...targetOf(node), property: "SSH_SESSION_RECORDING" };
  return [{ target, action: "UPDATE", after: { ...told, source } }];
}

function targetOf({ stableId, name, isEphemeral }: Node): AuditTarget {
  return { id: stableId, name, type: "NODE", ...(isEphemeral && { isEphemeral }) };
}

function summaryOf({ name, tags, ipv4, ipv6, isAuthorized, authKeyId }: Node) {
  return { name, tags, addresses: [ipv4, ipv6], authorized: isAuthorized, ...(authKeyId !== null && { authKeyId }) };
}
