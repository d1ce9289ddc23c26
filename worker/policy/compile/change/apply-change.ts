// Applies a change of nodes or users to a tailnet's state and finds whose views it touched (policy.md 26.4). The work is
// in proportion to what is touched: a node's own classification, the sources that list it, and those who see it.

import type { Bitset } from "../../bitset.ts";
import type { PolicyEffect } from "../../effect.ts";
import type { PolicyNode } from "../../inventory.ts";
import { emptyJournal, type Journal } from "../journal.ts";
import { isSelected } from "../nodes/node-class.ts";
import { hasSameAddresses, hasSameRoutes, type NodeRecord, parseNode } from "../nodes/node-record.ts";
import type { SSHTemplate } from "../plan.ts";
import type { TailnetState } from "../tailnet-state.ts";
import { isSameCapMap, oneCGNATKey } from "../views/node-attributes.ts";
import { NO_EFFECT, SlotEffect } from "./slot-effect.ts";
import { SnapshotComparison, takeSnapshot } from "./view-snapshot.ts";

/** What is to change. */
export interface TailnetChange {
  /** Slot → the node that it holds from now on, null to empty it. */
  readonly nodes: ReadonlyMap<number, PolicyNode | null>;
  /** Changes the users, if any, between the old views and the new; their nodes must be among `nodes`. */
  readonly changeUsers?: () => void;
}

/** A node concerned by a change, before and after it. */
interface Transition {
  readonly slot: number;
  readonly old: NodeRecord | undefined;
  readonly now: NodeRecord | undefined;
  /** Whether filters and SSH rules may speak of the node, or to it, in another way than before. */
  readonly isRestated: boolean;
}

/** Puts or removes nodes by slot; one that still stands as before costs no more than finding that out. */
export function applyNodes(state: TailnetState, nodes: TailnetChange["nodes"]): PolicyEffect {
  const moved = new Map<number, PolicyNode | null>();
  const capMaps = new Set<number>();
  const { network } = state.plan.policy;
  for (const [slot, node] of nodes) {
    const old = state.recordIn(slot);
    if (old === undefined || node === null || !state.standsAsBefore(old, node)) {
      moved.set(slot, node);
      continue;
    }
    state.refresh(slot, node);
    if (oneCGNATKey(network, old.node) !== oneCGNATKey(network, node)) capMaps.add(node.id);
  }
  if (moved.size === 0) return capMaps.size === 0 ? NO_EFFECT : { ...NO_EFFECT, capMaps };
  const effect = applyChange(state, { nodes: moved });
  for (const id of capMaps) effect.capMaps.add(id);
  return effect;
}

/** Applies a change; the effect on everybody's views. */
export function applyChange(state: TailnetState, change: TailnetChange): SlotEffect {
  const routers = routersToReclassify(state, change.nodes);
  const prefixes = prefixesOf(state, change.nodes, routers);
  const concerned = [...change.nodes.keys(), ...routers];
  const before = takeSnapshot(state, concerned, prefixes);

  change.changeUsers?.();
  const journal = emptyJournal();
  for (const [slot, node] of change.nodes) state.replace(slot, node, journal);
  for (const slot of routers) state.reclassify(slot, journal);
  // A router that was replaced may have been classified before a node behind its routes was.
  for (const slot of change.nodes.size > 1 ? change.nodes.keys() : []) {
    if ((state.recordIn(slot)?.subnets ?? []).length > 0) state.reclassify(slot, journal);
  }
  state.settlePrefixes(journal, (election) => {
    const holder = before.primaries.get(election);
    return holder === undefined ? null : (state.record(holder)?.slot ?? null);
  });

  const after = takeSnapshot(state, concerned, prefixes);
  const effect = new SlotEffect(state.ids);
  new SnapshotComparison(before, after, state, effect).run();
  const isUserChanged = change.changeUsers !== undefined;
  const transitions = concerned.map((slot) => {
    const old = before.nodes.get(slot)?.record;
    const now = after.nodes.get(slot)?.record;
    // A router's filter names the nodes behind its routes, so that theirs is its change too.
    return { slot, old, now, isRestated: isUserChanged || routers.has(slot) || isRestated(old, now) };
  });
  compareFilters(state, transitions, journal, effect);
  compareSSH(state, transitions, effect);
  compareAttributes(state, transitions, effect);
  return effect;
}

