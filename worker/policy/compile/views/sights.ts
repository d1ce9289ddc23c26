// Sights: what many viewers see alike. Viewers of one class, under the same rules to autogroup:self, see the same peers,
// each in the same way, but for themselves; whoever encodes peers does it once per sight and not once per viewer.
import type { Bitset } from "../../bitset.ts";
import { idsOf, type SlotIds } from "../change/slot-ids.ts";
import type { NodeRecord } from "../nodes/node-record.ts";

/** The peers of all viewers to whom it belongs; good until anything changes that the policy looks at. */
export interface Sight {
  /** Who is seen, ascending. A viewer that is among them does not see itself. */
  readonly ids: readonly number[];
}

/** What sights are found from. */
export interface SightWorld {
  readonly ids: SlotIds;
  /** Slots of those whom a node sees, with or without itself. */
  seenBy(record: NodeRecord): Bitset;
  hasSelfPeers(record: NodeRecord): boolean;
  /** What tells viewers of one class apart by their distance from routers; empty when nothing does. */
  steeringOf(record: NodeRecord): string;
}

/** Sights kept; policies that tell more kinds of viewers apart have few nodes of each. */
const SIGHTS_MAX = 64;

/** The sights of a tailnet that were asked for since it last changed. */
export class Sights {
  readonly #world: SightWorld;
  readonly #known = new Map<string, Sight>();

  constructor(world: SightWorld) {
    this.#world = world;
  }

  /** The sight of a viewer; the same object for all who share it. */
  of(record: NodeRecord): Sight {
    const key = this.#keyOf(record);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= SIGHTS_MAX) this.#known.delete(this.#known.keys().next().value ?? "");
    const sight = { ids: idsOf(this.#world.seenBy(record), this.#world.ids) };
    this.#known.set(key, sight);
    return sight;
  }

  /** Forgets all of them: something changed. */
  clear(): void {
    this.#known.clear();
  }

  /** A router sees its own prefixes in a way of its own (policy.md 14.3). */
  #keyOf(record: NodeRecord): string {
    const { node, isIPv4Hidden } = record;
    const user = this.#world.hasSelfPeers(record) ? node.userId : "";
    const router = node.routes.length > 0 ? node.id : "";
    return `${record.class.key} ${isIPv4Hidden} ${user} ${router} ${this.#world.steeringOf(record)}`;
  }
}
