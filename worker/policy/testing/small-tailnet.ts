// A tailnet for tests that look at what a policy means for a handful of nodes: nodes by name, each with addresses far
// enough from every other's that no two of them become one range.
import { PolicyEngine, type PolicyNode, type PolicyUser } from "../engine.ts";
import type { PolicyProblem } from "../parse.ts";
import { type Policy, parsePolicy } from "../parse.ts";

/** What makes a node of a test differ from the bare one. */
export type NodeSketch = Partial<Omit<PolicyNode, "id" | "ipv4" | "ipv6">>;

/** Reads a policy of these sections. @throws Error with all that is wrong with it */
export function policyOf(sections: object, domains?: readonly string[]): Policy {
  const result = parsePolicy(JSON.stringify(sections), domains);
  if (result.ok) return result.policy;
  throw new Error(result.problems.map(({ message }: PolicyProblem) => message).join("; "));
}

/** Nodes with ids from 1 on, in the order given; without a user and tags a node is user 1's. */
export function nodesFrom<Name extends string>(sketches: Readonly<Record<Name, NodeSketch>>): Record<Name, PolicyNode> {
  const entries = Object.entries<NodeSketch>(sketches).map(([name, sketch], i) => {
    const userId = (sketch.tags ?? []).length > 0 ? null : 1;
    const id = i + 1;
    const addresses = { ipv4: `100.64.${id}.7`, ipv6: `fd7a:115c:a1e0::${id}:7` };
    return [name, { id, userId, tags: [], ...addresses, routes: [], isOnline: true, ...sketch }] as const;
  });
  return Object.fromEntries(entries) as Record<Name, PolicyNode>;
}

/** Both addresses of nodes, sorted as SrcIPs are. */
export function addressesOf(nodes: Iterable<PolicyNode>): string[] {
  return [...nodes].flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6].filter((address) => address !== null)).sort();
}

/** An engine over nodes made by {@link nodesFrom}. */
export function engineOf(
  policy: Policy,
  users: Iterable<PolicyUser>,
  nodes: Readonly<Record<string, PolicyNode>>,
): PolicyEngine {
  return new PolicyEngine({ policy, users, nodes: Object.values(nodes) });
}
