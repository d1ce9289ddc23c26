// Interactive login, the person's side (control-protocol.md 4.6): a signed-in user approves or denies a pending
// registration. The node becomes the approving user's, or tagged when the device asks for tags that the user owns.
import { mayAssignTag } from "../../policy/authority.ts";
import { requestedTags } from "../../protocol/control/hostinfo.ts";
import { type Change, type Decision, decided, refused } from "../change.ts";
import { isTagged, type Node } from "../entities/node.ts";
import { ANSWERED_LIFETIME_MS, type PendingRegistration } from "../entities/pending-registration.ts";
import type { User } from "../entities/user.ts";
import { nodesOfMachine, type Tailnet } from "../tailnet.ts";
import { type CommandContext, placeNode } from "./place-node.ts";

/** Approves a pending registration as `user`. */
export function approveLogin(tailnet: Tailnet, pendingId: string, user: User, context: CommandContext): Decision<Node> {
  const pending = waiting(tailnet, pendingId, context.now);
  if (pending === undefined) return refused({ reason: "not-found", what: "registration" });
  if (user.isSuspended) return refused({ reason: "user-suspended" });
  const tags = [...new Set(requestedTags(pending.hostinfo))].sort();
  const denied = tags.filter((tag) => !mayAssignTag(tailnet.compiledPolicy, user, tag));
  if (denied.length > 0) return refused({ reason: "tags-not-permitted", tags: denied });
  const placed = placeNode(
    tailnet,
    {
      ...pending,
      userId: tags.length > 0 ? null : user.id,
      tags,
      isPreauthorized: user.role === "owner" || user.role === "admin",
      authKeyId: null,
      existing: findExisting(tailnet, pending, user, tags) ?? null,
    },
    context,
  );
  if (!placed.ok) return placed;
  return decided(placed.result, [...placed.changes, answer(pending, "approved", user.id, placed.result.id, context.now)]);
}

/** Denies a pending registration. */
export function denyLogin(tailnet: Tailnet, pendingId: string, user: User, context: CommandContext): Decision<null> {
  const pending = waiting(tailnet, pendingId, context.now);
  if (pending === undefined) return refused({ reason: "not-found", what: "registration" });
  return decided(null, [answer(pending, "denied", user.id, null, context.now)]);
}

/** The pending registration if it can still be decided. */
export function waiting(tailnet: Tailnet, pendingId: string, now: number): PendingRegistration | undefined {
  const pending = tailnet.pendings.get(pendingId);
  return pending?.state === "waiting" && pending.expiresAt > now ? pending : undefined;
}

function answer(
  pending: PendingRegistration,
  state: "approved" | "denied",
  userId: number,
  nodeId: number | null,
  now: number,
): Change {
  return { type: "pending-put", pending: { ...pending, state, userId, nodeId, expiresAt: now + ANSWERED_LIFETIME_MS } };
}

/**
 * The node of this machine that the login continues. A node of another user stays theirs and a second node is made;
 * a tagged node is taken over only when the login replaces its very key and the user may assign all of its tags.
 */
function findExisting(
  tailnet: Tailnet,
  pending: PendingRegistration,
  user: User,
  tags: readonly string[],
): Node | undefined {
  const ownsAll = (node: Node) => node.tags.every((tag) => mayAssignTag(tailnet.compiledPolicy, user, tag));
  const mine = nodesOfMachine(tailnet, pending.machineKey).filter(
    (node) => node.userId === user.id || (isTagged(node) && ownsAll(node)),
  );
  const replaced = mine.find((node) => node.nodeKey === pending.oldNodeKey || node.nodeKey === pending.nodeKey);
  return replaced ?? mine.filter((node) => isTagged(node) === tags.length > 0).at(-1);
}
