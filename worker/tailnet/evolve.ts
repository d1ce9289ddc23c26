// Applies changes to the state and tells what they did. The only writer of a Tailnet.
import type { Policy } from "../policy/parse.ts";
import type { Change, PolicyVersion } from "./change.ts";
import { type Effects, noEffects } from "./effects.ts";
import { type CollectionName, putRecord } from "./entities/configuration/collections.ts";
import { isSameButForStreams, type Node, type NodeId, takesPart } from "./entities/node.ts";
import type { Settings } from "./entities/settings.ts";
import { isBarred, type User } from "./entities/user.ts";
import { withServices } from "./service-hosts.ts";
import {
  followingUser,
  indexNode,
  indexUser,
  policyNodeIn,
  type Tailnet,
  unindexNode,
  unindexUser,
} from "./tailnet.ts";

/** Applies changes in order. They have been stored, so nothing here may fail. */
export function evolve(tailnet: Tailnet, changes: readonly Change[]): Effects {
  const effects = noEffects();
  for (const change of changes) apply(tailnet, change, effects);
  return effects;
}

function apply(tailnet: Tailnet, change: Change, effects: Effects): void {
  switch (change.type) {
    case "node-put":
      putNode(tailnet, change.node, effects);
      break;
    case "node-removed":
      removeNode(tailnet, change.id, effects);
      break;
    case "node-reported":
    case "ssh-not-recorded":
      break;
    case "user-put":
      putUser(tailnet, change.user, effects);
      break;
    case "user-removed":
      removeUser(tailnet, change.id, effects);
      break;
    case "auth-key-put":
      tailnet.authKeys.set(change.key.id, change.key);
      break;
    case "auth-key-removed":
      tailnet.authKeys.delete(change.id);
      break;
    case "api-token-put":
      tailnet.apiTokens.set(change.token.id, change.token);
      break;
    case "api-token-removed":
      tailnet.apiTokens.delete(change.id);
      break;
    case "credential-put":
      tailnet.credentials.set(change.credential.id, change.credential);
      break;
    case "access-token-put":
      tailnet.accessTokens.set(change.token.id, change.token);
      break;
    case "access-token-removed":
      tailnet.accessTokens.delete(change.id);
      break;
    case "pending-put":
      tailnet.pendings.set(change.pending.id, change.pending);
      if (change.pending.state !== "waiting") effects.decidedLogins.add(change.pending.id);
      break;
    case "pending-removed":
      tailnet.pendings.delete(change.id);
      effects.decidedLogins.add(change.id);
      break;
    case "ssh-check-put":
      tailnet.sshChecks.set(change.check.id, change.check);
      if (change.check.state !== "waiting") effects.decidedLogins.add(change.check.id);
      break;
    case "ssh-check-removed":
      tailnet.sshChecks.delete(change.id);
      effects.decidedLogins.add(change.id);
      break;
    case "ssh-check-passed":
      tailnet.passedSSHChecks.set(change.passed.id, change.passed);
      break;
    case "ssh-check-forgotten":
      tailnet.passedSSHChecks.delete(change.id);
      break;
    case "policy-put":
      putPolicy(tailnet, change.policy, change.compiled, effects);
      break;
    case "record-put":
      putRecord(tailnet.records, change);
      noteRecord(tailnet, change.collection, effects);
      break;
    case "record-removed":
      tailnet.records[change.collection].delete(change.id);
      noteRecord(tailnet, change.collection, effects);
      break;
    case "settings-put":
      putSettings(tailnet, change.settings, effects);
      break;
    case "counters-put":
      tailnet.counters = change.counters;
      break;
  }
}

function putNode(tailnet: Tailnet, node: Node, effects: Effects): void {
  putNodes(tailnet, [node], effects);
}

