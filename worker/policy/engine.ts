// The policy engine: answers what each node of a tailnet may see and do, and what a change does to whom (policy.md 13,
// 14, 26). Answers are computed when asked for, from indexes that every change keeps in step; a change costs work in
// proportion to the views that it touches. Pure and synchronous.
import type { CapMap, FilterRule } from "../protocol/control/filter-rule.ts";
import type { SSHPolicy } from "../protocol/control/ssh.ts";
import { applyChange, applyNodes } from "./compile/change/apply-change.ts";
import { compareStates } from "./compile/change/compare-states.ts";
import { NO_EFFECT } from "./compile/change/slot-effect.ts";
import { idsOf } from "./compile/change/slot-ids.ts";
import { isSameNode, type NodeRecord } from "./compile/nodes/node-record.ts";
import { Plan } from "./compile/plan.ts";
import { TailnetState } from "./compile/tailnet-state.ts";
import { oneCGNATKey } from "./compile/views/node-attributes.ts";
import { isElected, maySeeExits, routerFor } from "./compile/views/route-table.ts";
import type { Sight } from "./compile/views/sights.ts";
import type { SSHCheck } from "./compile/views/ssh-policies.ts";
import type { PolicyEffect } from "./effect.ts";
import type { PolicyNode, PolicyUser } from "./inventory.ts";
import type { Policy } from "./policy.ts";

export type { Sight } from "./compile/views/sights.ts";
export type { PolicyEffect, ViewerEffect } from "./effect.ts";
export type { PolicyNode, PolicyUser, PostureValue, RelayDistances, Role } from "./inventory.ts";

/** What an engine starts from. */
export interface PolicyEngineInput {
  readonly policy: Policy;
  readonly users: Iterable<PolicyUser>;
  readonly nodes: Iterable<PolicyNode>;
  /** Primary routers to keep while they are healthy: prefix, or prefix and region → node id, as {@link PolicyEngine.primaries} gave them. */
  readonly primaries?: ReadonlyMap<string, number>;
}

/** Subnet and exit routes, without addresses. */
export interface RouteView {
  /** Entries of AllowedIPs. */
  readonly allowed: readonly string[];
  /** Entries of PrimaryRoutes: the subnet routes of `allowed` for a peer, those held as primary for oneself. */
  readonly primary: readonly string[];
}

const NO_ROUTES: RouteView = { allowed: [], primary: [] };

/** Keeps the views of all nodes of one tailnet; every change reports the views that it touched. */
export class PolicyEngine {
  readonly #users: Map<number, PolicyUser>;
  #state: TailnetState;

  constructor(input: PolicyEngineInput) {
    this.#users = new Map([...input.users].map((user) => [user.id, user]));
    const initial = input.primaries === undefined ? {} : { holders: input.primaries };
    this.#state = TailnetState.load(new Plan(input.policy), this.#users, input.nodes, initial);
  }

  /** Adds or replaces a node; a node that did not change costs O(1). */
  setNode(node: PolicyNode): PolicyEffect {
    return this.setNodes([node]);
  }

  /** Removes a node; unknown ids change nothing. */
  removeNode(id: number): PolicyEffect {
    return this.setNodes([], [id]);
  }

