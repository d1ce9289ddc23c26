// Subnet routes: who serves them, who is primary, and in whose view they are shown on whom (policy.md 14).
//
// A prefix is treated like a node that touches every atom that overlaps it: whoever could see such a node may use the
// route. Viewers that reach it through via grants alone are steered to the routers of these grants instead of the
// primary one; where nodes tell their distances, each to the closest.
import type { AddressRange } from "../../../protocol/ip.ts";
import { Bitset } from "../../bitset.ts";
import { overlaps } from "../../prefix-set.ts";
import type { NodeRecord } from "../nodes/node-record.ts";
import type { Atom, Plan, ViaBlock, ViaGrant } from "../plan.ts";
import { closestRegion, homeOf, type RegionalPrimaries } from "./router-election.ts";

/** A subnet prefix that at least one node serves. */
export interface ServedPrefix {
  readonly text: string;
  readonly range: AddressRange;
  /** Routers in order of registration. */
  owners: readonly NodeRecord[];
  /** Slot of the tailnet-wide primary router. */
  primary: number;
  /** Primary routers by region, for viewers who are closer to another one than the tailnet-wide. */
  regional: RegionalPrimaries;
  /** Who may use the prefix, by the atoms with an address in it. */
  access: RouteAccess;
}

/** What the route table reads of the tailnet. */
export interface RouteWorld {
  readonly plan: Plan;
  recordAt(slot: number): NodeRecord;
  /** Slots of the nodes that touch an atom. */
  touching(atom: number): Bitset;
}

/** Who may use a prefix, as atoms: viewers touch one of them. */
export interface RouteAccess {
  /** Atoms with an address in the prefix. */
  readonly overlapped: ReadonlySet<number>;
  /** Sources of rules without via whose destinations overlap the prefix. */
  readonly direct: Bitset;
  /** Destinations of rules whose sources overlap the prefix. */
  readonly reverse: Bitset;
  /** Via grants whose destinations overlap the prefix. */
  readonly via: readonly ViaGrant[];
}

/** The access of nobody. */
export const NO_ACCESS: RouteAccess = {
  overlapped: new Set(),
  direct: new Bitset(),
  reverse: new Bitset(),
  via: [],
};

/** Works out who may use a range, from the atoms with an address in it. */
export function accessTo(range: AddressRange, overlapped: ReadonlySet<number>, plan: Plan): RouteAccess {
  const direct = new Bitset();
  const reverse = new Bitset();
  for (const index of overlapped) {
    const atom = plan.atoms[index] as Atom;
    if (atom.side === "destination") direct.addAll(atom.direct);
    else if (atom.side === "source") reverse.addAll(atom.opposite);
  }
  const via = plan.viaGrants.filter((grant) => grant.blocks.some(({ block }) => meets(block, range)));
  return { overlapped, direct, reverse, via };
}

/** What a prefix is stored under in elections, with the slots of those elected. */
export function* electedFor({ text, primary, regional }: ServedPrefix): Generator<[key: string, slot: number], void> {
  yield [text, primary];
  for (const [region, slot] of regional) yield [electionKey(text, region), slot];
}

/** Names the election of one region. */
export function electionKey(prefix: string, region: number): string {
  return `${prefix} ${region}`;
}

/** The prefix that an election is about. */
export function prefixOfElection(key: string): string {
  const at = key.indexOf(" ");
  return at < 0 ? key : key.slice(0, at);
}

/** Tells whether a router is primary for the prefix, in the tailnet or in its region. */
export function isElected({ slot }: NodeRecord, { primary, regional }: ServedPrefix): boolean {
  if (slot === primary) return true;
  for (const elected of regional.values()) if (slot === elected) return true;
  return false;
}

/** The primary router for a viewer: the one elected in the closest region, else the tailnet-wide one. */
function primaryFor(viewer: NodeRecord, { primary, regional }: ServedPrefix): number {
  if (regional.size === 0) return primary;
  const region = closestRegion(viewer, regional.keys());
  return region === null ? primary : (regional.get(region) as number);
}

/** `reverse` with the destinations of via grants that the router carries and whose sources are the prefix. */
function reverseOf({ access }: ServedPrefix, carrier: number, world: RouteWorld): Bitset {
  const carried = world.plan.steeredRouters.filter(({ selector: { sources, router } }) => {
    const isRouter = world.recordAt(carrier).class.touched.has(router);
    return isRouter && sources.some((source) => access.overlapped.has(source));
  });
  if (carried.length === 0) return access.reverse;
  const reverse = access.reverse.clone();
  for (const { opposite } of carried) reverse.addAll(opposite);
  return reverse;
}

function meets(block: ViaBlock, range: AddressRange): boolean {
  return block.kind === "any" || (block.kind === "literal" && overlaps(block.set, range));
}

/** Slot of the router on which the viewer is shown the prefix; null when it is shown on none. */
export function routerFor(viewer: NodeRecord, prefix: ServedPrefix, world: RouteWorld): number | null {
  const { direct, via } = prefix.access;
  const { touched } = viewer.class;
  if (isOwner(viewer, prefix)) return prefix.primary;
  if (touched.intersects(direct)) return primaryFor(viewer, prefix);
  const grants = via.filter((grant) => grant.sources.some((atom) => touched.has(atom)));
  if (grants.length > 0) return steeredTo(viewer, prefix, grants);
  const primary = primaryFor(viewer, prefix);
  return touched.intersects(reverseOf(prefix, primary, world)) ? primary : null;
}

