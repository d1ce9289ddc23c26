// What falls due by time alone, and when. The object has one alarm; it is set to the earliest deadline and everything
// that is due is then done at once. Lateness of up to a minute is allowed for (platform.md 1.2).
import { type Change, type Decision, decided } from "./change.ts";
import { offlineAt, settlePresence } from "./commands/presence.ts";
import type { Node } from "./entities/node.ts";
import type { Tailnet } from "./tailnet.ts";

/** How long an ephemeral node may be offline before it is removed (control-protocol.md 4.11). */
export const EPHEMERAL_GRACE_MS = 30 * 60_000;

/** The earliest deadline of the tailnet; undefined when nothing is due ever. */
export function nextDeadline(tailnet: Tailnet): number | undefined {
  let next = Number.POSITIVE_INFINITY;
  for (const node of tailnet.nodes.values()) next = Math.min(next, deadlineOf(node));
  for (const pending of tailnet.pendings.values()) next = Math.min(next, pending.expiresAt);
  return Number.isFinite(next) ? next : undefined;
}

/** The earliest deadline of one node; Infinity when it has none. */
export function deadlineOf(node: Node): number {
  if (node.isOnline) return offlineAt(node);
  return node.isEphemeral ? (node.lastSeenAt ?? node.createdAt) + EPHEMERAL_GRACE_MS : Number.POSITIVE_INFINITY;
}

/** Does everything that is due at `now`. */
export function meetDeadlines(tailnet: Tailnet, now: number): Decision<null> {
  const presence = settlePresence(tailnet, now);
  const changes: Change[] = presence.ok ? [...presence.changes] : [];
  for (const node of tailnet.nodes.values()) {
    if (!node.isOnline && deadlineOf(node) <= now) changes.push({ type: "node-removed", id: node.id });
  }
  for (const pending of tailnet.pendings.values()) {
    if (pending.expiresAt <= now) changes.push({ type: "pending-removed", id: pending.id });
  }
  return decided(null, changes);
}
