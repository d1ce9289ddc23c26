// The whole state of one tailnet as the domain core works on it: records, the indexes over them, and the policy
// engine's views. Owned by one Durable Object; commands only read it, evolve.ts is the one place that writes it.
//
// Invariants (asserted by checkInvariants in tests after every command):
// - a node has a user or tags, never both, never neither; its user exists
// - node keys, stable ids, names and addresses are unique, and so are login names; every index entry points at a
//   record that has that value
// - counters are above every id in use
// - the engine knows exactly the authorised nodes
// - only a node that is online can have lost its map stream
import { PolicyEngine, type PolicyNode } from "../policy/engine.ts";
import type { Policy } from "../policy/parse.ts";
import { relayLatencies } from "../protocol/control/relay-latencies.ts";
import type { MachineKey, NodeKey } from "../protocol/keys.ts";
import type { Counters, PolicyVersion } from "./change.ts";
import { pairedIpv6 } from "./entities/address-pool.ts";
import type { ApiToken } from "./entities/api-token.ts";
import type { AuthKey } from "./entities/auth-key.ts";
import { noRecords, putRecord, type RecordPut, type Records } from "./entities/configuration/collections.ts";
import { postureOf } from "./entities/device-attribute.ts";
import { effectiveRoutes, type Node, type NodeId, takesPart } from "./entities/node.ts";
import type { PendingRegistration } from "./entities/pending-registration.ts";
import type { Settings } from "./entities/settings.ts";
import type { PassedSSHCheck, SSHCheckRequest } from "./entities/ssh-check.ts";
import type { AccessToken, TrustCredential } from "./entities/trust-credential.ts";
import { isBarred, type User } from "./entities/user.ts";
import { type ServiceWorld, servedPrefixes, serviceByName, withServices } from "./service-hosts.ts";
import { type PolicyFault, policyInForce } from "./stored-policy.ts";

/** What is stored of a tailnet. */
export interface StoredTailnet {
  readonly users: Iterable<User>;
  readonly nodes: Iterable<Node>;
  readonly authKeys: Iterable<AuthKey>;
  readonly apiTokens: Iterable<ApiToken>;
  readonly credentials: Iterable<TrustCredential>;
  readonly accessTokens: Iterable<AccessToken>;
  readonly pendings: Iterable<PendingRegistration>;
  /** Absent: none. */
  readonly records?: Iterable<Pick<RecordPut, "collection" | "record">>;
  readonly sshChecks: Iterable<SSHCheckRequest>;
  readonly passedSSHChecks: Iterable<PassedSSHCheck>;
  readonly settings: Settings;
  readonly counters: Counters;
  readonly policy: PolicyVersion;
  /** Versions before it, newest first; looked at only when it does not compile. */
  readonly earlierPolicies?: Iterable<PolicyVersion>;
  /** Primary router per prefix. */
  readonly primaries: ReadonlyMap<string, NodeId>;
}

/** The state of a tailnet. Written by evolve.ts alone. */
export interface Tailnet {
  readonly users: Map<number, User>;
  readonly nodes: Map<NodeId, Node>;
  readonly authKeys: Map<string, AuthKey>;
  readonly apiTokens: Map<string, ApiToken>;
  readonly credentials: Map<string, TrustCredential>;
  readonly accessTokens: Map<string, AccessToken>;
  readonly pendings: Map<string, PendingRegistration>;
  readonly records: Records;
  readonly sshChecks: Map<string, SSHCheckRequest>;
  readonly passedSSHChecks: Map<string, PassedSSHCheck>;
  readonly nodeByKey: Map<NodeKey, NodeId>;
  readonly nodesByMachine: Map<MachineKey, Set<NodeId>>;
  readonly nodeByStableId: Map<string, NodeId>;
  readonly nodeByName: Map<string, NodeId>;
  readonly nodeByIpv4: Map<string, NodeId>;
  /** Nodes of imported tailnets may have others than those that go with their IPv4 addresses. */
  readonly nodeByIpv6: Map<string, NodeId>;
  readonly userByLogin: Map<string, number>;
  settings: Settings;
  counters: Counters;
  policy: PolicyVersion;
  /** What is enforced: `policy` compiled, or an earlier version while it does not compile. */
  compiledPolicy: Policy;
  policyFault: PolicyFault | null;
  readonly engine: PolicyEngine;
}

