// Growable sets of small non-negative integers, 32 to a word: node slots and selector indexes (policy.md 26.2).

/** A mutable set of small integers. */
export class Bitset {
  words: Uint32Array;

  constructor(words: Uint32Array = new Uint32Array(0)) {
    this.words = words;
  }

  /** A set of the given integers. */
  static of(values: Iterable<number>): Bitset {
    const set = new Bitset();
    for (const value of values) set.add(value);
    return set;
  }

  has(value: number): boolean {
    return ((this.words[value >>> 5] ?? 0) & (1 << (value & 31))) !== 0;
  }

  add(value: number): void {
    const at = value >>> 5;
    if (at >= this.words.length) this.#grow(at + 1);
    this.words[at] = (this.words[at] as number) | (1 << (value & 31));
  }

  delete(value: number): void {
    const at = value >>> 5;
    if (at < this.words.length) this.words[at] = (this.words[at] as number) & ~(1 << (value & 31));
  }

  /** Adds every member of `other`. */
  addAll(other: Bitset): void {
    const from = other.words;
    if (from.length > this.words.length) this.#grow(from.length);
    const to = this.words;
    for (let i = 0; i < from.length; i++) to[i] = (to[i] as number) | (from[i] as number);
  }

  /** Removes every member of `other`. */
  deleteAll(other: Bitset): void {
    const length = Math.min(this.words.length, other.words.length);
    for (let i = 0; i < length; i++) this.words[i] = (this.words[i] as number) & ~(other.words[i] as number);
  }

  /** Keeps only the members that `other` has too. */
  retainAll(other: Bitset): void {
    const from = other.words;
    for (let i = 0; i < this.words.length; i++) this.words[i] = (this.words[i] as number) & (from[i] ?? 0);
  }

  /** Tells whether the two sets share a member. */
  intersects(other: Bitset): boolean {
    const a = this.words;
    const b = other.words;
    const length = Math.min(a.length, b.length);
    for (let i = 0; i < length; i++) if (((a[i] as number) & (b[i] as number)) !== 0) return true;
    return false;
  }

  isEmpty(): boolean {
    const words = this.words;
    for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
    return true;
  }

  /** Number of members. */
  size(): number {
    let size = 0;
    for (let word of this.words) for (; word !== 0; word &= word - 1) size++;
    return size;
  }

  clone(): Bitset {
    return new Bitset(this.words.slice());
  }

  /** Members in ascending order. */
  *[Symbol.iterator](): Generator<number, void> {
    for (let i = 0; i < this.words.length; i++) {
      for (let word = this.words[i] as number; word !== 0; word &= word - 1)
        yield i * 32 + 31 - Math.clz32(word & -word);
    }
  }

  /** Members in ascending order, without an iterator's cost. */
  visit(each: (value: number) => void): void {
    const words = this.words;
    for (let i = 0; i < words.length; i++) {
      for (let word = words[i] as number; word !== 0; word &= word - 1) each(i * 32 + 31 - Math.clz32(word & -word));
    }
  }

  #grow(length: number): void {
    const words = new Uint32Array(Math.max(length, Math.ceil(this.words.length * 1.25)));
    words.set(this.words);
    this.words = words;
  }
}

/** The members of exactly one of two sets: those only in `a`, and those only in `b`. */
export function difference(a: Bitset, b: Bitset): { readonly onlyA: Bitset; readonly onlyB: Bitset } {
  const onlyA = a.clone();
  onlyA.deleteAll(b);
  const onlyB = b.clone();
  onlyB.deleteAll(a);
  return { onlyA, onlyB };
}
