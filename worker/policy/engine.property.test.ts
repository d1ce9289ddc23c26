// The engine after any series of changes against one that was built afresh, and the effects that it reported on the way
// against a comparison of everything that every node sees.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { NO_EFFECT } from "./compile/change/slot-effect.ts";
import { type PolicyEffect, PolicyEngine, type PolicyNode, type PolicyUser } from "./engine.ts";
import { type Policy, parsePolicy } from "./parse.ts";
import { checkEffect, type View, viewsOf } from "./testing/compare-views.ts";
import {
  type Change,
  change,
  changeByDistance,
  node,
  nodeWithDistances,
  policyText,
  user,
} from "./testing/random-tailnet.ts";

function parsed(text: string): Policy {
  const result = parsePolicy(text, ["example.com"]);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.policy;
}

/** Viewers with one sight see the same peers in the same way, but for themselves; and a sight never changes. */
function checkSights(
  engine: PolicyEngine,
  views: ReadonlyMap<number, View>,
  seen: Map<object, ReadonlyMap<number, string>>,
): void {
  for (const [id, { peers }] of views) {
    const sight = engine.sightOf(id);
    expect(sight?.ids.filter((peer) => peer !== id)).toEqual([...peers.keys()]);
    const alike = sight && seen.get(sight);
    for (const [peer, view] of peers) expect(alike?.get(peer) ?? view).toBe(view);
    if (sight !== undefined) seen.set(sight, new Map([...(alike ?? []), ...peers]));
  }
}

class World {
  readonly nodes = new Map<number, PolicyNode>();
  readonly users = new Map<number, PolicyUser>();
  policy: Policy;
  readonly engine: PolicyEngine;

  constructor(text: string, users: readonly PolicyUser[], nodes: readonly PolicyNode[]) {
    this.policy = parsed(text);
    for (const one of users) this.users.set(one.id, one);
    for (const one of nodes) this.nodes.set(one.id, one);
    this.engine = new PolicyEngine({ policy: this.policy, users: this.users.values(), nodes: this.nodes.values() });
  }

  apply(step: Change): PolicyEffect {
    switch (step.kind) {
      case "set-node":
        return this.#setNode(step.node);
      case "alter-node":
        return this.#alterNode(step.id, () => step.to);
      case "flip-online":
        return this.#alterNode(step.id, ({ isOnline }) => ({ isOnline: !isOnline }));
      case "remove-node":
        this.nodes.delete(step.id);
        return this.engine.removeNode(step.id);
      case "set-user":
        this.users.set(step.user.id, step.user);
        return this.engine.setUser(step.user);
      case "remove-user":
        this.users.delete(step.id);
        return this.engine.removeUser(step.id);
      case "set-policy":
        this.policy = parsed(step.text);
        return this.engine.setPolicy(this.policy);
    }
  }

  #alterNode(id: number, to: (node: PolicyNode) => Partial<PolicyNode>): PolicyEffect {
    const old = this.nodes.get(id);
    if (old === undefined) return this.engine.removeNode(id);
    const changed = { ...old, ...to(old) };
    const isTaken = [...this.nodes.values()].some((other) => other.id !== id && other.ipv4 === changed.ipv4);
    return this.#setNode(isTaken ? { ...changed, ipv4: old.ipv4 } : changed);
  }

  #setNode(changed: PolicyNode): PolicyEffect {
    this.nodes.set(changed.id, changed);
    return this.engine.setNode(changed);
  }

  fresh(): PolicyEngine {
    return new PolicyEngine({
      policy: this.policy,
      users: this.users.values(),
      nodes: this.nodes.values(),
      primaries: this.engine.primaries(),
    });
  }
}

const tailnetOf = (one: fc.Arbitrary<PolicyNode>) =>
  fc.record({
    text: policyText,
    users: fc.uniqueArray(user, { selector: ({ id }) => id, maxLength: 3 }),
    nodes: fc.uniqueArray(one, { selector: ({ id }) => id, maxLength: 7 }),
  });
const tailnet = tailnetOf(node);

const RUNS = 500;

test.each([
  { title: "any", start: tailnet, step: change },
  { title: "with routers at distances", start: tailnetOf(nodeWithDistances), step: changeByDistance },
])(
  "after any series of changes every view is as if built afresh, and effects name all that differs: $title",
  ({ start, step: anyStep }) => {
    fc.assert(
      fc.property(start, fc.array(anyStep, { maxLength: 8 }), ({ text, users, nodes }, steps) => {
        const world = new World(text, users, nodes);
        let before = viewsOf(world.engine, world.nodes.keys());
        let primaries = world.engine.primaries();
        const sights = new Map<object, ReadonlyMap<number, string>>();
        checkSights(world.engine, before, sights);
        for (const step of steps) {
          const wasHiding = world.policy.text.includes("disable-ipv4");
          const effect = world.apply(step);
          const after = viewsOf(world.engine, world.nodes.keys());
          expect(after).toEqual(viewsOf(world.fresh(), world.nodes.keys()));
          checkSights(world.engine, after, sights);
          checkEffect(before, after, effect, !wasHiding && !world.policy.text.includes("disable-ipv4"));
          for (const prefix of new Set([...primaries.keys(), ...world.engine.primaries().keys()])) {
            const now = world.engine.primaries().get(prefix) ?? null;
            if (now !== (primaries.get(prefix) ?? null)) expect(effect.primaries.get(prefix)).toBe(now);
          }
          before = after;
          primaries = world.engine.primaries();
        }
      }),
      { numRuns: RUNS },
    );
  },
);

test("visibility is symmetric and the list of peers agrees with single pairs", () => {
  fc.assert(
    fc.property(tailnet, ({ text, users, nodes }) => {
      const { engine, nodes: all } = new World(text, users, nodes);
      for (const a of all.keys()) {
        for (const b of all.keys()) {
          expect(engine.isVisible(a, b)).toBe(engine.peersOf(b).includes(a));
          expect(engine.isVisible(a, b)).toBe(engine.isVisible(b, a));
        }
      }
    }),
    { numRuns: RUNS },
  );
});

/** An effect by value. */
function plain({ viewers, filters, sshPolicies, capMaps, primaries, selves }: PolicyEffect) {
  const seen = [...viewers].map(([id, { added, removed, changed }]) => [id, added, removed, changed] as const);
  return { viewers: seen, filters, sshPolicies, capMaps, primaries, selves };
}

test("what a policy and changed nodes would do is foreseen exactly, and looking ahead changes nothing", () => {
  fc.assert(
    fc.property(tailnet, policyText, fc.array(node, { maxLength: 3 }), ({ text, users, nodes }, next, others) => {
      const { engine, nodes: present } = new World(text, users, nodes);
      const before = viewsOf(engine, present.keys());
      const primaries = engine.primaries();
      const changed = others.flatMap(({ routes }, i) => (nodes[i] === undefined ? [] : [{ ...nodes[i], routes }]));
      const foreseen = engine.foresee(parsed(next), changed).map(plain);
      expect(viewsOf(engine, present.keys())).toEqual(before);
      expect(engine.primaries()).toEqual(primaries);
      const happened = [engine.setPolicy(parsed(next)), ...changed.map((one) => engine.setNode(one))].map(plain);
      const nothing = plain(NO_EFFECT);
      const isSomething = (effect: object, i: number) => i === 0 || !isDeepStrictEqual(effect, nothing);
      expect(foreseen.filter(isSomething)).toEqual(happened.filter(isSomething));
    }),
    { numRuns: RUNS },
  );
});
