// Bitsets against plain sets of numbers.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Bitset, difference } from "./bitset.ts";

const numbers = fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 40 });

describe("bitsets", () => {
  test("hold what was added and not deleted, in ascending order", () => {
    fc.assert(
      fc.property(numbers, numbers, (added, deleted) => {
        const set = Bitset.of(added);
        for (const value of deleted) set.delete(value);
        const plain = new Set(added.filter((value) => !deleted.includes(value)));
        const visited: number[] = [];
        set.visit((value) => visited.push(value));
        expect([...set]).toEqual([...plain].sort((a, b) => a - b));
        expect(visited).toEqual([...set]);
        expect(set.size()).toBe(plain.size);
        expect(set.isEmpty()).toBe(plain.size === 0);
        for (let value = 0; value < 300; value++) expect(set.has(value)).toBe(plain.has(value));
      }),
    );
  });

  test("combine as plain sets do, whatever their lengths", () => {
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        const sorted = (values: number[]) => [...new Set(values)].sort((p, q) => p - q);
        const inBoth = a.filter((value) => b.includes(value));
        const joined = Bitset.of(a);
        joined.addAll(Bitset.of(b));
        const kept = Bitset.of(a);
        kept.retainAll(Bitset.of(b));
        const { onlyA, onlyB } = difference(Bitset.of(a), Bitset.of(b));
        expect([...joined]).toEqual(sorted([...a, ...b]));
        expect([...kept]).toEqual(sorted(inBoth));
        expect([...onlyA]).toEqual(sorted(a.filter((value) => !b.includes(value))));
        expect([...onlyB]).toEqual(sorted(b.filter((value) => !a.includes(value))));
        expect(Bitset.of(a).intersects(Bitset.of(b))).toBe(inBoth.length > 0);
      }),
    );
  });

  test("a clone goes its own way", () => {
    const set = Bitset.of([1]);
    const copy = set.clone();
    copy.add(2);
    expect([...set]).toEqual([1]);
  });
});
