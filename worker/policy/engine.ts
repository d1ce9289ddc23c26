// The policy engine: answers what each node of a tailnet may see and do, and what a change does to whom (policy.md 26).
// Under construction: the types are final, the methods follow.
import type { CapMap, FilterRule } from "../protocol/control/filter-rule.ts";
import type { SSHPolicy } from "../protocol/control/ssh.ts";
import type { PolicyEffect } from "./effect.ts";
import type { PolicyNode, PolicyUser } from "./inventory.ts";
import type { Policy } from "./parse.ts";

export type { PolicyEffect, ViewerEffect } from "./effect.ts";
export type { PolicyNode, PolicyUser, PostureValue, Role } from "./inventory.ts";

/** What an engine starts from. */
export interface PolicyEngineInput {
  readonly policy: Policy;
  readonly users: Iterable<PolicyUser>;
  readonly nodes: Iterable<PolicyNode>;
  /** Primary routers to keep while they are healthy: prefix → node id, as {@link PolicyEngine.primaries} gave them. */
  readonly primaries?: ReadonlyMap<string, number>;
}

/** Subnet and exit routes, without addresses. */
export interface RouteView {
  /** Entries of AllowedIPs. */
  readonly allowed: readonly string[];
  /** Entries of PrimaryRoutes: those of `allowed` that are not exit routes (for a peer), or held as primary (for oneself). */
  readonly primary: readonly string[];
}

/** Keeps the views of all nodes of one tailnet; every change reports the views it touched. */
export declare class PolicyEngine {
  constructor(input: PolicyEngineInput);
  /** Adds or replaces a node; a node that did not change costs O(1). */
  setNode(node: PolicyNode): PolicyEffect;
  /** Removes a node; unknown ids change nothing. */
  removeNode(id: number): PolicyEffect;
  /** Adds or replaces a user. */
  setUser(user: PolicyUser): PolicyEffect;
  /** Removes a user; nodes that still name it keep a user that no selector matches. */
  removeUser(id: number): PolicyEffect;
  /** Puts another policy into force; the effect is found by comparing views. */
  setPolicy(policy: Policy): PolicyEffect;
  /** Ids of the peers that a node sees, ascending. */
  peersOf(id: number): readonly number[];
  /** Tells whether two nodes see each other; symmetric. */
  isVisible(a: number, b: number): boolean;
  /** The node's packet filter in wire form; the same reference while unchanged, never to be written to. */
  packetFilterOf(id: number): readonly FilterRule[];
  /** Routes of `peer` in the view of `viewer` (policy.md 14.3). */
  peerRoutes(viewer: number, peer: number): RouteView;
  /** Routes of the node in its own view (policy.md 14.1). */
  ownRoutes(id: number): RouteView;
  /** The node's SSH policy in wire form; null when the node is unknown. */
  sshPolicyOf(id: number): SSHPolicy | null;
  /** Attributes that the policy gives the node. */
  capMapOf(id: number): CapMap;
  /** Primary router per subnet prefix; sticky while healthy, for the caller to store. */
  primaries(): ReadonlyMap<string, number>;
}
