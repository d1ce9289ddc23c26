// Applies changes to the state and tells what they did. The only writer of a Tailnet.
import { parsePolicy } from "../policy/parse.ts";
import type { Change, PolicyVersion } from "./change.ts";
import { type Effects, noEffects } from "./effects.ts";
import type { Node, NodeId } from "./entities/node.ts";
import type { User } from "./entities/user.ts";
import { indexNode, policyNodeOf, type Tailnet, unindexNode } from "./tailnet.ts";

/** Applies changes in order. They have been stored, so nothing here may fail. */
export function evolve(tailnet: Tailnet, changes: readonly Change[]): Effects {
  const effects = noEffects();
  for (const change of changes) apply(tailnet, change, effects);
  return effects;
}

function apply(tailnet: Tailnet, change: Change, effects: Effects): void {
  switch (change.type) {
    case "node-put":
      return putNode(tailnet, change.node, effects);
    case "node-removed":
      return removeNode(tailnet, change.id, effects);
    case "user-put":
      return putUser(tailnet, change.user, effects);
    case "auth-key-put":
      tailnet.authKeys.set(change.key.id, change.key);
      return;
    case "api-token-put":
      tailnet.apiTokens.set(change.token.id, change.token);
      return;
    case "pending-put":
      tailnet.pendings.set(change.pending.id, change.pending);
      if (change.pending.state !== "waiting") effects.decidedPendings.add(change.pending.id);
      return;
    case "pending-removed":
      tailnet.pendings.delete(change.id);
      effects.decidedPendings.add(change.id);
      return;
    case "policy-put":
      return putPolicy(tailnet, change.policy, effects);
    case "settings-put":
      tailnet.settings = change.settings;
      effects.hasNewSettings = true;
      return;
    case "counters-put":
      tailnet.counters = change.counters;
      return;
  }
}

function putNode(tailnet: Tailnet, node: Node, effects: Effects): void {
  const before = tailnet.nodes.get(node.id) ?? null;
  if (before !== null) unindexNode(tailnet, before);
  indexNode(tailnet, node);
  noteNode(effects, node.id, before, node);
  if (node.isAuthorized) effects.policy.push(tailnet.engine.setNode(policyNodeOf(node)));
  else if (before?.isAuthorized) effects.policy.push(tailnet.engine.removeNode(node.id));
}

function removeNode(tailnet: Tailnet, id: NodeId, effects: Effects): void {
  const before = tailnet.nodes.get(id);
  if (before === undefined) return;
  unindexNode(tailnet, before);
  noteNode(effects, id, before, null);
  if (before.isAuthorized) effects.policy.push(tailnet.engine.removeNode(id));
}

function noteNode(effects: Effects, id: NodeId, before: Node | null, after: Node | null): void {
  const first = effects.nodes.get(id);
  effects.nodes.set(id, { before: first === undefined ? before : first.before, after });
}

function putUser(tailnet: Tailnet, user: User, effects: Effects): void {
  tailnet.users.set(user.id, user);
  effects.users.add(user.id);
  effects.policy.push(tailnet.engine.setUser({ id: user.id, loginName: user.loginName, role: user.role }));
}

function putPolicy(tailnet: Tailnet, policy: PolicyVersion, effects: Effects): void {
  tailnet.policy = policy;
  const parsed = parsePolicy(policy.text);
  if (!parsed.ok) return; // the command that made the change has compiled this text before
  tailnet.compiledPolicy = parsed.policy;
  effects.policy.push(tailnet.engine.setPolicy(parsed.policy));
}