/** Slot of the router of via grants that a viewer is led to; null when they name none of the prefix. */
function steeredTo(viewer: NodeRecord, prefix: ServedPrefix, grants: readonly ViaGrant[]): number | null {
  const isWanted = (owner: NodeRecord) => grants.some((grant) => isRouterOf(grant, owner));
  if (prefix.regional.size === 0) return byPreference(prefix).find(isWanted)?.slot ?? null;
  const routers = byPreference(prefix).filter(isWanted);
  const online = routers.filter(({ node }) => node.isOnline);
  const region = closestRegion(viewer, online.map(homeOf));
  return (online.find((router) => homeOf(router) === region) ?? routers[0])?.slot ?? null;
}

/** For every router on which the prefix is shown to somebody: the slots of the viewers. The twin of {@link routerFor}. */
export function viewersOf(prefix: ServedPrefix, world: RouteWorld): Map<number, Bitset> {
  if (prefix.regional.size > 0) return viewersByDistance(prefix, world);
  const { direct, via } = prefix.access;
  const viewers = touchingAny(direct, world);
  for (const owner of prefix.owners) viewers.add(owner.slot);
  const steered = new Bitset();
  for (const grant of via) steered.addAll(touchingAny(grant.sources, world));
  steered.deleteAll(viewers);
  const reversed = touchingAny(reverseOf(prefix, prefix.primary, world), world);
  reversed.deleteAll(steered);
  viewers.addAll(reversed);
  const shown = new Map([[prefix.primary, viewers]]);
  for (const router of steered.isEmpty() ? [] : byPreference(prefix)) {
    const group = new Bitset();
    for (const grant of via) if (isRouterOf(grant, router)) group.addAll(touchingAny(grant.sources, world));
    group.retainAll(steered);
    steered.deleteAll(group);
    const known = shown.get(router.slot);
    if (known === undefined) shown.set(router.slot, group);
    else known.addAll(group);
  }
  return shown;
}

/** {@link viewersOf} a prefix for which distance counts: everybody whom it may be shown to is asked. */
function viewersByDistance(prefix: ServedPrefix, world: RouteWorld): Map<number, Bitset> {
  const { direct, via } = prefix.access;
  const viewers = touchingAny(direct, world);
  for (const { slot } of prefix.owners) viewers.add(slot);
  for (const grant of via) viewers.addAll(touchingAny(grant.sources, world));
  const carriers = world.plan.steeredRouters.length === 0 ? [prefix.primary] : prefix.owners.map(({ slot }) => slot);
  for (const slot of carriers) viewers.addAll(touchingAny(reverseOf(prefix, slot, world), world));
  const shown = new Map([[prefix.primary, new Bitset()]]);
  viewers.visit((slot) => {
    const router = routerFor(world.recordAt(slot), prefix, world);
    if (router === null) return;
    const known = shown.get(router);
    if (known === undefined) shown.set(router, Bitset.of([slot]));
    else known.add(slot);
  });
  return shown;
}

function isOwner(viewer: NodeRecord, prefix: ServedPrefix): boolean {
  return prefix.owners.some((owner) => owner.slot === viewer.slot);
}

function isRouterOf(grant: ViaGrant, router: NodeRecord): boolean {
  return grant.tags.some((tag) => router.node.tags.includes(tag));
}

/** Online routers first, each group in order of registration. */
function byPreference(prefix: ServedPrefix): readonly NodeRecord[] {
  const online = prefix.owners.filter(({ node }) => node.isOnline);
  return online.length === prefix.owners.length
    ? online
    : [...online, ...prefix.owners.filter(({ node }) => !node.isOnline)];
}

/** Tells whether the viewer is shown the exit routes of a router. */
export function maySeeExits(viewer: NodeRecord, router: NodeRecord, plan: Plan): boolean {
  return viewer.class.touched.intersects(exitAccess(router, plan));
}

/** Slots of the viewers that are shown the exit routes of a router; empty when it has none. */
export function exitViewersOf(router: NodeRecord, world: RouteWorld): Bitset {
  return touchingAny(exitAccess(router, world.plan), world);
}

/** Source atoms of the rules that grant the internet through this router (policy.md 14.3). */
function exitAccess(router: NodeRecord, plan: Plan): Bitset {
  const access = new Bitset();
  if (router.exits.length === 0) return access;
  access.addAll((plan.atoms[plan.exitNodes] as Atom).direct);
  for (const grant of plan.viaGrants) {
    if (!isRouterOf(grant, router)) continue;
    if (grant.blocks.some(({ block }) => block.kind !== "literal")) for (const atom of grant.sources) access.add(atom);
  }
  return access;
}

function touchingAny(atoms: Iterable<number>, world: RouteWorld): Bitset {
  const slots = new Bitset();
  for (const atom of atoms) slots.addAll(world.touching(atom));
  return slots;
}
