// Compares all views of one tailnet under two policies (policy.md 26.4, first row). Nodes sit in the same slots in both
// states, so that peers and viewers of routes can be compared as bitsets; what classes, users and filter templates settle
// is compared once for all nodes that share them.
import type { SSHRule } from "../../../protocol/control/ssh.ts";
import { Bitset, difference } from "../../bitset.ts";
import type { PolicyEffect } from "../../effect.ts";
import type { NodeClass } from "../nodes/node-class.ts";
import type { NodeRecord } from "../nodes/node-record.ts";
import type { TailnetState } from "../tailnet-state.ts";
import { type FilterTemplate, isSameTemplate } from "../views/filter-template.ts";
import { isSameCapMap, oneCGNATKey } from "../views/node-attributes.ts";
import { exitViewersOf, viewersOf } from "../views/route-table.ts";
import { SlotEffect } from "./slot-effect.ts";

/** What differs between two states of the same nodes. Filters that stayed equal keep their reference. */
export function compareStates(old: TailnetState, now: TailnetState): PolicyEffect {
  return new StateComparison(old, now).run();
}

/** What is known of nodes that are of one class under each policy. */
interface ClassPair {
  readonly isSameCapMap: boolean;
  /** Peers but for autogroup:self. */
  readonly peers: PeerDifference;
  readonly hasSamePeers: boolean;
  /** User, null for tagged nodes → whether the SSH policy is the same. */
  readonly ssh: Map<number | null, boolean>;
}

class StateComparison {
  readonly #old: TailnetState;
  readonly #now: TailnetState;
  readonly #effect: SlotEffect;
  /** Peers shown with other routes or addresses than before: slot of the peer → slots of the viewers. */
  readonly #changed = new Map<number, Bitset>();
  readonly #pairs = new Map<NodeClass, Map<NodeClass, ClassPair>>();
  /** Users of whose devices other ones than before are sources of rules to autogroup:self. */
  readonly #selfUsers = new Set<number>();
  readonly #templates = new Map<FilterTemplate, Map<FilterTemplate, boolean>>();
  readonly #sshRules = new SSHComparison();

  constructor(old: TailnetState, now: TailnetState) {
    this.#old = old;
    this.#now = now;
    this.#effect = new SlotEffect(now.ids);
  }

  run(): PolicyEffect {
    this.#compareRoutes();
    this.#compareSelfSources();
    for (const record of this.#now.records) {
      const before = this.#old.recordAt(record.slot);
      const pair = this.#pairOf(before.class, record.class);
      this.#compareView(before, record, pair);
      this.#compareFilter(before, record);
      this.#compareSSH(before, record, pair);
      this.#compareOwn(before, record, pair);
    }
    return this.#effect;
  }

  #pairOf(before: NodeClass, after: NodeClass): ClassPair {
    const pairs = this.#pairs.get(before) ?? new Map<NodeClass, ClassPair>();
    this.#pairs.set(before, pairs);
    const known = pairs.get(after);
    if (known !== undefined) return known;
    const peers = peerDifference(this.#old.peersOfClass(before), this.#now.peersOfClass(after));
    const pair = {
      isSameCapMap: isSameCapMap(before.capMap, after.capMap),
      peers,
      hasSamePeers: peers.added.isEmpty() && peers.removed.isEmpty(),
      ssh: new Map<number | null, boolean>(),
    };
    pairs.set(after, pair);
    return pair;
  }

  #compareRoutes(): void {
    for (const prefix of this.#now.prefixes.values()) {
      const twin = this.#old.prefixes.get(prefix.text);
      const before = twin === undefined ? new Map<number, Bitset>() : viewersOf(twin, this.#old);
      const after = viewersOf(prefix, this.#now);
      for (const router of new Set([...before.keys(), ...after.keys()])) {
        this.#noteChanged(router, before.get(router), after.get(router));
      }
    }
    this.#now.exitSlots.visit((slot) => {
      const before = exitViewersOf(this.#old.recordAt(slot), this.#old);
      this.#noteChanged(slot, before, exitViewersOf(this.#now.recordAt(slot), this.#now));
    });
    for (const record of this.#now.records) {
      if (this.#old.recordAt(record.slot).isIPv4Hidden === record.isIPv4Hidden) continue;
      this.#noteChanged(record.slot, undefined, this.#now.peers(record));
    }
  }

  #noteChanged(router: number, before: Bitset | undefined, after: Bitset | undefined): void {
    const { onlyA, onlyB } = difference(before ?? new Bitset(), after ?? new Bitset());
    onlyA.addAll(onlyB);
    if (onlyA.isEmpty()) return;
    const known = this.#changed.get(router);
    if (known === undefined) this.#changed.set(router, onlyA);
    else known.addAll(onlyA);
  }

