// Interactive login, the person's side (control-protocol.md 4.6): a signed-in user approves or denies a pending
// registration. The node becomes the approving user's, or tagged when the device asks for tags that the user owns.
import { mayAssignTag } from "../../../policy/authority.ts";
import { type Change, type Decision, decided, refused } from "../../change.ts";
import { isTagged, type Node } from "../../entities/node.ts";
import { ANSWERED_LIFETIME_MS, type PendingRegistration } from "../../entities/pending-registration.ts";
import { isAdministrator, type User } from "../../entities/user.ts";
import type { Tailnet } from "../../tailnet.ts";
import { tagsOf } from "../nodes/describe-node.ts";
import { type CommandContext, nodeToRenew, placeNode } from "./place-node.ts";

/**
 * Approves a pending registration as `user`. A node of another user stays theirs and a second node is made; a tagged
 * node becomes the user's only when the login replaces its very key and the user may assign all of its tags.
 */
export function approveLogin(tailnet: Tailnet, pendingId: string, user: User, context: CommandContext): Decision<Node> {
  const pending = waiting(tailnet, pendingId, context.now);
  if (pending === undefined) return refused({ reason: "not-found", what: "registration" });
  if (user.isSuspended) return refused({ reason: "user-suspended" });
  const mayAssign = (tag: string) => mayAssignTag(tailnet.compiledPolicy, user, tag);
  const tags = tagsOf(pending.hostinfo);
  const denied = tags.filter((tag) => !mayAssign(tag));
  if (denied.length > 0) return refused({ reason: "tags-not-permitted", tags: denied });
  const login = {
    ...pending,
    userId: tags.length > 0 ? null : user.id,
    tags,
    isPreauthorized: isAdministrator(user) && user.isApproved,
    authKeyId: null,
  };
  const mayTakeOver = (node: Node) => (isTagged(node) ? node.tags.every(mayAssign) : node.userId === user.id);
  const placed = placeNode(tailnet, login, nodeToRenew(tailnet, login, mayTakeOver), context);
  if (!placed.ok) return placed;
  const answer = { state: "approved", userId: user.id, nodeId: placed.result.id } as const;
  return decided(placed.result, [...placed.changes, answered(pending, answer, context.now)]);
}

/** Denies a pending registration. */
export function denyLogin(tailnet: Tailnet, pendingId: string, user: User, context: CommandContext): Decision<null> {
  const pending = waiting(tailnet, pendingId, context.now);
  if (pending === undefined) return refused({ reason: "not-found", what: "registration" });
  return decided(null, [answered(pending, { state: "denied", userId: user.id, nodeId: null }, context.now)]);
}

/** The pending registration if it can still be decided. */
export function waiting(tailnet: Tailnet, pendingId: string, now: number): PendingRegistration | undefined {
  const pending = tailnet.pendings.get(pendingId);
  return pending?.state === "waiting" && pending.expiresAt > now ? pending : undefined;
}

type Answer = Pick<PendingRegistration, "state" | "userId" | "nodeId">;

/** The answer is kept for a client that lost the reply. */
function answered(pending: PendingRegistration, answer: Answer, now: number): Change {
  return { type: "pending-put", pending: { ...pending, ...answer, expiresAt: now + ANSWERED_LIFETIME_MS } };
}
