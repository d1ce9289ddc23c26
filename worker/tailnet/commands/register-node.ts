// POST /machine/register, decided (control-protocol.md 4.5, in the order of its table; parsing and the rate limit come
// before). Nothing here trusts a node key by itself: every node that is touched is on the session's machine.
import { OLDEST_CAPABILITY_VERSION } from "../../protocol/control/capability-version.ts";
import { requestedTags } from "../../protocol/control/hostinfo.ts";
import type { RegisterRequest } from "../../protocol/control/register.ts";
import type { MachineKey } from "../../protocol/keys.ts";
import { type Change, type Decision, decided, refused } from "../change.ts";
import { isKeyExpired, type Node } from "../entities/node.ts";
import { nodeByKey, type Tailnet } from "../tailnet.ts";
import { awaitLogin } from "./await-login.ts";
import { logOutNode } from "./log-out-node.ts";
import type { CommandContext } from "./place-node.ts";
import { registerWithAuthKey } from "./register-with-auth-key.ts";
import { applyHostinfo, retag } from "./update-node.ts";

/** A register request with what the connection knows. */
export interface Registration {
  readonly request: RegisterRequest;
  readonly machineKey: MachineKey;
  readonly remoteAddress: string;
  /** Name of this tailnet, for requests that insist on one. */
  readonly tailnetName: string;
}

/** What to answer. */
export type RegisterResult =
  | { readonly kind: "registered"; readonly node: Node }
  /** The client must make a new node key and come again. */
  | { readonly kind: "key-expired" }
  | { readonly kind: "logged-out" }
  /** Show the login page of this pending registration. */
  | { readonly kind: "login"; readonly pendingId: string }
  /** Nothing is decided yet: hold the answer until this pending registration is. */
  | { readonly kind: "wait"; readonly pendingId: string };

/** Decides a register request. */
export function registerNode(tailnet: Tailnet, registration: Registration, context: CommandContext): Decision<RegisterResult> {
  const { request, machineKey } = registration;
  if (request.version < OLDEST_CAPABILITY_VERSION) return refused({ reason: "client-too-old" });
  if (insistsOnOther(request.tailnet, registration.tailnetName)) {
    return refused({ reason: "wrong-tailnet", tailnet: request.tailnet.slice("required:".length) });
  }
  const node = nodeByKey(tailnet, request.nodeKey);
  if (node !== undefined && node.machineKey !== machineKey) return refused({ reason: "node-key-in-use" });
  if (isPendingElsewhere(tailnet, registration)) return refused({ reason: "node-key-in-use" });
  if (request.expiresAt !== null) {
    if (request.expiresAt <= context.now) return logOutNode(node, context.now);
    if (node !== undefined) return shortenExpiry(node, request.expiresAt);
  }
  if (request.followup !== "") return awaitLogin(tailnet, registration, context);
  if (node !== undefined && !isKeyExpired(node, context.now)) {
    const renewed = refreshNode(tailnet, node, request);
    if (renewed !== undefined) return renewed;
  }
  if (request.authKey !== "") return registerWithAuthKey(tailnet, registration, context);
  if (node !== undefined && isKeyExpired(node, context.now)) return decided({ kind: "key-expired" });
  return awaitLogin(tailnet, registration, context);
}

function insistsOnOther(wanted: string, tailnetName: string): boolean {
  return wanted.startsWith("required:") && wanted.slice("required:".length).toLowerCase() !== tailnetName.toLowerCase();
}

function isPendingElsewhere(tailnet: Tailnet, { request, machineKey }: Registration): boolean {
  for (const pending of tailnet.pendings.values()) {
    if (pending.nodeKey === request.nodeKey && pending.machineKey !== machineKey) return true;
  }
  return false;
}

/** A node that restarts with its valid key goes on as it is; undefined when it asks for tags that need a new login. */
function refreshNode(tailnet: Tailnet, node: Node, request: RegisterRequest): Decision<RegisterResult> | undefined {
  const retagged = retag(tailnet, node, requestedTags(request.hostinfo));
  if (retagged === undefined) return undefined;
  const fresh = applyHostinfo(tailnet, retagged, request.hostinfo, request.version);
  const changes: Change[] = fresh === node ? [] : [{ type: "node-put", node: fresh }];
  return decided({ kind: "registered", node: fresh }, changes);
}

/** "Expire sooner" (4.7): the expiry may move to an earlier time only. */
function shortenExpiry(node: Node, expiresAt: number): Decision<RegisterResult> {
  if (node.keyExpiresAt !== null && expiresAt > node.keyExpiresAt) return refused({ reason: "expiry-not-sooner" });
  const shortened: Node = { ...node, keyExpiresAt: expiresAt, isKeyExpiryDisabled: false };
  return decided({ kind: "registered", node: shortened }, [{ type: "node-put", node: shortened }]);
}
