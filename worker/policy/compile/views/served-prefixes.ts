// The subnet prefixes of a tailnet with their routers, kept in step with the nodes.
import type { AddressRange } from "../../../protocol/ip.ts";
import type { Journal } from "../journal.ts";
import type { NodeAddress } from "../nodes/node-address.ts";
import type { NodeRecord } from "../nodes/node-record.ts";
import { electedFor, electionKey, NO_ACCESS, type RouteAccess, type ServedPrefix } from "./route-table.ts";
import { electByRegion, electPrimary, NO_REGIONS } from "./router-election.ts";

/** Every effective subnet route, sorted, and a text that equal lists of them share. */
export interface SubnetRoutes {
  readonly texts: readonly string[];
  readonly key: string;
}

/** Served prefixes by canonical text. */
export class ServedPrefixes {
  readonly byText = new Map<string, ServedPrefix>();
  #routes: SubnetRoutes = { texts: [], key: "" };

  /** The same prefixes for records that replace the ones of their slots; access is to be worked out anew. */
  cloneFor(recordAt: (slot: number) => NodeRecord): ServedPrefixes {
    const clone = new ServedPrefixes();
    for (const [text, prefix] of this.byText) {
      clone.byText.set(text, { ...prefix, owners: prefix.owners.map(({ slot }) => recordAt(slot)) });
    }
    clone.#routes = this.#routes;
    return clone;
  }

  get routes(): SubnetRoutes {
    return this.#routes;
  }

  /** Adds a router to the prefixes that it serves. */
  add(record: NodeRecord, journal: Journal): void {
    for (const { text, range } of record.subnets) {
      journal.prefixes.add(text);
      const known = this.byText.get(text);
      if (known === undefined) {
        const primary = record.slot;
        this.byText.set(text, { text, range, owners: [record], primary, regional: NO_REGIONS, access: NO_ACCESS });
      } else {
        known.owners = [...known.owners, record].sort((a, b) => a.node.id - b.node.id);
      }
    }
  }

  /** Removes a router from the prefixes that it served. */
  remove(record: NodeRecord, journal: Journal): void {
    for (const { text } of record.subnets) {
      journal.prefixes.add(text);
      const known = this.byText.get(text);
      if (known !== undefined) known.owners = known.owners.filter((owner) => owner.slot !== record.slot);
    }
  }

  /** Puts a record in the place of the one in its slot. */
  refresh(record: NodeRecord): void {
    for (const { text } of record.subnets) {
      const prefix = this.byText.get(text);
      if (prefix === undefined) continue;
      prefix.owners = prefix.owners.map((owner) => (owner.slot === record.slot ? record : owner));
    }
  }

  /** Slots of the routers with a route that contains one of these addresses. There are none in a sane tailnet. */
  routersOver(addresses: readonly NodeAddress[]): number[] {
    return this.#routersWhere(({ first, last }) =>
      addresses.some(({ address }) => first <= address && address <= last),
    );
  }

  /** Slots of the routers with a route that contains the address of some node. */
  routersOverNodes(slotsIn: (range: AddressRange) => readonly number[]): number[] {
    return this.#routersWhere((range) => slotsIn(range).length > 0);
  }

  #routersWhere(isWanted: (range: AddressRange) => boolean): number[] {
    const slots = new Set<number>();
    for (const { range, owners } of this.byText.values()) {
      if (isWanted(range)) for (const owner of owners) slots.add(owner.slot);
    }
    return [...slots];
  }

  /**
   * Elects primaries and works out access anew for the prefixes of a journal, after all of a change's replacements.
   * @param holderOf slot of the present holder by election, as {@link elected} names them
   * @returns whether the list of routes is not what it was
   */
  settle(
    prefixes: Iterable<string>,
    holderOf: (election: string) => number | null,
    accessTo: (range: AddressRange) => RouteAccess,
  ): boolean {
    let isListChanged = false;
    for (const text of prefixes) {
      const prefix = this.byText.get(text);
      if (prefix === undefined) continue;
      isListChanged ||= prefix.owners.length === 0 || !this.#routes.texts.includes(text);
      if (prefix.owners.length === 0) {
        this.byText.delete(text);
        continue;
      }
      prefix.primary = electPrimary(prefix.owners, holderOf(text));
      prefix.regional = electByRegion(prefix.owners, prefix.primary, (region) => holderOf(electionKey(text, region)));
      prefix.access = accessTo(prefix.range);
    }
    return isListChanged;
  }

  /** Who was elected: prefix, or prefix and region → slot. */
  *elected(): Generator<[key: string, slot: number], void> {
    for (const prefix of this.byText.values()) yield* electedFor(prefix);
  }

  /** The prefixes of which viewers are led to different routers by distance. */
  regional(): ServedPrefix[] {
    return [...this.byText.values()].filter(({ regional }) => regional.size > 0);
  }

  /** Lists the routes anew. */
  list(): void {
    const texts = [...this.byText.keys()].sort();
    this.#routes = { texts, key: texts.join(" ") };
  }
}
