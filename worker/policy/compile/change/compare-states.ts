// Compares all views of one tailnet under two policies (policy.md 26.4, first row). Nodes sit in the same slots in both
// states, so that peers and viewers of routes can be compared as bitsets; lists of ids are made only when somebody reads
// them, since ten thousand of ten thousand ids would not fit.
import type { FilterRule } from "../../../protocol/control/filter-rule.ts";
import type { SSHRule } from "../../../protocol/control/ssh.ts";
import { Bitset, difference } from "../../bitset.ts";
import type { PolicyEffect, ViewerEffect } from "../../effect.ts";
import { isIPv4Hidden, type NodeRecord } from "../nodes/node-record.ts";
import type { TailnetState } from "../tailnet-state.ts";
import { isSameCapMap, oneCGNATKey } from "../views/node-attributes.ts";
import { exitViewersOf, viewersOf } from "../views/route-table.ts";

/** What differs between two states of the same nodes. Filters that stayed equal keep their reference. */
export function compareStates(old: TailnetState, now: TailnetState): PolicyEffect {
  const changed = changedRouters(old, now);
  const ids = Float64Array.from(idsBySlot(now));
  const viewers = new Map<number, ViewerEffect>();
  const filters = new Set<number>();
  const sshPolicies = new Set<number>();
  const capMaps = new Set<number>();
  const selves = new Set<number>();
  const filterComparison = new FilterComparison();
  const sshComparison = new SSHComparison();
  for (const record of now.records) {
    const { id } = record.node;
    const before = old.record(id) as NodeRecord;
    const view = compareView(before, record, old, now, changed, ids);
    if (view !== null) viewers.set(id, view);
    const filter = old.filters.peek(before);
    if (filterComparison.isSame(filter, now.filters.peek(record))) now.filters.adopt(record, old.filters.kept(before));
    else filters.add(id);
    if (!sshComparison.isSame(old.ssh.policyOf(before).rules, now.ssh.policyOf(record).rules)) sshPolicies.add(id);
    if (!isSameAttributes(before, record, old, now)) capMaps.add(id);
    if (isIPv4Hidden(before) !== isIPv4Hidden(record)) selves.add(id);
  }
  return { viewers, filters, sshPolicies, capMaps, primaries: new Map(), selves };
}

function* idsBySlot(state: TailnetState): Generator<number, void> {
  for (let slot = 0; slot < state.slotCount; slot++) yield state.recordIn(slot)?.node.id ?? -1;
}

/** Peers whose routes or addresses are shown differently: slot of the peer → slots of the viewers. */
function changedRouters(old: TailnetState, now: TailnetState): Map<number, Bitset> {
  const changed = new Map<number, Bitset>();
  const mark = (router: number, before: Bitset | undefined, after: Bitset | undefined) => {
    const { onlyA, onlyB } = difference(before ?? new Bitset(), after ?? new Bitset());
    onlyA.addAll(onlyB);
    if (onlyA.isEmpty()) return;
    const known = changed.get(router);
    if (known === undefined) changed.set(router, onlyA);
    else known.addAll(onlyA);
  };
  for (const prefix of now.prefixes.values()) {
    const twin = old.prefixes.get(prefix.text);
    const before = twin === undefined ? new Map<number, Bitset>() : viewersOf(twin, old);
    const after = viewersOf(prefix, now);
    for (const router of new Set([...before.keys(), ...after.keys()])) {
      mark(router, before.get(router), after.get(router));
    }
  }
  now.exitSlots.visit((slot) => {
    mark(slot, exitViewersOf(old.recordAt(slot), old), exitViewersOf(now.recordAt(slot), now));
  });
  for (const record of now.records) {
    const isHidden = isIPv4Hidden(record);
    if (isIPv4Hidden(old.recordAt(record.slot)) !== isHidden) mark(record.slot, undefined, now.peers(record));
  }
  return changed;
}

function compareView(
  before: NodeRecord,
  after: NodeRecord,
  old: TailnetState,
  now: TailnetState,
  changedRouters: ReadonlyMap<number, Bitset>,
  ids: Float64Array,
): ViewerEffect | null {
  const oldPeers = old.peers(before);
  const peers = now.peers(after);
  const { onlyA, onlyB } = difference(oldPeers, peers);
  peers.retainAll(oldPeers);
  // A node that hides its IPv4 address sees nobody's.
  const isAllChanged = isIPv4Hidden(before) !== isIPv4Hidden(after);
  const changed = isAllChanged ? peers : routersChangedFor(after.slot, peers, changedRouters);
  return onlyA.isEmpty() && onlyB.isEmpty() && changed.isEmpty() ? null : new BitsetEffect(onlyB, onlyA, changed, ids);
}

function routersChangedFor(viewer: number, peers: Bitset, changed: ReadonlyMap<number, Bitset>): Bitset {
  const routers = new Bitset();
  for (const [router, viewers] of changed) if (viewers.has(viewer) && peers.has(router)) routers.add(router);
  return routers;
}

/** A viewer's effect that lists ids only when read. */
class BitsetEffect implements ViewerEffect {
  readonly #added: Bitset;
  readonly #removed: Bitset;
  readonly #changed: Bitset;
  readonly #ids: Float64Array;

  constructor(added: Bitset, removed: Bitset, changed: Bitset, ids: Float64Array) {
    this.#added = added;
    this.#removed = removed;
    this.#changed = changed;
    this.#ids = ids;
  }

  get added(): readonly number[] {
    return this.#list(this.#added);
  }

  get removed(): readonly number[] {
    return this.#list(this.#removed);
  }

  get changed(): readonly number[] {
    return this.#list(this.#changed);
  }

  #list(slots: Bitset): readonly number[] {
    const ids: number[] = [];
    slots.visit((slot) => ids.push(this.#ids[slot] as number));
    return ids.sort((a, b) => a - b);
  }
}

function isSameAttributes(before: NodeRecord, after: NodeRecord, old: TailnetState, now: TailnetState): boolean {
  const [a, b] = [old.plan.policy.network, now.plan.policy.network];
  return (
    isSameCapMap(before.class.capMap, after.class.capMap) && oneCGNATKey(a, before.node) === oneCGNATKey(b, after.node)
  );
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
      isSameJson(a.DstPorts, b.DstPorts) &&
      isSameJson(a.CapGrant, b.CapGrant)
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

/** Compares SSH rules by value, each pair once, since destinations share them. */
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

function isSameJson(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
