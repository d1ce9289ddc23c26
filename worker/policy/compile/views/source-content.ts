// What a source template stands for at the moment: which nodes, a key that equal contents share, and the SrcIPs that are
// sent (policy.md 9.3). Nodes join and leave at constant cost; SrcIPs are rendered when somebody asks.
import { type AddressRange, formatRange } from "../../../protocol/ip.ts";
import { contains, type PrefixSet, prefixSet, subtract, TAILNET_RANGES } from "../../prefix-set.ts";
import { type AddressHash, addHash, hashRanges, hashText, NO_ADDRESSES, removeHash } from "../nodes/address-hash.ts";
import { type NodeAddress, rangeText } from "../nodes/node-address.ts";
import type { ParsedNode } from "../nodes/node-record.ts";
import { type Atom, atomLiteral, type Plan, type SourceTemplate } from "../plan.ts";

/** What rendering reads of the tailnet. */
export interface SourceWorld {
  readonly plan: Plan;
  /** Addresses of the nodes that are members of an atom, ascending. */
  memberAddresses(atoms: readonly number[]): readonly NodeAddress[];
  /** Addresses inside the set whose nodes do not touch the atom, in any order. */
  failingAddresses(atom: number, set: PrefixSet): readonly AddressRange[];
  /** Every effective subnet route, and a text that equal lists of them share. */
  readonly subnetRoutes: { readonly texts: readonly string[]; readonly key: string };
}

/** The content of one source template. */
export class SourceContent {
  readonly template: SourceTemplate;
  readonly #literalHash: AddressHash;
  #memberAddresses = 0;
  #hash: AddressHash;
  #key: string | null = null;
  #rendered: readonly string[] | null = null;

  constructor(template: SourceTemplate) {
    this.template = template;
    this.#literalHash = hashRanges(template.literal);
    this.#hash = this.#literalHash;
  }

  /** The same content for the template with the same key of another plan. */
  copyFor(template: SourceTemplate): SourceContent {
    const copy = new SourceContent(template);
    copy.#memberAddresses = this.#memberAddresses;
    copy.#hash = this.#hash;
    copy.#key = this.#key;
    copy.#rendered = this.#rendered;
    return copy;
  }

  /** Adds the addresses of a node. */
  join(node: ParsedNode): void {
    this.#memberAddresses += node.addresses.length;
    this.#hash = addHash(this.#hash, this.#hashOf(node));
    this.forget();
  }

  /** Removes the addresses of a node that joined with the same ones. */
  leave(node: ParsedNode): void {
    this.#memberAddresses -= node.addresses.length;
    this.#hash = removeHash(this.#hash, this.#hashOf(node));
    this.forget();
  }

  /** Drops what was rendered; for changes that `join` and `leave` do not see. */
  forget(): void {
    this.#key = null;
    this.#rendered = null;
  }

  #hashOf({ addresses }: ParsedNode): AddressHash {
    let sum = NO_ADDRESSES;
    for (const { address, hash } of addresses) {
      if (!contains(this.template.literal, address)) sum = addHash(sum, hash);
    }
    return sum;
  }

  /** True when the template stands for no address at all. */
  isEmpty(world: SourceWorld): boolean {
    const { template } = this;
    if (template.hasDangerAll || template.literal.length > 0 || this.#memberAddresses > 0) return false;
    const isEvident = !template.hasAny && !template.isNarrowed;
    return isEvident || this.render(world).length === 0;
  }

  /** A text that two contents share exactly when their SrcIPs are equal. */
  key(world: SourceWorld): string {
    this.#key ??= this.#makeKey(world);
    return this.#key;
  }

  /** The key as far as it is known without rendering; else a text that is nobody's key. */
  knownKey(world: SourceWorld): string {
    return this.#key !== null || !this.#isKeyText() ? this.key(world) : "unknown";
  }

  /** Lists that hold more than the plain union are rare; their text itself is the key. */
  #isKeyText(): boolean {
    const { hasDangerAll, hasAny, isNarrowed, atoms } = this.template;
    return !hasDangerAll && (isNarrowed || (hasAny && atoms.length > 1));
  }

  #makeKey(world: SourceWorld): string {
    const { template } = this;
    if (template.hasDangerAll) return "*";
    if (this.#isKeyText()) return this.render(world).join(" ");
    return template.hasAny ? `any ${world.subnetRoutes.key} ${hashText(this.#hash)}` : hashText(this.#hash);
  }

  /** SrcIPs: sorted bytewise, without duplicates. */
  render(world: SourceWorld): readonly string[] {
    this.#rendered ??= this.#renderNow(world);
    return this.#rendered;
  }

  #renderNow(world: SourceWorld): readonly string[] {
    const { template } = this;
    if (template.hasDangerAll) return ["*"];
    if (!template.hasAny) return renderRanges(this.#ranges(world, template.atoms)).sort();
    const texts = new Set(world.subnetRoutes.texts);
    for (const atom of template.atoms) {
      for (const text of renderRanges(this.#ranges(world, [atom]))) texts.add(text);
    }
    return [...texts].sort();
  }

  #ranges(world: SourceWorld, atoms: readonly number[]): PrefixSet {
    const ranges: AddressRange[] = [...world.memberAddresses(atoms)];
    for (const index of atoms) {
      for (const range of literalOf(world.plan.atoms[index] as Atom, world)) ranges.push(range);
    }
    return prefixSet(ranges);
  }
}

/** Literal addresses of an atom, without those of nodes that fail its postures. */
function literalOf(atom: Atom, world: SourceWorld): PrefixSet {
  // `*` as a destination becomes SrcIPs in reversed companions, where it means the tailnet (policy.md 10).
  if (atom.selector.kind === "any" && atom.side === "destination") return TAILNET_RANGES;
  const set = atomLiteral(atom) ?? [];
  if (atom.postures === null || set.length === 0) return set;
  return subtract(set, prefixSet(world.failingAddresses(atom.index, set)));
}

function renderRanges(ranges: PrefixSet): string[] {
  return ranges.map((range) => rangeText(range, formatRange));
}
