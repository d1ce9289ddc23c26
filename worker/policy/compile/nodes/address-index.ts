// All node addresses of a tailnet in numeric order: finds the nodes inside a range, and walks sets of nodes in the order
// in which their addresses are written into a packet filter.
import type { Address, AddressRange } from "../../../protocol/ip.ts";
import type { Bitset } from "../../bitset.ts";
import type { NodeAddress } from "./node-address.ts";

interface Entry {
  readonly at: NodeAddress;
  readonly slot: number;
}

/** Addresses with the slots of their nodes, sorted. Two nodes may hold the same address while one is replaced. */
export class AddressIndex {
  #entries: Entry[] = [];

  /** An index of its own with the same content. */
  clone(): AddressIndex {
    const clone = new AddressIndex();
    clone.#entries = this.#entries.slice();
    return clone;
  }

  /** Fills an empty index at once. */
  load(entries: readonly Entry[]): void {
    this.#entries = [...entries].sort((a, b) =>
      a.at.address < b.at.address ? -1 : a.at.address > b.at.address ? 1 : 0,
    );
  }

  add(at: NodeAddress, slot: number): void {
    this.#entries.splice(this.#firstFrom(at.address), 0, { at, slot });
  }

  delete({ address }: NodeAddress, slot: number): void {
    for (let i = this.#firstFrom(address); this.#entries[i]?.at.address === address; i++) {
      if (this.#entries[i]?.slot === slot) {
        this.#entries.splice(i, 1);
        return;
      }
    }
  }

  /** Slots of the nodes with an address in the range; a node with two is named twice. */
  slotsIn(range: AddressRange): number[] {
    const slots: number[] = [];
    for (let i = this.#firstFrom(range.first); i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry;
      if (entry.at.address > range.last) break;
      slots.push(entry.slot);
    }
    return slots;
  }

  /** The addresses of a set of nodes, ascending. `addressesOf` gives those of one slot. */
  addressesOf(slots: Bitset, addressesOf: (slot: number) => readonly NodeAddress[]): NodeAddress[] {
    const addresses: NodeAddress[] = [];
    // Sorting a few beats walking all; walking all beats sorting many.
    if (slots.size() * 16 > this.#entries.length) {
      for (const { at, slot } of this.#entries) if (slots.has(slot)) addresses.push(at);
      return addresses;
    }
    slots.visit((slot) => addresses.push(...addressesOf(slot)));
    return addresses.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }

  #firstFrom(address: Address): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as Entry).at.address < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
