// Registration by auth key (control-protocol.md 4.8). The key's owner, or its tags, decide what the node becomes; a key
// for one node is used up in the same transaction that makes the node.
import { mayAssignTag } from "../../../policy/authority.ts";
import { type Change, type Decision, decided, refused } from "../../change.ts";
import type { AuthKey } from "../../entities/auth-key.ts";
import { isTagged, type Node } from "../../entities/node.ts";
import { matchesHash, splitToken } from "../../entities/secret-token.ts";
import type { Refusal } from "../../refusal.ts";
import { nodeByKey, type Tailnet } from "../../tailnet.ts";
import { tagsOf } from "../nodes/describe-node.ts";
import { waitingOf } from "./await-login.ts";
import { type CommandContext, nodeToRenew, placeNode } from "./place-node.ts";
import { deviceOf, type RegisterResult, type Registration } from "./registration.ts";

/** Decides a registration that brings an auth key. */
export function registerWithAuthKey(
  tailnet: Tailnet,
  registration: Registration,
  context: CommandContext,
): Decision<RegisterResult> {
  const { request, machineKey } = registration;
  const key = findAuthKey(tailnet, request.authKey);
  const problem =
    key === undefined ? ({ reason: "auth-key-invalid" } as const) : whyUnusable(tailnet, key, context.now);
  if (key === undefined || problem !== undefined) return refused(problem ?? { reason: "auth-key-invalid" });

  const tags = effectiveTags(tailnet, key, tagsOf(request.hostinfo));
  if ("reason" in tags) return refused(tags);
  const login = {
    ...deviceOf(registration),
    userId: tags.length > 0 ? null : key.userId,
    tags,
    isEphemeral: key.isEphemeral || request.isEphemeral,
    isPreauthorized: key.isPreauthorized,
    authKeyId: key.id,
  };
  const existing = nodeToRenew(tailnet, login, (node) => tags.length > 0 && mayBecomeTagged(node, key));
  const holder = nodeByKey(tailnet, request.nodeKey);
  // The key belongs to another profile of this machine, which it keeps; with a new key the login becomes a second node.
  if (holder !== undefined && holder !== existing) return decided({ kind: "key-expired" });
  const placed = placeNode(tailnet, login, existing, context);
  if (!placed.ok) return placed;
  const consumed: Change[] = key.isReusable ? [] : [{ type: "auth-key-put", key: { ...key, usedAt: context.now } }];
  const settled = waitingOf(tailnet, machineKey).filter((pending) => pending.nodeKey === request.nodeKey);
  const removed: Change[] = settled.map(({ id }) => ({ type: "pending-removed", id }));
  return decided({ kind: "registered", node: placed.result }, [...consumed, ...placed.changes, ...removed]);
}

/** A key with tags converts the node whose very key the login replaces: a tagged one, or one of the key's own user. */
function mayBecomeTagged(node: Node, key: AuthKey): boolean {
  return isTagged(node) || node.userId === key.userId;
}

function findAuthKey(tailnet: Tailnet, text: string): AuthKey | undefined {
  const token = splitToken("auth", text);
  const key = token === undefined ? undefined : tailnet.authKeys.get(token.id);
  return token !== undefined && key !== undefined && matchesHash(token.secret, key.hash) ? key : undefined;
}

function whyUnusable(tailnet: Tailnet, key: AuthKey, now: number): Refusal | undefined {
  if (key.revokedAt !== null) return { reason: "auth-key-revoked" };
  if (key.expiresAt <= now) return { reason: "auth-key-expired" };
  if (!key.isReusable && key.usedAt !== null) return { reason: "auth-key-used" };
  const owner = key.userId === null ? undefined : tailnet.users.get(key.userId);
  if (key.userId !== null && (owner === undefined || owner.isSuspended)) return { reason: "user-suspended" };
  return undefined;
}

/** Tags that the node gets, sorted: those it asks for, if the key permits all of them, else those of the key. */
function effectiveTags(tailnet: Tailnet, key: AuthKey, requested: readonly string[]): readonly string[] | Refusal {
  if (requested.length === 0) return key.tags.length === 0 && key.userId === null ? notPermitted(requested) : key.tags;
  const denied = requested.filter((tag) => !permitsTag(tailnet, key, tag));
  return denied.length > 0 ? notPermitted(denied) : requested;
}

function permitsTag(tailnet: Tailnet, key: AuthKey, tag: string): boolean {
  if (key.tags.length > 0)
    return key.tags.includes(tag) || mayAssignTag(tailnet.compiledPolicy, { tags: key.tags }, tag);
  const owner = key.userId === null ? undefined : tailnet.users.get(key.userId);
  return owner !== undefined && mayAssignTag(tailnet.compiledPolicy, owner, tag);
}

function notPermitted(tags: readonly string[]): Refusal {
  return { reason: "tags-not-permitted", tags };
}
