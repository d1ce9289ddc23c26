import { describe, expect, it } from "vitest";
import { nodeKey, TestTailnet } from "../../test/support/tailnet-builder.ts";
import type { PolicyEffect, ViewerEffect } from "../policy/engine.ts";
import { endsStreams, joinSets, losesItsKey, sumEffectsOn, sumViewerEffects } from "./effects.ts";
import type { Node } from "./entities/node.ts";

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

describe("sumViewerEffects and sumEffectsOn", () => {
  // What streams that may have been opened at any time are told, and what has become of a peer in the end.
  it.each([
    [[added], "added", "added"],
    [[removed], "removed", "removed"],
    [[changed], "changed", "changed"],
    [[added, changed], "added", "added"],
    [[added, removed], "removed", undefined],
    [[added, removed, added], "added", "added"],
    [[removed, added], "added", "changed"],
    [[removed, added, changed], "added", "changed"],
    [[removed, added, removed], "removed", "removed"],
    [[changed, removed], "removed", "removed"],
    [[changed, changed], "changed", "changed"],
  ] as const)("sum up case %#", (effects, told, fate) => {
    expect(sumViewerEffects(effects).get(1)?.get(7)).toBe(told);
    expect(sumEffectsOn(1, effects).get(7)).toBe(fate);
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

describe("a node's key and its streams", () => {
  const t = new TestTailnet();
  const node: Node = { ...t.join({ machine: 1, key: 1, authKey: t.authKey(t.user("ann")) }), isOnline: true };
  const { now } = t;
  const gone: Partial<Node> = { isOnline: false };
  const expired: Partial<Node> = { ...gone, keyExpiresAt: now };
  const unauthorised: Partial<Node> = { isAuthorized: false };

  it.each<[string, Partial<Node>, Partial<Node> | null, boolean, boolean]>([
    ["is deleted", {}, null, true, true],
    ["rotates its key", {}, { nodeKey: nodeKey(2) }, true, true],
    ["loses its approval", {}, unauthorised, true, true],
    ["loses its user to a suspension", {}, { isUserBarred: true }, true, true],
    ["has its user back", { isUserBarred: true }, {}, false, true],
    ["is expired by a command", {}, expired, true, true],
    ["expired by time and is taken offline", { keyExpiresAt: now }, expired, true, true],
    ["was expired already", expired, { ...expired, name: "other" }, false, false],
    ["logs in again with the same key", expired, gone, false, true],
    ["is approved", unauthorised, {}, false, true],
    ["is approved while its key is expired", { ...expired, ...unauthorised }, expired, false, false],
    ["reports endpoints", {}, { endpoints: ["198.51.100.9:1"] }, false, false],
    ["goes offline", {}, gone, false, false],
    ["waits for approval and reports", unauthorised, { ...unauthorised, name: "other" }, false, false],
  ])("when the node %s", (_what, before, after, losesKey, endsThem) => {
    const effect = { before: { ...node, ...before }, after: after && { ...node, ...after } };
    expect([losesItsKey(effect, now), endsStreams(effect, now)]).toEqual([losesKey, endsThem]);
  });

  it("are not ended for a node that is new", () => {
    expect([losesItsKey({ before: null, after: node }, now), endsStreams({ before: null, after: node }, now)]).toEqual([
      false,
      false,
    ]);
    expect(endsStreams({ before: null, after: null }, now)).toBe(false);
  });
});
