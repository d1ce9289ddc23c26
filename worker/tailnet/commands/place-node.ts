// Puts a login on record: renews the node that the login belongs to, or makes a new one. Shared by auth keys and by
// interactive logins; who may do so has been decided before (control-protocol.md 4.6, 4.8).
import { approvedByPolicy } from "../../policy/authority.ts";
import { advertisedRoutes, type Hostinfo, hostnameOf, preferredDerp } from "../../protocol/control/hostinfo.ts";
import type { MachineKey, NodeKey, TailnetLockKey } from "../../protocol/keys.ts";
import { type Change, type Decision, decided, refused } from "../change.ts";
import { allocateAddresses } from "../entities/address-pool.ts";
import type { Node } from "../entities/node.ts";
import { labelOf, uniqueLabel } from "../entities/node-name.ts";
import { type Random, randomText } from "../entities/secret-token.ts";
import { nodeByKey, policyNodeOf, type Tailnet } from "../tailnet.ts";

/** What the shell lends to a command: the time and a source of randomness. */
export interface CommandContext {
  readonly now: number;
  readonly random: Random;
}

/** A login that was permitted. */
export interface Login {
  readonly machineKey: MachineKey;
  readonly nodeKey: NodeKey;
  readonly tailnetLockKey: TailnetLockKey | null;
  readonly hostinfo: Hostinfo;
  readonly capabilityVersion: number;
  readonly userId: number | null;
  /** Sorted; not empty exactly when `userId` is null. */
  readonly tags: readonly string[];
  readonly isEphemeral: boolean;
  /** Device approval is given with the login. */
  readonly isPreauthorized: boolean;
  readonly authKeyId: string | null;
  /** Node that the login renews; null: make one. */
  readonly existing: Node | null;
}

/** Renews or makes the node of a login. */
export function placeNode(tailnet: Tailnet, login: Login, context: CommandContext): Decision<Node> {
  const holder = nodeByKey(tailnet, login.nodeKey);
  if (holder !== undefined && holder.id !== login.existing?.id) return refused({ reason: "node-key-in-use" });
  return login.existing === null ? makeNode(tailnet, login, context) : renewNode(tailnet, login, login.existing, context);
}

function renewNode(tailnet: Tailnet, login: Login, existing: Node, context: CommandContext): Decision<Node> {
  const node: Node = {
    ...existing,
    ...fieldsOfLogin(tailnet, login, context),
    isAuthorized: existing.isAuthorized || login.isPreauthorized || !tailnet.settings.isDeviceApprovalOn,
    isKeyExpiryDisabled: login.tags.length > 0 ? false : existing.isKeyExpiryDisabled,
    name: existing.isNameFixed ? existing.name : freeName(tailnet, login.hostinfo, existing),
    homeDerp: preferredDerp(login.hostinfo) || existing.homeDerp,
  };
  const approved = withApprovedRoutes(tailnet, node);
  return decided(approved, [{ type: "node-put", node: approved }]);
}

function makeNode(tailnet: Tailnet, login: Login, context: CommandContext): Decision<Node> {
  const { counters } = tailnet;
  const addresses = allocateAddresses(counters.nextAddress, (ipv4) => tailnet.nodeByIpv4.has(ipv4));
  if (addresses === undefined) return refused({ reason: "addresses-exhausted" });
  const node = withApprovedRoutes(tailnet, {
    ...fieldsOfLogin(tailnet, login, context),
    id: counters.nextNodeId,
    stableId: `n${randomText(context.random, 11)}CNTRL`,
    machineKey: login.machineKey,
    discoKey: null,
    name: freeName(tailnet, login.hostinfo, null),
    isNameFixed: false,
    ipv4: addresses.ipv4,
    ipv6: addresses.ipv6,
    endpoints: [],
    homeDerp: preferredDerp(login.hostinfo),
    createdAt: context.now,
    isKeyExpiryDisabled: false,
    isAuthorized: login.isPreauthorized || !tailnet.settings.isDeviceApprovalOn,
    approvedRoutes: [],
    isOnline: false,
    disconnectedAt: null,
    lastSeenAt: null,
  });
  const changes: Change[] = [
    {
      type: "counters-put",
      counters: { ...counters, nextNodeId: counters.nextNodeId + 1, nextAddress: addresses.nextIndex },
    },
    { type: "node-put", node },
  ];
  return decided(node, changes);
}

function fieldsOfLogin(tailnet: Tailnet, login: Login, context: CommandContext) {
  return {
    nodeKey: login.nodeKey,
    tailnetLockKey: login.tailnetLockKey,
    hostinfo: login.hostinfo,
    capabilityVersion: login.capabilityVersion,
    userId: login.userId,
    tags: login.tags,
    isEphemeral: login.isEphemeral,
    authKeyId: login.authKeyId,
    keyExpiresAt: login.tags.length > 0 ? null : context.now + tailnet.settings.keyDurationMs,
  };
}

/** The label for a node's host name, numbered when another node has it; the node's own label stays. */
export function freeName(tailnet: Tailnet, hostinfo: Hostinfo, self: Node | null): string {
  const wanted = labelOf(hostnameOf(hostinfo));
  return uniqueLabel(wanted, (label) => {
    const holder = tailnet.nodeByName.get(label);
    return holder !== undefined && holder !== self?.id;
  });
}

/** Adds the advertised routes that the policy approves by itself (policy.md 15). */
export function withApprovedRoutes(tailnet: Tailnet, node: Node): Node {
  const advertised = advertisedRoutes(node.hostinfo);
  if (advertised.length === 0) return node;
  const loginName = node.userId === null ? null : (tailnet.users.get(node.userId)?.loginName ?? null);
  const approved = approvedByPolicy(tailnet.compiledPolicy, { ...policyNodeOf(node), loginName }, advertised);
  const missing = approved.filter((prefix) => !node.approvedRoutes.includes(prefix));
  return missing.length === 0 ? node : { ...node, approvedRoutes: [...node.approvedRoutes, ...missing].sort() };
}