  /** Adds, replaces and removes nodes as one change, which costs less than one after the other. */
  setNodes(nodes: Iterable<PolicyNode>, removed: Iterable<number> = []): PolicyEffect {
    const changed = new Map<number, PolicyNode | null>();
    for (const node of nodes) {
      const old = this.#state.record(node.id);
      if (old === undefined || !isSameNode(old.node, node)) changed.set(this.#state.slotFor(node.id), node);
    }
    for (const id of removed) {
      const record = this.#state.record(id);
      if (record !== undefined) changed.set(record.slot, null);
    }
    return applyNodes(this.#state, changed);
  }

  /** Adds or replaces a user. */
  setUser(user: PolicyUser): PolicyEffect {
    const old = this.#users.get(user.id);
    if (old?.loginName === user.loginName && old.role === user.role) return NO_EFFECT;
    return this.#changeUser(user.id, () => this.#users.set(user.id, user));
  }

  /** Removes a user; nodes that still name it are selected by no selector of users. */
  removeUser(id: number): PolicyEffect {
    return this.#users.has(id) ? this.#changeUser(id, () => this.#users.delete(id)) : NO_EFFECT;
  }

  #changeUser(id: number, apply: () => void): PolicyEffect {
    const nodes = this.#state.slotsOfUser(id).map((slot) => [slot, this.#state.recordAt(slot).node] as const);
    return applyChange(this.#state, { nodes: new Map(nodes), changeUsers: apply });
  }

  /** Puts another policy into force; the effect is found by comparing views. */
  setPolicy(policy: Policy): PolicyEffect {
    const old = this.#state;
    this.#state = old.under(policy);
    return compareStates(old, this.#state);
  }

  /** What {@link setPolicy} would do, and {@link setNode} for each of these nodes after it; nothing changes. */
  foresee(policy: Policy, nodes: Iterable<PolicyNode>): readonly PolicyEffect[] {
    const state = this.#state.under(policy);
    const effects = [compareStates(this.#state, state)];
    for (const node of nodes) {
      const record = state.record(node.id);
      if (record !== undefined && !isSameNode(record.node, node))
        effects.push(applyNodes(state, new Map([[record.slot, node]])));
    }
    return effects;
  }

  /** Ids of the peers that a node sees, ascending. */
  peersOf(id: number): readonly number[] {
    const record = this.#state.record(id);
    if (record === undefined) return [];
    return idsOf(this.#state.peers(record), this.#state.ids);
  }

  /** What a viewer sees, as one object for all viewers that see the same in the same way; undefined: nothing. */
  sightOf(id: number): Sight | undefined {
    const record = this.#state.record(id);
    return record === undefined ? undefined : this.#state.sights.of(record);
  }

  /** Tells whether two nodes see each other; symmetric. */
  isVisible(a: number, b: number): boolean {
    const [left, right] = [this.#state.record(a), this.#state.record(b)];
    return left !== undefined && right !== undefined && this.#state.arePeers(left, right);
  }

  /** The node's packet filter in wire form; the same reference while unchanged, never to be written to. */
  packetFilterOf(id: number): readonly FilterRule[] {
    const record = this.#state.record(id);
    return record === undefined ? [] : this.#state.filters.filterOf(record);
  }

  /** Routes of `peer` in the view of `viewer` (policy.md 14.3); none for nodes that do not see each other. */
  peerRoutes(viewer: number, peer: number): RouteView {
    const [from, to] = [this.#state.record(viewer), this.#state.record(peer)];
    if (from === undefined || to === undefined || to.node.routes.length === 0) return NO_ROUTES;
    if (!this.#state.arePeers(from, to)) return NO_ROUTES;
    const primary = this.#subnetsOf(to, (text) => {
      const prefix = this.#state.prefixes.get(text);
      return prefix !== undefined && routerFor(from, prefix, this.#state) === to.slot;
    });
    return { allowed: maySeeExits(from, to, this.#state.plan) ? [...primary, ...to.exits] : primary, primary };
  }

  /** Routes of the node in its own view (policy.md 14.1). */
  ownRoutes(id: number): RouteView {
    const record = this.#state.record(id);
    if (record === undefined || record.node.routes.length === 0) return NO_ROUTES;
    return {
      allowed: [...record.subnets.map(({ text }) => text), ...record.exits],
      primary: this.#subnetsOf(record, (text) => {
        const prefix = this.#state.prefixes.get(text);
        return prefix !== undefined && isElected(record, prefix);
      }),
    };
  }

  #subnetsOf(record: NodeRecord, isWanted: (text: string) => boolean): readonly string[] {
    return record.subnets.map(({ text }) => text).filter(isWanted);
  }

  /** The node's SSH policy in wire form; null when the node is unknown. */
  sshPolicyOf(id: number): SSHPolicy | null {
    const record = this.#state.record(id);
    return record === undefined ? null : this.#state.ssh.policyOf(record);
  }

  /** Tells whether some rule of ssh has sessions on the node recorded. */
  recordsSSHOn(id: number): boolean {
    const record = this.#state.record(id);
    return record !== undefined && this.#state.ssh.records(record);
  }

  /** The check that a login from one node on another must pass; null when no check rule allows it (policy.md 16.3). */
  sshCheckOf(source: number, destination: number, login: string): SSHCheck | null {
    const [from, to] = [this.#state.record(source), this.#state.record(destination)];
    return from === undefined || to === undefined ? null : this.#state.ssh.checkOf(from, to, login);
  }

  /** Attributes that the policy gives the node. */
  capMapOf(id: number): CapMap {
    const record = this.#state.record(id);
    if (record === undefined) return {};
    const extra = oneCGNATKey(this.#state.plan.policy.network, record.node);
    return extra === undefined ? record.class.capMap : { ...record.class.capMap, [extra]: null };
  }

  /** Attributes that a peer has in every other node's view: an exit node's `suggest-exit-node` (policy.md 17). */
  peerCapMapOf(id: number): CapMap {
    return this.#state.record(id)?.class.isExit === true ? { "suggest-exit-node": null } : {};
  }

  /** Addresses of `peer` in the view of `viewer`, which may be the node itself. */
  addressesOf(viewer: number, peer: number): readonly string[] {
    const [from, to] = [this.#state.record(viewer), this.#state.record(peer)];
    if (from === undefined || to === undefined) return [];
    const ipv4 = from.isIPv4Hidden || to.isIPv4Hidden ? null : to.node.ipv4;
    return [ipv4, to.node.ipv6].filter((address) => address !== null);
  }

  /**
   * Primary router per subnet prefix and, as `<prefix> <region>`, per region of those that elect by region; sticky while
   * healthy, for the caller to store.
   */
  primaries(): ReadonlyMap<string, number> {
    return new Map([...this.#state.elected()].map(([key, slot]) => [key, this.#state.idAt(slot)]));
  }
}
