// Regional routing: of several routers of a prefix each viewer gets the closest, by relay regions, and is told when that
// is another one; nobody else is.
import { expect, test } from "vitest";
import type { PolicyEngine, PolicyNode } from "./engine.ts";
import { engineOf, type NodeSketch, nodesFrom, policyOf } from "./testing/small-tailnet.ts";

const SUBNET = "10.1.0.0/16";
const USERS = [{ id: 1, loginName: "ann@example.com", role: "owner" as const }];
const EVERYBODY = { grants: [{ src: ["*"], dst: ["*"], ip: ["*"] }] };

const at = (home: number, latencies: Readonly<Record<string, number>> = {}): NodeSketch => ({
  distances: { home, latencies: new Map(Object.entries(latencies).map(([region, ms]) => [Number(region), ms])) },
});
const router = (sketch: NodeSketch): NodeSketch => ({ routes: [SUBNET], ...sketch });

function tailnet<Name extends string>(sketches: Readonly<Record<Name, NodeSketch>>, sections: object = EVERYBODY) {
  const nodes = nodesFrom(sketches);
  return { engine: engineOf(policyOf(sections), USERS, nodes), nodes };
}

/** The router that a viewer is shown the subnet on. */
function routerOf(engine: PolicyEngine, viewer: PolicyNode): number | undefined {
  return engine.peersOf(viewer.id).find((peer) => engine.peerRoutes(viewer.id, peer).allowed.includes(SUBNET));
}

const THREE = {
  east: router(at(1)),
  west: router(at(2)),
  far: router(at(3)),
  inWest: at(2, { 1: 5, 2: 9 }),
  nearFar: at(7, { 1: 50, 2: 40, 3: 20 }),
  lost: at(7, { 8: 1 }),
  silent: at(0),
};

test("a viewer's own region counts first, then what it measured, then the tailnet-wide primary", () => {
  const { engine, nodes } = tailnet(THREE);
  expect(routerOf(engine, nodes.inWest)).toBe(nodes.west.id);
  expect(routerOf(engine, nodes.nearFar)).toBe(nodes.far.id);
  expect(routerOf(engine, nodes.lost)).toBe(nodes.east.id);
  expect(routerOf(engine, nodes.silent)).toBe(nodes.east.id);
});

test("every router that is elected holds the route in its own view, and sees it on the tailnet-wide primary", () => {
  const { engine, nodes } = tailnet({ ...THREE, spare: router(at(2)) });
  for (const { id } of [nodes.east, nodes.west, nodes.far]) expect(engine.ownRoutes(id).primary).toEqual([SUBNET]);
  expect(engine.ownRoutes(nodes.spare.id)).toEqual({ allowed: [SUBNET], primary: [] });
  expect(routerOf(engine, nodes.west)).toBe(nodes.east.id);
});

test("a viewer that moves is told of both routers, and nobody else of anything", () => {
  const { engine, nodes } = tailnet(THREE);
  const effect = engine.setNode({ ...nodes.inWest, ...at(3) });
  expect([...effect.viewers.keys()]).toEqual([nodes.inWest.id]);
  const { added, removed, changed } = effect.viewers.get(nodes.inWest.id) ?? {};
  expect([added, removed, changed]).toEqual([[], [], [nodes.west.id, nodes.far.id]]);
  expect([effect.filters.size, effect.sshPolicies.size, effect.selves.size, effect.primaries.size]).toEqual([
    0, 0, 0, 0,
  ]);
  // Closer to a region, but none in which another router is.
  expect(engine.setNode({ ...nodes.nearFar, ...at(7, { 1: 50, 2: 41, 3: 5 }) }).viewers.size).toBe(0);
});

test("those of a region fail over to the next closest when its router is lost, and come back to it", () => {
  const { engine, nodes } = tailnet(THREE);
  const effect = engine.setNode({ ...nodes.west, isOnline: false });
  expect(routerOf(engine, nodes.inWest)).toBe(nodes.east.id); // by what it measured
  expect([...effect.viewers.keys()]).toEqual([nodes.inWest.id]);
  expect([...effect.selves]).toEqual([nodes.west.id]);
  expect([...effect.primaries]).toEqual([[`${SUBNET} 2`, null]]);
  engine.setNode(nodes.west);
  expect(routerOf(engine, nodes.inWest)).toBe(nodes.west.id);
});

test("of several routers of a region the one that took over stays, as it does in the tailnet", () => {
  const { engine, nodes } = tailnet({ ...THREE, spare: router(at(2)) });
  expect(routerOf(engine, nodes.inWest)).toBe(nodes.west.id);
  engine.setNode({ ...nodes.west, isOnline: false });
  expect(routerOf(engine, nodes.inWest)).toBe(nodes.spare.id);
  expect(engine.setNode(nodes.west).viewers.size).toBe(0);
  expect(routerOf(engine, nodes.inWest)).toBe(nodes.spare.id);
  // The engine takes over what two policies share; where addresses are hidden, it begins anew.
  for (const attr of ["custom:x", "disable-ipv4"]) {
    engine.setPolicy(policyOf({ ...EVERYBODY, nodeAttrs: [{ target: ["*"], attr: [attr] }] }));
    expect(routerOf(engine, nodes.inWest)).toBe(nodes.spare.id);
  }
  const again = engineOf(policyOf(EVERYBODY), USERS, nodes);
  expect(routerOf(again, nodes.inWest)).toBe(nodes.west.id); // an election that nobody remembers
});

test("a region keeps its router when the tailnet elects another one of the region, and prefers the tailnet's at first", () => {
  const { engine, nodes } = tailnet({ spare: router(at(2)), ...THREE });
  expect(routerOf(engine, nodes.silent)).toBe(nodes.spare.id);
  expect(routerOf(engine, nodes.inWest)).toBe(nodes.spare.id);
  engine.setNode({ ...nodes.spare, isOnline: false });
  expect([routerOf(engine, nodes.silent), routerOf(engine, nodes.inWest)]).toEqual([nodes.east.id, nodes.west.id]);
  engine.setNode(nodes.spare);
  engine.setNode({ ...nodes.east, isOnline: false });
  expect([routerOf(engine, nodes.silent), routerOf(engine, nodes.inWest)]).toEqual([nodes.spare.id, nodes.west.id]);
});

test("via grants choose among their own routers alone, by distance too", () => {
  const sections = {
    tagOwners: { "tag:a": [], "tag:b": [] },
    grants: [{ src: ["ann@example.com"], dst: [SUBNET], ip: ["*"], via: ["tag:a"] }],
  };
  const { engine, nodes } = tailnet(
    {
      east: { ...router(at(1)), tags: ["tag:a"] },
      west: { ...router(at(2)), tags: ["tag:a"] },
      other: { ...router(at(3)), tags: ["tag:b"] },
      inWest: at(2),
      inThird: at(3, { 1: 9, 2: 7 }),
    },
    sections,
  );
  expect(routerOf(engine, nodes.inWest)).toBe(nodes.west.id);
  expect(routerOf(engine, nodes.inThird)).toBe(nodes.west.id);
});

test("nothing is elected by region while all routers are in one, or no node tells its distances", () => {
  const near = tailnet({ one: router(at(1)), two: router(at(1)), viewer: at(2) });
  expect([...near.engine.primaries().keys()]).toEqual([SUBNET]);
  const off = tailnet({ one: router({}), two: router({}), viewer: {} });
  expect([...off.engine.primaries().keys()]).toEqual([SUBNET]);
});
