// Routes that the policy approves by itself (policy.md 15), as additions to the stored approvals: when a node begins to
// advertise them, and when a new policy begins to approve them. What an administrator withdrew stays withdrawn until
// then; what was approved because of an owner goes when the node changes hands.
import { approvedByPolicy } from "../../../policy/authority.ts";
import type { Policy } from "../../../policy/parse.ts";
import { advertisedRoutes } from "../../../protocol/control/hostinfo.ts";
import { hasSameOwner, type Node } from "../../entities/node.ts";
import { policyNodeOf, type Tailnet } from "../../tailnet.ts";

/** The node after a report or a login, with the approvals that it has earned; `before` is null for a new node. */
export function approveAdvertised(tailnet: Tailnet, before: Node | null, after: Node): Node {
  const policy = tailnet.compiledPolicy;
  if (before !== null && hasSameOwner(before, after)) {
    const known = new Set(advertisedRoutes(before.hostinfo));
    const added = advertisedRoutes(after.hostinfo).filter((route) => !known.has(route));
    return withRoutes(after, new Set(), approved(tailnet, policy, after, added));
  }
  const lost = before === null ? [] : approved(tailnet, policy, before, before.approvedRoutes);
  return withRoutes(after, new Set(lost), approved(tailnet, policy, after, advertisedRoutes(after.hostinfo)));
}

/** The node with what a new policy approves and the present one does not. */
export function approveUnderPolicy(tailnet: Tailnet, policy: Policy, node: Node): Node {
  const advertised = advertisedRoutes(node.hostinfo);
  if (advertised.length === 0) return node;
  const already = new Set(approved(tailnet, tailnet.compiledPolicy, node, advertised));
  const added = approved(tailnet, policy, node, advertised).filter((route) => !already.has(route));
  return withRoutes(node, new Set(), added);
}

function approved(tailnet: Tailnet, policy: Policy, node: Node, routes: readonly string[]): readonly string[] {
  if (routes.length === 0) return [];
  const user = node.userId === null ? undefined : tailnet.users.get(node.userId);
  const subject = { ...policyNodeOf(node), loginName: user?.loginName ?? null, role: user?.role ?? null };
  return approvedByPolicy(policy, subject, routes);
}

function withRoutes(node: Node, removed: ReadonlySet<string>, added: readonly string[]): Node {
  const present = new Set(node.approvedRoutes);
  const missing = added.filter((route) => !present.has(route));
  const kept = node.approvedRoutes.filter((route) => !removed.has(route) || added.includes(route));
  if (missing.length === 0 && kept.length === node.approvedRoutes.length) return node;
  return { ...node, approvedRoutes: [...kept, ...missing].sort() };
}