/** Routers whose classification depends on the addresses of a node that changes, before or after. */
function routersToReclassify(state: TailnetState, nodes: TailnetChange["nodes"]): Set<number> {
  const routers = new Set<number>();
  for (const [slot, node] of nodes) {
    const old = state.recordIn(slot);
    const before = old === undefined ? [] : parseNode(old.node, false, old).addresses;
    const after = node === null ? [] : parseNode(node, false, old).addresses;
    const addresses = before === after ? after : [...before, ...after];
    for (const router of state.routersOver(addresses)) if (!nodes.has(router)) routers.add(router);
  }
  return routers;
}

/** Prefixes that a concerned node serves, before or after. */
function prefixesOf(state: TailnetState, nodes: TailnetChange["nodes"], routers: ReadonlySet<number>): Set<string> {
  const prefixes = new Set<string>();
  const add = (subnets: NodeRecord["subnets"]) => {
    for (const { text } of subnets) prefixes.add(text);
  };
  for (const [slot, node] of nodes) {
    const old = state.recordIn(slot);
    add(old?.subnets ?? []);
    if (node !== null) add(parseNode(node, false, old).subnets);
  }
  for (const slot of routers) add(state.recordAt(slot).subnets);
  return prefixes;
}

function isRestated(old: NodeRecord | undefined, now: NodeRecord | undefined): boolean {
  if (old === undefined || now === undefined) return true;
  return (
    old.class.key !== now.class.key ||
    old.node.userId !== now.node.userId ||
    old.node.tags.length !== now.node.tags.length ||
    !hasSameAddresses(old, now) ||
    !hasSameRoutes(old, now)
  );
}

function compareFilters(
  state: TailnetState,
  transitions: readonly Transition[],
  journal: Journal,
  effect: SlotEffect,
): void {
  const slots = effect.filterSlots;
  for (const { slot, old, now, isRestated } of transitions) {
    if (!isRestated) continue;
    slots.add(slot);
    // Rules to autogroup:self list all devices of a user.
    if (state.plan.selfSources.length > 0) addUserSlots(state, [old, now], slots);
  }
  const sources = [...journal.sources].filter(([source, key]) => state.contentOf(source).key(state) !== key);
  state.filters.addHolders(new Set(sources.map(([source]) => source)), slots);
  state.filters.regroup(slots);
  state.filters.forget(slots);
  dropEmpty(slots, transitions);
}

function addUserSlots(state: TailnetState, records: readonly (NodeRecord | undefined)[], slots: Bitset): void {
  for (const record of records) {
    const userId = record?.node.userId ?? null;
    if (userId !== null) for (const slot of state.slotsOfUser(userId)) slots.add(slot);
  }
}

/** Nodes that are gone have no views. */
function dropEmpty(slots: Bitset, transitions: readonly Transition[]): void {
  for (const { slot, now } of transitions) if (now === undefined) slots.delete(slot);
}

function compareSSH(state: TailnetState, transitions: readonly Transition[], effect: SlotEffect): void {
  const slots = effect.sshSlots;
  const restated = transitions.filter(({ isRestated }) => isRestated);
  for (const { slot, old } of restated) if (state.plan.ssh.length > 0 || old === undefined) slots.add(slot);
  for (const template of state.plan.ssh) {
    const moved = restated.filter(({ old, now }) => isNamedBy(template, old) || isNamedBy(template, now));
    if (moved.length === 0) continue;
    state.ssh.forget(template);
    for (const atom of template.destinations) slots.addAll(state.touching(atom));
    const reachesUsers = template.rule.toSelf || template.rule.localpartDomains.length > 0;
    if (reachesUsers) for (const { old, now } of moved) addUserSlots(state, [old, now], slots);
  }
  dropEmpty(slots, transitions);
}

function isNamedBy(template: SSHTemplate, record: NodeRecord | undefined): boolean {
  if (record === undefined) return false;
  return isSelected(record.class, template.sources) || isSelected(record.class, template.recorders);
}

function compareAttributes(state: TailnetState, transitions: readonly Transition[], effect: SlotEffect): void {
  const { network } = state.plan.policy;
  for (const { old, now } of transitions) {
    if (now === undefined) continue;
    const isSame =
      old !== undefined &&
      isSameCapMap(old.class.capMap, now.class.capMap) &&
      oneCGNATKey(network, old.node) === oneCGNATKey(network, now.node);
    if (!isSame) effect.capMaps.add(now.node.id);
  }
}