/** Builds the state from what is stored. */
export function openTailnet(stored: StoredTailnet): Tailnet {
  const { policy, fault } = policyInForce(stored.policy, stored.earlierPolicies ?? []);
  const users = [...stored.users];
  const usersById = new Map(users.map((user) => [user.id, user]));
  const nodes = [...stored.nodes].map((node) => followingUser(usersById, node));
  const records = noRecords();
  for (const record of stored.records ?? []) {
    // A later version may have been here, with collections that this one does not know.
    if (Object.hasOwn(records, record.collection)) putRecord(records, record);
  }
  const world = { records, compiledPolicy: policy, settings: stored.settings };
  const tailnet: Tailnet = {
    users: new Map(),
    nodes: new Map(),
    authKeys: new Map([...stored.authKeys].map((key) => [key.id, key])),
    apiTokens: new Map([...stored.apiTokens].map((token) => [token.id, token])),
    credentials: new Map([...stored.credentials].map((credential) => [credential.id, credential])),
    accessTokens: new Map([...stored.accessTokens].map((token) => [token.id, token])),
    pendings: new Map([...stored.pendings].map((pending) => [pending.id, pending])),
    records,
    sshChecks: new Map([...stored.sshChecks].map((check) => [check.id, check])),
    passedSSHChecks: new Map([...stored.passedSSHChecks].map((passed) => [passed.id, passed])),
    nodeByKey: new Map(),
    nodesByMachine: new Map(),
    nodeByStableId: new Map(),
    nodeByName: new Map(),
    nodeByIpv4: new Map(),
    nodeByIpv6: new Map(),
    userByLogin: new Map(),
    settings: stored.settings,
    counters: stored.counters,
    policy: stored.policy,
    compiledPolicy: policy,
    policyFault: fault,
    engine: new PolicyEngine({
      policy: withServices(policy, records.services.values()),
      users,
      nodes: nodes.filter(takesPart).map((node) => policyNodeIn(world, node)),
      primaries: stored.primaries,
    }),
  };
  for (const user of users) indexUser(tailnet, user);
  for (const node of nodes) indexNode(tailnet, node);
  return tailnet;
}

/** The node as its user's record has it: barred with the user, admitted with the user. */
export function followingUser(users: ReadonlyMap<number, User>, node: Node): Node {
  const user = node.userId === null ? undefined : users.get(node.userId);
  const isUserBarred = user !== undefined && isBarred(user);
  return isUserBarred === node.isUserBarred ? node : { ...node, isUserBarred };
}

/** What the policy engine needs to know of a node in a tailnet: with what it serves, and how far it is where that counts. */
export function policyNodeIn(world: ServiceWorld & Pick<Tailnet, "settings">, node: Node): PolicyNode {
  const served = servedPrefixes(world, node);
  const alone = policyNodeOf(node);
  const whole = served.length === 0 ? alone : { ...alone, routes: [...alone.routes, ...served] };
  if (!world.settings.isRegionalRoutingOn) return whole;
  return { ...whole, distances: { home: node.homeDerp, latencies: relayLatencies(node.hostinfo) } };
}

/** What the policy engine needs to know of a node by itself. */
export function policyNodeOf(node: Node): PolicyNode {
  return {
    id: node.id,
    userId: node.userId,
    tags: node.tags,
    ipv4: node.ipv4,
    ipv6: node.ipv6,
    routes: effectiveRoutes(node),
    isOnline: node.isOnline,
    attributes: postureOf(node.hostinfo, node.attributes),
  };
}

/** Enters a node into the records and indexes; the one before, if any, has been taken out. */
export function indexNode(tailnet: Tailnet, node: Node): void {
  tailnet.nodes.set(node.id, node);
  tailnet.nodeByKey.set(node.nodeKey, node.id);
  tailnet.nodeByStableId.set(node.stableId, node.id);
  tailnet.nodeByName.set(node.name, node.id);
  tailnet.nodeByIpv4.set(node.ipv4, node.id);
  tailnet.nodeByIpv6.set(node.ipv6, node.id);
  const siblings = tailnet.nodesByMachine.get(node.machineKey);
  if (siblings === undefined) tailnet.nodesByMachine.set(node.machineKey, new Set([node.id]));
  else siblings.add(node.id);
}

/** Takes a node out of the records and indexes. */
export function unindexNode(tailnet: Tailnet, node: Node): void {
  tailnet.nodes.delete(node.id);
  tailnet.nodeByKey.delete(node.nodeKey);
  tailnet.nodeByStableId.delete(node.stableId);
  tailnet.nodeByName.delete(node.name);
  tailnet.nodeByIpv4.delete(node.ipv4);
  tailnet.nodeByIpv6.delete(node.ipv6);
  const siblings = tailnet.nodesByMachine.get(node.machineKey);
  siblings?.delete(node.id);
  if (siblings?.size === 0) tailnet.nodesByMachine.delete(node.machineKey);
}

/** Enters a user into the records and indexes, in place of the one before. */
export function indexUser(tailnet: Tailnet, user: User): void {
  const before = tailnet.users.get(user.id);
  if (before !== undefined) tailnet.userByLogin.delete(before.loginName.toLowerCase());
  tailnet.users.set(user.id, user);
  tailnet.userByLogin.set(user.loginName.toLowerCase(), user.id);
}

/** Takes a user out of the records and indexes. */
export function unindexUser(tailnet: Tailnet, user: User): void {
  tailnet.users.delete(user.id);
  tailnet.userByLogin.delete(user.loginName.toLowerCase());
}

