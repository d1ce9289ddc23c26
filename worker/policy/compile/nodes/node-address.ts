// An address of a node with what is derived from it again and again: its text, its hash, and the range that it is.
import { type Address, type AddressRange, formatAddress, parseAddress } from "../../../protocol/ip.ts";
import { type AddressHash, hashAddress } from "./address-hash.ts";

/** A node's address, which is a range of one at the same time. */
export interface NodeAddress extends AddressRange {
  readonly address: Address;
  /** Canonical text. */
  readonly text: string;
  readonly hash: AddressHash;
}

/** Parses addresses; absent and malformed ones are left out. */
export function parseAddresses(texts: readonly (string | null)[]): NodeAddress[] {
  const addresses: NodeAddress[] = [];
  for (const text of texts) {
    const address = text === null ? undefined : parseAddress(text);
    if (address !== undefined) addresses.push(nodeAddress(address));
  }
  return addresses;
}

function nodeAddress(address: Address): NodeAddress {
  return { address, first: address, last: address, text: formatAddress(address), hash: hashAddress(address) };
}

/** Text of a range, without formatting a node's address anew. */
export function rangeText(range: AddressRange | NodeAddress, format: (range: AddressRange) => string): string {
  return "text" in range ? range.text : format(range);
}