/** Puts nodes, which the policy engine is told of at once. */
function putNodes(tailnet: Tailnet, given: readonly Node[], effects: Effects): void {
  const leaving: NodeId[] = [];
  const taking: Node[] = [];
  for (const one of given) {
    const node = followingUser(tailnet.users, one);
    const before = tailnet.nodes.get(node.id) ?? null;
    if (before !== null) unindexNode(tailnet, before);
    indexNode(tailnet, node);
    noteNode(effects, node.id, before, node);
    if (before !== null && isSameButForStreams(before, node)) continue; // nothing that a policy could ask of it
    if (takesPart(node)) taking.push(node);
    else if (before !== null && takesPart(before)) leaving.push(node.id);
  }
  if (taking.length + leaving.length === 0) return;
  const nodes = taking.map((node) => policyNodeIn(tailnet, node));
  effects.policy.push(tailnet.engine.setNodes(nodes, leaving));
}

function removeNode(tailnet: Tailnet, id: NodeId, effects: Effects): void {
  const before = tailnet.nodes.get(id);
  if (before === undefined) return;
  unindexNode(tailnet, before);
  tailnet.records["service-reports"].delete(String(id));
  tailnet.records["posture-identities"].delete(String(id));
  noteNode(effects, id, before, null);
  if (takesPart(before)) effects.policy.push(tailnet.engine.removeNode(id));
}

function noteNode(effects: Effects, id: NodeId, before: Node | null, after: Node | null): void {
  const first = effects.nodes.get(id);
  effects.nodes.set(id, { before: first === undefined ? before : first.before, after });
}

function putUser(tailnet: Tailnet, user: User, effects: Effects): void {
  const before = tailnet.users.get(user.id);
  indexUser(tailnet, user);
  effects.users.add(user.id);
  effects.policy.push(tailnet.engine.setUser({ id: user.id, loginName: user.loginName, role: user.role }));
  if (before === undefined || isBarred(before) === isBarred(user)) return;
  const owned = [...tailnet.nodes.values()].filter((node) => node.userId === user.id);
  putNodes(tailnet, owned, effects);
}

/** Its nodes and keys went before it. */
function removeUser(tailnet: Tailnet, id: number, effects: Effects): void {
  const before = tailnet.users.get(id);
  if (before === undefined) return;
  unindexUser(tailnet, before);
  effects.policy.push(tailnet.engine.removeUser(id));
}

function putPolicy(tailnet: Tailnet, policy: PolicyVersion, compiled: Policy, effects: Effects): void {
  tailnet.policy = policy;
  if (effects.derpMapBefore === undefined) effects.derpMapBefore = tailnet.compiledPolicy.network.derpMap;
  tailnet.compiledPolicy = compiled;
  tailnet.policyFault = null;
  effects.policy.push(tailnet.engine.setPolicy(withServices(compiled, tailnet.records.services.values())));
  placeHosts(tailnet, effects);
}

function putSettings(tailnet: Tailnet, settings: Settings, effects: Effects): void {
  const before = tailnet.settings;
  effects.settingsBefore ??= before;
  tailnet.settings = settings;
  if (before.isRegionalRoutingOn === settings.isRegionalRoutingOn) return;
  const nodes = [...tailnet.nodes.values()].filter(takesPart).map((node) => policyNodeIn(tailnet, node));
  const routers = nodes.filter(({ routes }) => routes.length > 0);
  const others = nodes.filter(({ routes }) => routes.length === 0);
  // Distances of others cost nothing while those of routers tell no routers apart: they come first, and go last.
  for (const some of settings.isRegionalRoutingOn ? [others, routers] : [routers, others]) {
    effects.policy.push(tailnet.engine.setNodes(some));
  }
}

function noteRecord(tailnet: Tailnet, collection: CollectionName, effects: Effects): void {
  effects.collections.add(collection);
  if (collection !== "services" && collection !== "service-reports") return;
  const resolved = withServices(tailnet.compiledPolicy, tailnet.records.services.values());
  const hasNewAddresses = collection === "services" && resolved !== tailnet.compiledPolicy;
  if (hasNewAddresses) effects.policy.push(tailnet.engine.setPolicy(resolved));
  placeHosts(tailnet, effects);
}

/** Tells the policy engine which hosts serve which addresses now; those that serve the same as before cost nothing. */
function placeHosts(tailnet: Tailnet, effects: Effects): void {
  for (const id of tailnet.records["service-reports"].keys()) {
    const node = tailnet.nodes.get(Number(id));
    if (node === undefined || !takesPart(node)) continue;
    effects.policy.push(tailnet.engine.setNode(policyNodeIn(tailnet, node)));
  }
}