  #compareSelfSources(): void {
    for (const record of this.#now.records) {
      const { userId } = record.node;
      const wasSource = this.#old.recordAt(record.slot).class.isSelfSource;
      if (userId !== null && wasSource !== record.class.isSelfSource) this.#selfUsers.add(userId);
    }
  }

  #compareView(before: NodeRecord, after: NodeRecord, pair: ClassPair): void {
    const hasSamePeers = pair.hasSamePeers && !this.#selfUsers.has(after.node.userId ?? -1);
    const isMoved = before.isIPv4Hidden !== after.isIPv4Hidden;
    if (hasSamePeers && !isMoved && this.#changed.size === 0) return;
    const { added, removed, kept } = this.#comparePeers(before, after, pair);
    const changed = new Bitset();
    // A node that hides its IPv4 address sees nobody's.
    if (isMoved) changed.addAll(kept);
    for (const [router, viewers] of this.#changed) {
      if (viewers.has(after.slot) && kept.has(router)) changed.add(router);
    }
    if (removed.isEmpty() && added.isEmpty() && changed.isEmpty()) return;
    const view = this.#effect.viewers.viewOf(after.slot);
    for (const [slots, found] of [
      [view.addedSlots, added],
      [view.removedSlots, removed],
      [view.changedSlots, changed],
    ] as const) {
      slots.addAll(found);
      slots.delete(after.slot);
    }
  }

  #comparePeers(before: NodeRecord, after: NodeRecord, pair: ClassPair): PeerDifference {
    const hasSelfPeers = this.#old.hasSelfPeers(before) || this.#now.hasSelfPeers(after);
    return hasSelfPeers ? peerDifference(this.#old.peers(before), this.#now.peers(after)) : pair.peers;
  }

  #compareFilter(before: NodeRecord, after: NodeRecord): void {
    const [was, is] = [this.#old.filters.templateOf(before), this.#now.filters.templateOf(after)];
    if (before.isIPv4Hidden === after.isIPv4Hidden && this.#isSameTemplate(was, is)) {
      this.#now.filters.adopt(after, this.#old.filters.kept(before));
    } else {
      this.#effect.filterSlots.add(after.slot);
    }
  }

  #isSameTemplate(was: FilterTemplate, is: FilterTemplate): boolean {
    const known = this.#templates.get(was)?.get(is);
    if (known !== undefined) return known;
    const found = isSameTemplate(was, is);
    this.#templates.set(was, (this.#templates.get(was) ?? new Map<FilterTemplate, boolean>()).set(is, found));
    return found;
  }

  #compareSSH(before: NodeRecord, after: NodeRecord, { ssh }: ClassPair): void {
    const userId = after.node.tags.length > 0 ? null : after.node.userId;
    const isOfOneNode = this.#old.ssh.isOfOneNode(before) || this.#now.ssh.isOfOneNode(after);
    const known = isOfOneNode ? undefined : ssh.get(userId);
    const isSamePolicy =
      known ?? this.#sshRules.isSame(this.#old.ssh.policyOf(before).rules, this.#now.ssh.policyOf(after).rules);
    ssh.set(userId, isSamePolicy);
    if (!isSamePolicy) this.#effect.sshSlots.add(after.slot);
  }

  #compareOwn(before: NodeRecord, after: NodeRecord, pair: ClassPair): void {
    const { id } = after.node;
    const [was, is] = [this.#old.plan.policy.network, this.#now.plan.policy.network];
    const hasSameKey = oneCGNATKey(was, before.node) === oneCGNATKey(is, after.node);
    if (!pair.isSameCapMap || !hasSameKey) this.#effect.capMaps.add(id);
    if (before.isIPv4Hidden !== after.isIPv4Hidden) this.#effect.selves.add(id);
  }
}

/** Peers under two policies; all three may hold the viewer itself. */
interface PeerDifference {
  readonly added: Bitset;
  readonly removed: Bitset;
  readonly kept: Bitset;
}

function peerDifference(old: Bitset, now: Bitset): PeerDifference {
  const { onlyA: removed, onlyB: added } = difference(old, now);
  const kept = now.clone();
  kept.retainAll(old);
  return { added, removed, kept };
}

/** Compares SSH rules by value, each rule read once, since destinations share them. */
class SSHComparison {
  readonly #texts = new Map<SSHRule, string>();

  isSame(a: readonly SSHRule[], b: readonly SSHRule[]): boolean {
    return a.length === b.length && a.every((rule, i) => this.#isSameRule(rule, b[i] as SSHRule));
  }

  #isSameRule(a: SSHRule, b: SSHRule): boolean {
    return a === b || this.#text(a) === this.#text(b);
  }

  #text(rule: SSHRule): string {
    const known = this.#texts.get(rule);
    if (known !== undefined) return known;
    const text = JSON.stringify(rule);
    this.#texts.set(rule, text);
    return text;
  }
}
