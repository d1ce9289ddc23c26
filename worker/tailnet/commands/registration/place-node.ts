// Puts a login on record: renews the node that the login belongs to, or makes a new one. Shared by auth keys and by
// interactive logins; who may do so has been decided before (control-protocol.md 4.6, 4.8).
import { prescribedPool } from "../../../policy/authority.ts";
import type { PrefixSet } from "../../../policy/prefix-set.ts";
import { toHex } from "../../../protocol/bytes.ts";
import { type Hostinfo, preferredDerp } from "../../../protocol/control/hostinfo.ts";
import type { MachineKey, NodeKey, TailnetLockKey } from "../../../protocol/keys.ts";
import { type Change, type Decision, decided, refused } from "../../change.ts";
import type { Actor } from "../../entities/actor.ts";
import { allocateAddresses } from "../../entities/address-pool.ts";
import { hasSameOwner, type Node } from "../../entities/node.ts";
import type { Random } from "../../entities/secret-token.ts";
import { isPairTaken, nodeByKey, nodesOfMachine, type Tailnet } from "../../tailnet.ts";
import { describeNode, freeName } from "../nodes/describe-node.ts";
import { withSignOfLife, withStreamsEnded } from "../nodes/presence.ts";
import { approveAdvertised } from "../policy/auto-approval.ts";

/** 48 bits. Written in digits of keys, which netmaps are full of: other letters take twice the bytes there. */
const STABLE_ID_BYTES = 6;

/** What the shell lends to a command: the time, a source of randomness, and who commands. */
export interface CommandContext {
  readonly now: number;
  readonly random: Random;
  readonly actor: Actor;
}

/** A login that was permitted. */
export interface Login {
  readonly machineKey: MachineKey;
  readonly nodeKey: NodeKey;
  /** Key that this one replaces; a hint. */
  readonly oldNodeKey: NodeKey | null;
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
}

/**
 * The node of the machine that a login continues: the one whose key it brings or replaces, if it has the same owner or
 * the login may take it over; else the newest of the same owner. Nodes of others stay theirs: the machine then has
 * several, as a device with several profiles does.
 */
export function nodeToRenew(
  tailnet: Tailnet,
  login: Pick<Login, "machineKey" | "nodeKey" | "oldNodeKey" | "userId" | "tags">,
  mayTakeOver: (node: Node) => boolean,
): Node | null {
  const nodes = nodesOfMachine(tailnet, login.machineKey);
  const alike = nodes.filter((node) => hasSameOwner(node, login));
  const open = nodes.filter((node) => alike.includes(node) || mayTakeOver(node));
  const holding = (key: NodeKey | null) => open.find((node) => node.nodeKey === key);
  return holding(login.nodeKey) ?? holding(login.oldNodeKey) ?? alike.at(-1) ?? null;
}

/** Renews `existing` for a login, or makes its node. */
export function placeNode(
  tailnet: Tailnet,
  login: Login,
  existing: Node | null,
  context: CommandContext,
): Decision<Node> {
  const holder = nodeByKey(tailnet, login.nodeKey);
  if (holder !== undefined && holder.id !== existing?.id) return refused({ reason: "node-key-in-use" });
  return existing === null ? makeNode(tailnet, login, context) : renewNode(tailnet, login, existing, context);
}

function renewNode(tailnet: Tailnet, login: Login, existing: Node, context: CommandContext): Decision<Node> {
  // A map stream that polls with the replaced key ends; the client opens another with the new one.
  const present = login.nodeKey === existing.nodeKey ? existing : withStreamsEnded(existing, context.now);
  const renewed: Node = {
    ...present,
    ...fieldsOfLogin(tailnet, login, context),
    isAuthorized: existing.isAuthorized || login.isPreauthorized, // what an administrator withdrew stays withdrawn
    isKeyExpiryDisabled: login.tags.length > 0 ? false : existing.isKeyExpiryDisabled,
  };
  const described = describeNode(tailnet, renewed, login.hostinfo, login.capabilityVersion);
  const node = approveAdvertised(tailnet, existing, withSignOfLife(described, context.now));
  return decided(node, [{ type: "node-put", node }]);
}

function makeNode(tailnet: Tailnet, login: Login, context: CommandContext): Decision<Node> {
  const { counters } = tailnet;
  const addresses = allocateAddresses(counters.nextAddress, {
    within: addressPoolOf(tailnet, login),
    isTaken: (ipv4) => isPairTaken(tailnet, ipv4),
  });
  if (addresses === undefined) return refused({ reason: "addresses-exhausted" });
  const node = approveAdvertised(tailnet, null, {
    ...fieldsOfLogin(tailnet, login, context),
    id: counters.nextNodeId,
    stableId: `n${toHex(context.random(STABLE_ID_BYTES))}CNTRL`,
    machineKey: login.machineKey,
    discoKey: null,
    name: freeName(tailnet, login.hostinfo, null),
    isNameFixed: false,
    ipv4: addresses.ipv4,
    ipv6: addresses.ipv6,
    hostinfo: login.hostinfo,
    endpoints: [],
    homeDerp: preferredDerp(login.hostinfo),
    capabilityVersion: login.capabilityVersion,
    createdAt: context.now,
    isKeyExpiryDisabled: false,
    isUserBarred: false,
    isAuthorized: login.isPreauthorized || !tailnet.settings.isDeviceApprovalOn,
    approvedRoutes: [],
    attributes: {},
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

/** Where the policy wants the addresses of a new node to be from. */
function addressPoolOf(tailnet: Tailnet, { userId, tags }: Login): PrefixSet {
  const user = userId === null ? undefined : tailnet.users.get(userId);
  return prescribedPool(tailnet.compiledPolicy, { tags, loginName: user?.loginName ?? null, role: user?.role ?? null });
}

function fieldsOfLogin(tailnet: Tailnet, login: Login, context: CommandContext) {
  return {
    nodeKey: login.nodeKey,
    tailnetLockKey: login.tailnetLockKey,
    userId: login.userId,
    tags: login.tags,
    isEphemeral: login.isEphemeral,
    authKeyId: login.authKeyId,
    keyExpiresAt: login.tags.length > 0 ? null : context.now + tailnet.settings.keyDurationMs,
  };
}
