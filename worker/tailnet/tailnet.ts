// The whole state of one tailnet as the domain core works on it: records, the indexes over them, and the policy
// engine's views. Owned by one Durable Object; commands only read it, evolve.ts is the one place that writes it.
//
// Invariants (asserted by checkInvariants in tests after every command):
// - a node has a user or tags, never both, never neither; its user exists
// - node keys, names and IPv4 addresses are unique; every index entry points at a node that has that value
// - counters are above every id in use
// - the engine knows exactly the authorised nodes
import { type Policy, parsePolicy } from "../policy/parse.ts";
import { PolicyEngine, type PolicyNode } from "../policy/engine.ts";
import type { MachineKey, NodeKey } from "../protocol/keys.ts";
import type { Counters, PolicyVersion } from "./change.ts";
import type { ApiToken } from "./entities/api-token.ts";
import type { AuthKey } from "./entities/auth-key.ts";
import { effectiveRoutes, type Node, type NodeId } from "./entities/node.ts";
import type { PendingRegistration } from "./entities/pending-registration.ts";
import type { Settings } from "./entities/settings.ts";
import type { User } from "./entities/user.ts";

/** What is stored of a tailnet. */
export interface StoredTailnet {
  readonly users: Iterable<User>;
  readonly nodes: Iterable<Node>;
  readonly authKeys: Iterable<AuthKey>;
  readonly apiTokens: Iterable<ApiToken>;
  readonly pendings: Iterable<PendingRegistration>;
  readonly settings: Settings;
  readonly counters: Counters;
  readonly policy: PolicyVersion;
  /** Primary router per prefix. */
  readonly primaries: ReadonlyMap<string, NodeId>;
}

/** The state of a tailnet. Written by evolve.ts alone. */
export interface Tailnet {
  readonly users: Map<number, User>;
  readonly nodes: Map<NodeId, Node>;
  readonly authKeys: Map<string, AuthKey>;
  readonly apiTokens: Map<string, ApiToken>;
  readonly pendings: Map<string, PendingRegistration>;
  readonly nodeByKey: Map<NodeKey, NodeId>;
  readonly nodesByMachine: Map<MachineKey, Set<NodeId>>;
  readonly nodeByName: Map<string, NodeId>;
  readonly nodeByIpv4: Map<string, NodeId>;
  settings: Settings;
  counters: Counters;
  policy: PolicyVersion;
  compiledPolicy: Policy;
  readonly engine: PolicyEngine;
}

/**
 * Builds the state from what is stored.
 * @throws Error when the stored policy no longer compiles; the object must not start with another one in silence
 */
export function openTailnet(stored: StoredTailnet): Tailnet {
  const parsed = parsePolicy(stored.policy.text);
  if (!parsed.ok) throw new Error(`stored policy does not compile: ${parsed.problems[0]?.message}`);
  const nodes = [...stored.nodes];
  const users = [...stored.users];
  const tailnet: Tailnet = {
    users: new Map(users.map((user) => [user.id, user])),
    nodes: new Map(),
    authKeys: new Map([...stored.authKeys].map((key) => [key.id, key])),
    apiTokens: new Map([...stored.apiTokens].map((token) => [token.id, token])),
    pendings: new Map([...stored.pendings].map((pending) => [pending.id, pending])),
    nodeByKey: new Map(),
    nodesByMachine: new Map(),
    nodeByName: new Map(),
    nodeByIpv4: new Map(),
    settings: stored.settings,
    counters: stored.counters,
    policy: stored.policy,
    compiledPolicy: parsed.policy,
    engine: new PolicyEngine({
      policy: parsed.policy,
      users,
      nodes: nodes.filter((node) => node.isAuthorized).map(policyNodeOf),
      primaries: stored.primaries,
    }),
  };
  for (const node of nodes) indexNode(tailnet, node);
  return tailnet;
}

/** What the policy engine needs to know of a node. */
export function policyNodeOf(node: Node): PolicyNode {
  return {
    id: node.id,
    userId: node.userId,
    tags: node.tags,
    ipv4: node.ipv4,
    ipv6: node.ipv6,
    routes: effectiveRoutes(node),
    isOnline: node.isOnline,
  };
}

/** Enters a node into the records and indexes; the one before, if any, has been taken out. */
export function indexNode(tailnet: Tailnet, node: Node): void {
  tailnet.nodes.set(node.id, node);
  tailnet.nodeByKey.set(node.nodeKey, node.id);
  tailnet.nodeByName.set(node.name, node.id);
  tailnet.nodeByIpv4.set(node.ipv4, node.id);
  const siblings = tailnet.nodesByMachine.get(node.machineKey);
  if (siblings === undefined) tailnet.nodesByMachine.set(node.machineKey, new Set([node.id]));
  else siblings.add(node.id);
}

/** Takes a node out of the records and indexes. */
export function unindexNode(tailnet: Tailnet, node: Node): void {
  tailnet.nodes.delete(node.id);
  tailnet.nodeByKey.delete(node.nodeKey);
  tailnet.nodeByName.delete(node.name);
  tailnet.nodeByIpv4.delete(node.ipv4);
  const siblings = tailnet.nodesByMachine.get(node.machineKey);
  siblings?.delete(node.id);
  if (siblings?.size === 0) tailnet.nodesByMachine.delete(node.machineKey);
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
  if (/^[1-9]\d{0,15}$/.test(id)) return tailnet.nodes.get(Number(id));
  for (const node of tailnet.nodes.values()) if (node.stableId === id) return node;
  return undefined;
}

/** A user by login name. */
export function userByLogin(tailnet: Tailnet, loginName: string): User | undefined {
  for (const user of tailnet.users.values()) if (user.loginName === loginName) return user;
  return undefined;
}

/** Throws when an invariant of this file's head does not hold; for tests. */
export function checkInvariants(tailnet: Tailnet): void {
  const broken = (what: string) => {
    throw new Error(`invariant broken: ${what}`);
  };
  for (const node of tailnet.nodes.values()) {
    if ((node.userId === null) !== node.tags.length > 0) broken(`node ${node.id} has user and tags, or neither`);
    if (node.userId !== null && !tailnet.users.has(node.userId)) broken(`node ${node.id} has an unknown user`);
    if (tailnet.nodeByKey.get(node.nodeKey) !== node.id) broken(`node ${node.id} shares its node key`);
    if (tailnet.nodeByName.get(node.name) !== node.id) broken(`node ${node.id} shares its name`);
    if (tailnet.nodeByIpv4.get(node.ipv4) !== node.id) broken(`node ${node.id} shares its address`);
    if (!tailnet.nodesByMachine.get(node.machineKey)?.has(node.id)) broken(`node ${node.id} is not under its machine`);
    if (node.id >= tailnet.counters.nextNodeId) broken(`node ${node.id} is above the counter`);
  }
  const sizes = [tailnet.nodeByKey.size, tailnet.nodeByName.size, tailnet.nodeByIpv4.size];
  if (sizes.some((size) => size !== tailnet.nodes.size)) broken("an index holds entries of nodes that are gone");
  for (const user of tailnet.users.values()) if (user.id >= tailnet.counters.nextUserId) broken("user above the counter");
}
