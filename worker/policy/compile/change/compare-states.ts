// Compares all views of one tailnet under two policies (policy.md 26.4, first row). Nodes sit in the same slots in both
// states, so that peers and viewers of routes can be compared as bitsets, and by class where classes settle it.
import type { FilterRule, NetPortRange } from "../../../protocol/control/filter-rule.ts";
import type { SSHRule } from "../../../protocol/control/ssh.ts";
import { Bitset, difference } from "../../bitset.ts";
import type { PolicyEffect } from "../../effect.ts";
import type { NodeClass } from "../nodes/node-class.ts";
import type { NodeRecord } from "../nodes/node-record.ts";
import type { TailnetState } from "../tailnet-state.ts";
import { isSameCapMap, oneCGNATKey } from "../views/node-attributes.ts";
import { exitViewersOf, viewersOf } from "../views/route-table.ts";
import { SlotEffect } from "./slot-effect.ts";

/** What differs between two states of the same nodes. Filters that stayed equal keep their reference. */
export function compareStates(old: TailnetState, now: TailnetState): PolicyEffect {
  return new StateComparison(old, now).run();
}

class StateComparison {
  readonly #old: TailnetState;
  readonly #now: TailnetState;
  readonly #effect: SlotEffect;
  /** Peers shown with other routes or addresses than before: slot of the peer → slots of the viewers. */
  readonly #changed = new Map<number, Bitset>();
  readonly #peers = new Map<NodeClass, Map<NodeClass, PeerDifference>>();
  readonly #filters = new FilterComparison();
  readonly #sshRules = new SSHComparison();

  constructor(old: TailnetState, now: TailnetState) {
    this.#old = old;
    this.#now = now;
    this.#effect = new SlotEffect(now.ids);
  }

  run(): PolicyEffect {
    this.#compareRoutes();
    for (const record of this.#now.records) {
      const before = this.#old.recordAt(record.slot);
      this.#compareView(before, record);
      this.#compareFilter(before, record);
      this.#compareOwn(before, record);
    }
    return this.#effect;
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

  #compareView(before: NodeRecord, after: NodeRecord): void {
    const { added, removed, kept } = this.#comparePeers(before, after);
    const changed = new Bitset();
    // A node that hides its IPv4 address sees nobody's.
    if (before.isIPv4Hidden !== after.isIPv4Hidden) changed.addAll(kept);
    for (const [router, viewers] of this.#changed) {
      if (viewers.has(after.slot) && kept.has(router)) changed.add(router);
    }
    if (removed.isEmpty() && added.isEmpty() && changed.isEmpty()) return;
    const view = this.#effect.viewOf(after.slot);
    for (const [slots, found] of [
      [view.addedSlots, added],
      [view.removedSlots, removed],
      [view.changedSlots, changed],
    ] as const) {
      slots.addAll(found);
      slots.delete(after.slot);
    }
  }

  /** Compares peers once for all nodes that share both classes, unless devices of their user play a part. */
  #comparePeers(before: NodeRecord, after: NodeRecord): PeerDifference {
    if (this.#old.hasSelfPeers(before) || this.#now.hasSelfPeers(after)) {
      return peerDifference(this.#old.peers(before), this.#now.peers(after));
    }
    const byClass = this.#peers.get(before.class) ?? new Map<NodeClass, PeerDifference>();
    this.#peers.set(before.class, byClass);
    const known = byClass.get(after.class);
    if (known !== undefined) return known;
    const found = peerDifference(this.#old.peersOfClass(before.class), this.#now.peersOfClass(after.class));
    byClass.set(after.class, found);
    return found;
  }

  #compareFilter(before: NodeRecord, after: NodeRecord): void {
    if (this.#filters.isSame(this.#old.filters.peek(before), this.#now.filters.peek(after))) {
      this.#now.filters.adopt(after, this.#old.filters.kept(before));
    } else {
      this.#effect.filterSlots.add(after.slot);
    }
  }

  #compareOwn(before: NodeRecord, after: NodeRecord): void {
    const { id } = after.node;
    const rules = this.#now.ssh.policyOf(after).rules;
    if (!this.#sshRules.isSame(this.#old.ssh.policyOf(before).rules, rules)) this.#effect.sshSlots.add(after.slot);
    const [was, is] = [this.#old.plan.policy.network, this.#now.plan.policy.network];
    const isSame =
      isSameCapMap(before.class.capMap, after.class.capMap) &&
      oneCGNATKey(was, before.node) === oneCGNATKey(is, after.node);
    if (!isSame) this.#effect.capMaps.add(id);
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

/** Compares filters by value; SrcIPs, which many filters share, are compared once a pair. */
class FilterComparison {
  readonly #sources = new Map<readonly string[], Map<readonly string[], boolean>>();

  isSame(a: readonly FilterRule[], b: readonly FilterRule[]): boolean {
    return a.length === b.length && a.every((rule, i) => this.#isSameRule(rule, b[i] as FilterRule));
  }

  #isSameRule(a: FilterRule, b: FilterRule): boolean {
    return (
      this.#isSameSources(a.SrcIPs, b.SrcIPs) &&
      a.IPProto?.[0] === b.IPProto?.[0] &&
      isSameTargets(a.DstPorts ?? [], b.DstPorts ?? []) &&
      (a.CapGrant === b.CapGrant || JSON.stringify(a.CapGrant) === JSON.stringify(b.CapGrant))
    );
  }

  #isSameSources(a: readonly string[], b: readonly string[]): boolean {
    const known = this.#sources.get(a)?.get(b);
    if (known !== undefined) return known;
    const isSame = a.length === b.length && a.every((text, i) => text === b[i]);
    this.#sources.set(a, (this.#sources.get(a) ?? new Map<readonly string[], boolean>()).set(b, isSame));
    return isSame;
  }
}

function isSameTargets(a: readonly NetPortRange[], b: readonly NetPortRange[]): boolean {
  return a.length === b.length && a.every((target, i) => isSameTarget(target, b[i] as NetPortRange));
}

function isSameTarget(a: NetPortRange, b: NetPortRange): boolean {
  return a.IP === b.IP && a.Ports.First === b.Ports.First && a.Ports.Last === b.Ports.Last;
}

/** Compares SSH rules by value, each rule read once, since destinations share them. */
class SSHComparison {
  readonly #texts = new Map<SSHRule, string>();

  isSame(a: readonly SSHRule[], b: readonly SSHRule[]): boolean {
    return a.length === b.length && a.every((rule, i) => this.#text(rule) === this.#text(b[i] as SSHRule));
  }

  #text(rule: SSHRule): string {
    const known = this.#texts.get(rule);
    if (known !== undefined) return known;
    const text = JSON.stringify(rule);
    this.#texts.set(rule, text);
    return text;
  }
}
