// What falls due by time alone, and when. The object has one alarm; it is set to the earliest deadline and everything
// that is due is then done at once. Lateness of up to a minute is allowed for (platform.md 1.2).
import { type Change, type Decision, decided } from "./change.ts";
import { offlineAt, settledPresence } from "./commands/nodes/presence.ts";
import { firstExpiry, withoutExpired } from "./entities/device-attribute.ts";
import type { Node } from "./entities/node.ts";
import { MAX_CHECK_PERIOD_MS } from "./entities/ssh-check.ts";
import type { Tailnet } from "./tailnet.ts";

/** How long an ephemeral node may be offline before it is removed (control-protocol.md 4.11). */
export const EPHEMERAL_GRACE_MS = 30 * 60_000;

/** The earliest deadline of the tailnet; undefined when nothing is due ever. */
export function nextDeadline(tailnet: Tailnet): number | undefined {
  let next = Number.POSITIVE_INFINITY;
  for (const node of tailnet.nodes.values()) next = Math.min(next, deadlineOf(node));
  for (const pending of tailnet.pendings.values()) next = Math.min(next, pending.expiresAt);
  for (const check of tailnet.sshChecks.values()) next = Math.min(next, check.expiresAt);
  for (const invite of tailnet.records["user-invites"].values()) next = Math.min(next, invite.expiresAt);
  for (const passed of tailnet.passedSSHChecks.values()) next = Math.min(next, passed.passedAt + MAX_CHECK_PERIOD_MS);
  return Number.isFinite(next) ? next : undefined;
}

/** The earliest deadline that changes bring; Infinity when they bring none. */
export function deadlineOfChanges(changes: readonly Change[]): number {
  return changes.reduce((next, change) => Math.min(next, deadlineOfChange(change)), Number.POSITIVE_INFINITY);
}

function deadlineOfChange(change: Change): number {
  switch (change.type) {
    case "node-put":
      return deadlineOf(change.node);
    case "pending-put":
      return change.pending.expiresAt;
    case "ssh-check-put":
      return change.check.expiresAt;
    case "record-put":
      return change.collection === "user-invites" ? change.record.expiresAt : Number.POSITIVE_INFINITY;
    case "ssh-check-passed":
      return change.passed.passedAt + MAX_CHECK_PERIOD_MS;
    default:
      return Number.POSITIVE_INFINITY;
  }
}

/** The earliest deadline of one node; Infinity when it has none. */
function deadlineOf(node: Node): number {
  return Math.min(firstExpiry(node.attributes), node.isOnline ? offlineAt(node) : removedAt(node));
}

/** When an offline node is removed; Infinity for never. */
function removedAt(node: Node): number {
  return node.isEphemeral ? (node.lastSeenAt ?? node.createdAt) + EPHEMERAL_GRACE_MS : Number.POSITIVE_INFINITY;
}

/** Does everything that is due at `now`. */
export function meetDeadlines(tailnet: Tailnet, now: number): Decision<null> {
  const changes: Change[] = [];
  for (const node of tailnet.nodes.values()) {
    if (deadlineOf(node) > now) continue;
    if (!node.isOnline && removedAt(node) <= now) changes.push({ type: "node-removed", id: node.id });
    else changes.push({ type: "node-put", node: settled(node, now) });
  }
  for (const pending of tailnet.pendings.values()) {
    if (pending.expiresAt <= now) changes.push({ type: "pending-removed", id: pending.id });
  }
  for (const check of tailnet.sshChecks.values()) {
    if (check.expiresAt <= now) changes.push({ type: "ssh-check-removed", id: check.id });
  }
  for (const { id, expiresAt } of tailnet.records["user-invites"].values()) {
    if (expiresAt <= now) changes.push({ type: "record-removed", collection: "user-invites", id });
  }
  for (const passed of tailnet.passedSSHChecks.values()) {
    if (passed.passedAt + MAX_CHECK_PERIOD_MS <= now) changes.push({ type: "ssh-check-forgotten", id: passed.id });
  }
  return decided(null, changes);
}

/** The node after its presence and its attributes have caught up with the time. */
function settled(node: Node, now: number): Node {
  const attributes = withoutExpired(node.attributes, now);
  const present = settledPresence(node, now);
  return attributes === node.attributes ? present : { ...present, attributes };
}
