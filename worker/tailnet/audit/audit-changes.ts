// Turns the changes of one command into entries of the audit log. Called before the changes are applied, while the
// tailnet still holds every record as it was. What nodes report of themselves all the time (endpoints, Hostinfo,
// presence) is no configuration and makes no entries.
import { utf8 } from "../../protocol/bytes.ts";
import { AUDIT_MAX_VALUE } from "../../protocol/limits.ts";
import type { Change } from "../change.ts";
import type { Actor } from "../entities/actor.ts";
import { nodeByKey, type Tailnet } from "../tailnet.ts";
import type { AuditActor, AuditEntry, AuditEvent } from "./audit-event.ts";
import { accessTokenEntries, credentialEntries, keyEntries, tokenEntries } from "./key-entries.ts";
import { nodeEntries, nodeRemovedEntries, nodeReportEntries, recordingEntries } from "./node-entries.ts";
import { recordEntries, recordRemovedEntries } from "./record-entries.ts";
import { policyEntries, settingsEntries } from "./tailnet-entries.ts";
import { userEntries, userRemovedEntries } from "./user-entries.ts";

/** How an operation is named in the log. */
export interface AuditContext {
  readonly actor: Actor;
  readonly now: number;
  /** Makes the name of an operation's group; called only when there is something to log. */
  readonly groupId: () => string;
}

/** What a command's changes mean for the audit log; empty when they are no configuration. */
export function auditChanges(
  tailnet: Tailnet,
  changes: readonly Change[],
  { actor, now, groupId }: AuditContext,
): AuditEvent[] {
  const entries = changes.flatMap((change) => entriesOf(tailnet, change));
  if (entries.length === 0) return [];
  const common = {
    at: now,
    groupId: groupId(),
    origin: originOf(actor),
    actor: describeActor(tailnet, changes, actor),
  };
  return entries.map((entry) => ({ ...common, ...bounded(entry) }));
}

/** What an import means for the audit log: one entry, in the name of whoever imports. */
export function importEntries(
  tailnet: Tailnet,
  changes: readonly Change[],
  { actor, now, groupId }: AuditContext,
): AuditEvent[] {
  const count = (type: Change["type"]) => changes.filter((change) => change.type === type).length;
  const target = { id: "", name: "", type: "TAILNET", property: "IMPORT" } as const;
  const after = { users: count("user-put"), devices: count("node-put") };
  const who = describeActor(tailnet, [], actor);
  return [{ at: now, groupId: groupId(), origin: originOf(actor), actor: who, target, action: "CREATE", after }];
}

function entriesOf(tailnet: Tailnet, change: Change): readonly AuditEntry[] {
  switch (change.type) {
    case "node-put":
      return nodeEntries(tailnet.nodes.get(change.node.id), change.node);
    case "node-removed":
      return nodeRemovedEntries(tailnet.nodes.get(change.id));
    case "node-reported":
      return nodeReportEntries(tailnet.nodes.get(change.id), change.action, change.details);
    case "user-put":
      return userEntries(tailnet.users.get(change.user.id), change.user);
    case "user-removed":
      return userRemovedEntries(tailnet.users.get(change.id));
    case "auth-key-put":
      return keyEntries(tailnet.authKeys.get(change.key.id), change.key);
    case "api-token-put":
      return tokenEntries(tailnet.apiTokens.get(change.token.id), change.token);
    case "credential-put":
      return credentialEntries(tailnet.credentials.get(change.credential.id), change.credential);
    case "access-token-put":
      return accessTokenEntries(tailnet.accessTokens.get(change.token.id), change.token);
    case "ssh-not-recorded":
      return recordingEntries(tailnet.nodes, change);
    case "policy-put":
      return policyEntries(tailnet.policy, change.policy);
    case "settings-put":
      return settingsEntries(tailnet.settings, change.settings);
    case "record-put":
      return recordEntries(tailnet.records, change);
    case "record-removed":
      return recordRemovedEntries(tailnet.records, change);
    case "access-token-removed":
    case "auth-key-removed": // with their user
    case "api-token-removed":
    case "pending-put":
    case "pending-removed":
    case "ssh-check-put":
    case "ssh-check-removed":
    case "ssh-check-passed":
    case "ssh-check-forgotten":
    case "counters-put":
      return [];
  }
}

function originOf(actor: Actor): AuditEvent["origin"] {
  if (actor.kind === "node") return "NODE";
  if (actor.kind === "tailnet") return "CONTROL";
  return actor.kind === "user" && actor.tokenId === null ? "ADMIN_CONSOLE" : "CONFIG_API";
}

function describeActor(tailnet: Tailnet, changes: readonly Change[], actor: Actor): AuditActor {
  switch (actor.kind) {
    case "user": {
      const { stableId, loginName, displayName } = actor.user;
      return { id: stableId, type: "USER", loginName, displayName };
    }
    case "credential": {
      const { credentialId, description, tags } = actor;
      return { id: credentialId, type: "OAUTH_CLIENT", loginName: "", displayName: description, tags };
    }
    case "tailnet":
      return { id: "", type: "AUTOMATED_WORKER", loginName: "", displayName: "control plane" };
    case "node": {
      const made = changes.find((change) => change.type === "node-put" && change.node.nodeKey === actor.nodeKey);
      const node = nodeByKey(tailnet, actor.nodeKey) ?? (made?.type === "node-put" ? made.node : undefined);
      const tags = node !== undefined && node.tags.length > 0 ? { tags: node.tags } : {};
      return { id: node?.stableId ?? "", type: "NODE", loginName: "", displayName: node?.name ?? "", ...tags };
    }
  }
}

/** The entry with values that are not too long to be kept; a long one leaves its length. */
function bounded(entry: AuditEntry): AuditEntry {
  const bound = (value: unknown) => {
    if (typeof value !== "string" || value.length <= AUDIT_MAX_VALUE) return value;
    return `(${utf8(value).length} bytes, too long for the log)`;
  };
  return {
    ...entry,
    ...("before" in entry && { before: bound(entry.before) }),
    ...("after" in entry && { after: bound(entry.after) }),
  };
}
