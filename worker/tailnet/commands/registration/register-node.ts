// POST /machine/register, decided (control-protocol.md 4.5, in the order of its table; parsing and the rate limit come
// before). Nothing here trusts a node key by itself: every node that is touched is on the session's machine.
import { OLDEST_CAPABILITY_VERSION } from "../../../protocol/control/capability-version.ts";
import { type Decision, decided, refused } from "../../change.ts";
import { isKeyExpired, keyExpiryOf, type Node } from "../../entities/node.ts";
import type { User } from "../../entities/user.ts";
import { nodeByKey, type Tailnet } from "../../tailnet.ts";
import { describeNode, retag } from "../nodes/describe-node.ts";
import { withSignOfLife } from "../nodes/presence.ts";
import { approveAdvertised } from "../policy/auto-approval.ts";
import { awaitLogin } from "./await-login.ts";
import { logOutNode } from "./log-out-node.ts";
import type { CommandContext } from "./place-node.ts";
import { registerWithAuthKey } from "./register-with-auth-key.ts";
import type { RegisterResult, Registration } from "./registration.ts";

/** Decides a register request. */
export function registerNode(
  tailnet: Tailnet,
  registration: Registration,
  context: CommandContext,
): Decision<RegisterResult> {
  const { request, machineKey } = registration;
  if (request.version < OLDEST_CAPABILITY_VERSION) return refused({ reason: "client-too-old" });
  if (insistsOnOther(request.tailnet, registration.tailnetName)) {
    return refused({ reason: "wrong-tailnet", tailnet: request.tailnet.slice("required:".length) });
  }
  const node = nodeByKey(tailnet, request.nodeKey);
  if (node !== undefined && node.machineKey !== machineKey) return refused({ reason: "node-key-in-use" });
  if (isPendingElsewhere(tailnet, registration, context.now)) return refused({ reason: "node-key-in-use" });
  if (request.expiresAt !== null) {
    if (request.expiresAt <= context.now) return logOutNode(node, context.now);
    if (node !== undefined) return shortenExpiry(node, request.expiresAt);
  }
  const isSuspended = userOf(tailnet, node)?.isSuspended === true;
  if (request.followup !== "") return awaitLogin(tailnet, registration, context);
  if (node !== undefined && !isSuspended && !isKeyExpired(node, context.now)) {
    const refreshed = refreshNode(tailnet, node, request, context.now);
    if (refreshed !== undefined) return refreshed;
  }
  if (request.authKey !== "") return registerWithAuthKey(tailnet, registration, context);
  if (isSuspended) return refused({ reason: "user-suspended" });
  if (node !== undefined) return decided({ kind: "key-expired" });
  return awaitLogin(tailnet, registration, context);
}

function userOf(tailnet: Tailnet, node: Node | undefined): User | undefined {
  return node === undefined || node.userId === null ? undefined : tailnet.users.get(node.userId);
}

function insistsOnOther(wanted: string, tailnetName: string): boolean {
  return wanted.startsWith("required:") && wanted.slice("required:".length).toLowerCase() !== tailnetName.toLowerCase();
}

/** Whether another machine waits for approval of the same node key; what was decided or has run out does not count. */
function isPendingElsewhere(tailnet: Tailnet, { request, machineKey }: Registration, now: number): boolean {
  for (const pending of tailnet.pendings.values()) {
    if (pending.nodeKey !== request.nodeKey || pending.machineKey === machineKey) continue;
    if (pending.state === "waiting" && pending.expiresAt > now) return true;
  }
  return false;
}

/** A node that restarts with its valid key goes on as it is; undefined when it asks for tags that need a new login. */
function refreshNode(
  tailnet: Tailnet,
  node: Node,
  request: Registration["request"],
  now: number,
): Decision<RegisterResult> | undefined {
  const retagged = retag(tailnet, node, request.hostinfo);
  if (retagged === undefined) return undefined;
  const described = describeNode(tailnet, retagged, request.hostinfo, request.version);
  const fresh = approveAdvertised(tailnet, node, withSignOfLife(described, now));
  return decided({ kind: "registered", node: fresh }, fresh === node ? [] : [{ type: "node-put", node: fresh }]);
}

/** "Expire sooner" (4.7): the expiry in force may move to an earlier time only. */
function shortenExpiry(node: Node, expiresAt: number): Decision<RegisterResult> {
  const present = keyExpiryOf(node);
  if (present !== null && expiresAt > present) return refused({ reason: "expiry-not-sooner" });
  const shortened: Node = { ...node, keyExpiresAt: expiresAt, isKeyExpiryDisabled: false };
  return decided({ kind: "registered", node: shortened }, [{ type: "node-put", node: shortened }]);
}
