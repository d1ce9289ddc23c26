// The tailnet as the policy engine would see it under another policy: for tests, previews and comparisons.
import type { PolicyNode, PolicyUser } from "../policy/engine.ts";
import type { Policy } from "../policy/parse.ts";
import { type Node, takesPart } from "./entities/node.ts";
import { withServices } from "./service-hosts.ts";
import { policyNodeIn, type Tailnet } from "./tailnet.ts";

/** What an engine would be built from. */
export interface PolicyTrial {
  /** With the addresses of Services. */
  readonly policy: Policy;
  readonly users: readonly PolicyUser[];
  readonly nodes: readonly PolicyNode[];
}

/** The tailnet under a policy, with nodes as given. */
export function underPolicy(
  tailnet: Tailnet,
  policy: Policy,
  nodes: Iterable<Node> = tailnet.nodes.values(),
): PolicyTrial {
  const world = { ...tailnet, compiledPolicy: policy };
  return {
    policy: withServices(policy, tailnet.records.services.values()),
    users: [...tailnet.users.values()],
    nodes: [...nodes].filter(takesPart).map((node) => policyNodeIn(world, node)),
  };
}
