import { describe, expect, it } from "vitest";
import type { PolicyEffect, ViewerEffect } from "../policy/engine.ts";
import { joinSets, sumViewerEffects } from "./effects.ts";

const EMPTY: PolicyEffect = {
  viewers: new Map(),
  filters: new Set(),
  sshPolicies: new Set(),
  capMaps: new Set(),
  primaries: new Map(),
  selves: new Set(),
};

const viewer = (effect: Partial<ViewerEffect>): PolicyEffect => ({
  ...EMPTY,
  viewers: new Map([[1, { added: [], removed: [], changed: [], ...effect }]]),
});
const added = viewer({ added: [7] });
const removed = viewer({ removed: [7] });
const changed = viewer({ changed: [7] });

describe("sumViewerEffects", () => {
  it.each([
    [[added], "added"],
    [[removed], "removed"],
    [[changed], "changed"],
    [[added, changed], "added"],
    [[added, removed], undefined],
    [[added, removed, added], "added"],
    [[removed, added], "changed"],
    [[removed, added, changed], "changed"],
    [[removed, added, removed], "removed"],
    [[changed, removed], "removed"],
    [[changed, changed], "changed"],
  ] as const)("sums up case %#", (effects, fate) => {
    expect(sumViewerEffects(effects).get(1)?.get(7)).toBe(fate);
  });

  it("keeps viewers and peers apart", () => {
    const effect = { ...EMPTY, viewers: new Map([[2, { added: [8], removed: [9], changed: [] }]]) };
    expect(sumViewerEffects([added, effect])).toEqual(
      new Map([
        [1, new Map([[7, "added"]])],
        [
          2,
          new Map([
            [9, "removed"],
            [8, "added"],
          ]),
        ],
      ]),
    );
  });
});

describe("joinSets", () => {
  it("joins the sets of all effects", () => {
    const effects = [{ ...EMPTY, filters: new Set([1, 2]) }, EMPTY, { ...EMPTY, filters: new Set([2, 3]) }];
    expect(joinSets(effects, (effect) => effect.filters)).toEqual(new Set([1, 2, 3]));
  });
});
