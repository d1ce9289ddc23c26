// Registration by auth key (control-protocol.md 4.8). The key's owner, or its tags, decide what the node becomes; a key
// for one node is used up in the same transaction that makes the node.
import { mayAssignTag } from "../../policy/authority.ts";
import { requestedTags } from "../../protocol/control/hostinfo.ts";
import { type Change, type Decision, decided, refused } from "../change.ts";
import type { AuthKey } from "../entities/auth-key.ts";
import { isTagged, type Node } from "../entities/node.ts";
import { matchesHash, splitToken } from "../entities/secret-token.ts";
import type { Refusal } from "../refusal.ts";
import { nodesOfMachine, type Tailnet } from "../tailnet.ts";
import { type CommandContext, placeNode } from "./place-node.ts";
import type { Registration, RegisterResult } from "./register-node.ts";

/** Decides a registration that brings an auth key. */
export function registerWithAuthKey(
  tailnet: Tailnet,
  registration: Registration,
  context: CommandContext,
): Decision<RegisterResult> {
  const { request, machineKey } = registration;
  const key = findAuthKey(tailnet, request.authKey);
  const problem = key === undefined ? ({ reason: "auth-key-invalid" } as const) : whyUnusable(tailnet, key, context.now);
  if (key === undefined || problem !== undefined) return refused(problem ?? { reason: "auth-key-invalid" });

  const tags = effectiveTags(tailnet, key, requestedTags(request.hostinfo));
  if ("reason" in tags) return refused(tags);
  const placed = placeNode(
    tailnet,
    {
      machineKey,
      nodeKey: request.nodeKey,
      tailnetLockKey: request.tailnetLockKey,
      hostinfo: request.hostinfo,
      capabilityVersion: request.version,
      userId: tags.length > 0 ? null : key.userId,
      tags,
      isEphemeral: key.isEphemeral || request.isEphemeral,
      isPreauthorized: key.isPreauthorized,
      authKeyId: key.id,
      existing: findExisting(tailnet, registration, key, tags) ?? null,
    },
    context,
  );
  if (!placed.ok) return placed;
  const consumed: Change[] = key.isReusable ? [] : [{ type: "auth-key-put", key: { ...key, usedAt: context.now } }];
  return decided({ kind: "registered", node: placed.result }, [...consumed, ...placed.changes]);
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

/** Tags that the node gets: those it asks for, as far as the key permits, else those of the key. Sorted. */
function effectiveTags(tailnet: Tailnet, key: AuthKey, requested: readonly string[]): readonly string[] | Refusal {
  if (requested.length === 0) return key.tags.length === 0 && key.userId === null ? notPermitted(requested) : key.tags;
  const denied = requested.filter((tag) => !permitsTag(tailnet, key, tag));
  return denied.length > 0 ? notPermitted(denied) : [...new Set(requested)].sort();
}

function permitsTag(tailnet: Tailnet, key: AuthKey, tag: string): boolean {
  if (key.tags.length > 0) return key.tags.includes(tag) || mayAssignTag(tailnet.compiledPolicy, { tags: key.tags }, tag);
  const owner = key.userId === null ? undefined : tailnet.users.get(key.userId);
  return owner !== undefined && mayAssignTag(tailnet.compiledPolicy, owner, tag);
}

function notPermitted(tags: readonly string[]): Refusal {
  return { reason: "tags-not-permitted", tags };
}

/** The node of this machine that the login continues: by old key first, then the only one that fits its owner. */
function findExisting(
  tailnet: Tailnet,
  { request, machineKey }: Registration,
  key: AuthKey,
  tags: readonly string[],
): Node | undefined {
  const mine = nodesOfMachine(tailnet, machineKey).filter((node) => {
    if (tags.length === 0) return node.userId === key.userId;
    return isTagged(node) || (node.userId !== null && node.userId === key.userId);
  });
  const exact = mine.find((node) => node.nodeKey === request.nodeKey || node.nodeKey === request.oldNodeKey);
  if (exact !== undefined) return exact;
  const alike = mine.filter((node) => isTagged(node) === tags.length > 0);
  return alike.at(-1) ?? (mine.length === 1 ? mine[0] : undefined);
}