/** The node that holds a node key and is on this machine; undefined otherwise (DESIGN.md 5.1). */
export function nodeOfSession(tailnet: Tailnet, machineKey: MachineKey, nodeKey: NodeKey): Node | undefined {
  const node = nodeByKey(tailnet, nodeKey);
  return node?.machineKey === machineKey ? node : undefined;
}

/** The node that holds a node key. */
export function nodeByKey(tailnet: Tailnet, nodeKey: NodeKey): Node | undefined {
  const id = tailnet.nodeByKey.get(nodeKey);
  return id === undefined ? undefined : tailnet.nodes.get(id);
}

/** The nodes of a machine, oldest first. */
export function nodesOfMachine(tailnet: Tailnet, machineKey: MachineKey): Node[] {
  const ids = [...(tailnet.nodesByMachine.get(machineKey) ?? [])].sort((a, b) => a - b);
  return ids.flatMap((id) => tailnet.nodes.get(id) ?? []);
}

/** A node by its public id: the stable id or the decimal number. */
export function nodeByPublicId(tailnet: Tailnet, id: string): Node | undefined {
  const number = /^[1-9]\d{0,15}$/.test(id) ? Number(id) : tailnet.nodeByStableId.get(id);
  return number === undefined ? undefined : tailnet.nodes.get(number);
}

/** Tells whether a node or a Service has an IPv4 address. */
export function isAddressTaken(tailnet: Tailnet, ipv4: string): boolean {
  if (tailnet.nodeByIpv4.has(ipv4)) return true;
  for (const service of tailnet.records.services.values()) if (service.ipv4 === ipv4) return true;
  return false;
}

/** Tells whether an IPv4 address, or the IPv6 address that would go with it, is in use by a node or a Service. */
export function isPairTaken(tailnet: Tailnet, ipv4: string): boolean {
  if (isAddressTaken(tailnet, ipv4)) return true;
  const ipv6 = pairedIpv6(ipv4);
  if (tailnet.nodeByIpv6.has(ipv6)) return true;
  for (const service of tailnet.records.services.values()) if (service.ipv6 === ipv6) return true;
  return false;
}

/** Tells whether a Service's name ends in a label, which no node may then have. */
export function isServiceLabel(tailnet: Tailnet, label: string): boolean {
  return serviceByName(tailnet, `svc:${label}`) !== undefined;
}

/** A user by login name, which is the same in upper and lower case. */
export function userByLogin(tailnet: Tailnet, loginName: string): User | undefined {
  const id = tailnet.userByLogin.get(loginName.toLowerCase());
  return id === undefined ? undefined : tailnet.users.get(id);
}

/** Throws when an invariant of this file's head does not hold; for tests. */
export function checkInvariants(tailnet: Tailnet): void {
  for (const node of tailnet.nodes.values()) {
    for (const problem of problemsOf(tailnet, node)) throw new Error(`node ${node.id} ${problem}`);
  }
  const { nodeByKey: byKey, nodeByStableId, nodeByName, nodeByIpv4, nodeByIpv6, nodesByMachine } = tailnet;
  const siblings = [...nodesByMachine.values()].reduce((sum, ids) => sum + ids.size, 0);
  for (const size of [byKey.size, nodeByStableId.size, nodeByName.size, nodeByIpv4.size, nodeByIpv6.size, siblings]) {
    if (size !== tailnet.nodes.size) throw new Error("an index holds entries of nodes that are gone");
  }
  if (tailnet.userByLogin.size !== tailnet.users.size) throw new Error("two users share a login name");
  for (const user of tailnet.users.values()) {
    if (userByLogin(tailnet, user.loginName) !== user) throw new Error(`user ${user.id} is not indexed`);
    if (user.id >= tailnet.counters.nextUserId) throw new Error(`user ${user.id} is above the counter`);
  }
}

function* problemsOf(tailnet: Tailnet, node: Node): Generator<string> {
  if ((node.userId === null) !== node.tags.length > 0) yield "has user and tags, or neither";
  if (node.userId !== null && !tailnet.users.has(node.userId)) yield "has an unknown user";
  if (followingUser(tailnet.users, node) !== node) yield "is barred or not, unlike its user";
  if (tailnet.nodeByKey.get(node.nodeKey) !== node.id) yield "shares its node key";
  if (tailnet.nodeByStableId.get(node.stableId) !== node.id) yield "shares its stable id";
  if (tailnet.nodeByName.get(node.name) !== node.id) yield "shares its name";
  if (tailnet.nodeByIpv4.get(node.ipv4) !== node.id) yield "shares its address";
  if (tailnet.nodeByIpv6.get(node.ipv6) !== node.id) yield "shares its IPv6 address";
  if (!tailnet.nodesByMachine.get(node.machineKey)?.has(node.id)) yield "is not under its machine";
  if (node.id >= tailnet.counters.nextNodeId) yield "is above the counter";
  if ((tailnet.engine.sshPolicyOf(node.id) !== null) !== takesPart(node)) yield "is in the engine or not, wrongly";
  if (!node.isOnline && node.disconnectedAt !== null) yield "lost its stream while offline";
}
