// The changes that touch what the policy gives nodes (policy.md 26.4), on their way through evolve: after each of them the
// policy engine is as if built afresh from the tailnet, its effects name all that differs, and what the policy does not
// see costs it nothing.
import fc from "fast-check";
import { beforeEach, expect, it } from "vitest";
import { TestTailnet } from "../../test/support/tailnet-builder.ts";
import { NO_EFFECT } from "../policy/compile/change/slot-effect.ts";
import { PolicyEngine, type Role } from "../policy/engine.ts";
import { parsePolicy } from "../policy/parse.ts";
import { checkEffect, type SaidEffect, type View, viewsOf } from "../policy/testing/compare-views.ts";
import { policyText } from "../policy/testing/random-tailnet.ts";
import type { Change } from "./change.ts";
import { joinSets, type PeerFate, sumViewerEffects } from "./effects.ts";
import { type Node, takesPart } from "./entities/node.ts";
import type { User } from "./entities/user.ts";
import { underPolicy } from "./policy-trial.ts";

const ROUTES = ["10.1.0.0/16", "10.1.2.0/24", "192.168.0.0/24", "0.0.0.0/0", "::/0", "100.64.0.4/30"];
const TAGS = ["tag:a", "tag:b", "tag:router", "tag:exit"];
const ROLES: readonly Role[] = ["owner", "admin", "member", "auditor"];

const AT = fc.nat(5);

/** What happens, to a node or a user by place. What few policies ask for comes more often, so that none is left out. */
const step = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("tags"),
      at: AT,
      tags: fc.subarray(TAGS, { minLength: 1, maxLength: 2 }),
    }),
  },
  fc.record({ kind: fc.constant("owner"), at: AT, user: fc.nat(1) }),
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("routes"), at: AT, routes: fc.subarray(ROUTES, { maxLength: 3 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("posture"),
      at: AT,
      isUp: fc.boolean(),
      OS: fc.constantFrom("macOS", "linux"),
    }),
  },
  fc.record({ kind: fc.constant("presence"), at: AT, isOnline: fc.boolean() }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("approval"), at: AT, isAuthorized: fc.boolean() }) },
  fc.record({
    kind: fc.constant("distance"),
    at: AT,
    home: fc.nat(2),
    latencies: fc.dictionary(fc.constantFrom("1-v4", "2-v6", "3-v4"), fc.constantFrom(0.01, 0.1)),
  }),
  fc.record({ kind: fc.constant("regional routing"), isRegional: fc.boolean() }),
  fc.record({ kind: fc.constant("removal"), at: AT }),
  fc.record({ kind: fc.constant("endpoints"), at: AT, port: fc.integer({ min: 1, max: 9 }) }),
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("suspension"), user: fc.nat(1), isSuspended: fc.boolean() }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("role"), user: fc.nat(1), role: fc.constantFrom(...ROLES) }),
  },
  fc.record({ kind: fc.constant("login"), user: fc.nat(1), domain: fc.constantFrom("example.com", "example.org") }),
  fc.record({ kind: fc.constant("user removal"), user: fc.nat(1) }),
  // Groups are in the file: their members, rules, tags and postures change with it.
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("file"), text: policyText }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

let t: TestTailnet;

beforeEach(() => start());

/** Two users with two devices each, and two more nodes with tags; everything is advertised by all of them. */
function start(policy?: string): void {
  t = new TestTailnet(policy === undefined ? {} : { policy });
  const users = [t.user("ann", "owner"), t.user("bob")];
  const hostinfo = { Hostname: "node", OS: "macOS", RoutableIPs: ROUTES };
  for (let machine = 1; machine <= 6; machine++) {
    const user = users[machine % 2] as User;
    const node = t.join({ machine, key: machine, authKey: t.authKey(user), hostinfo });
    if (machine > 4) t.apply([{ type: "node-put", node: { ...node, userId: null, tags: ["tag:a"] } }]);
  }
}

function at<T>(items: Iterable<T>, index: number): T | undefined {
  const list = [...items];
  return list[index % list.length];
}

/** The change of a step; nothing when it has nothing to change. */
function changesOf(what: Step): Change[] {
  if (what.kind === "file") {
    const policy = { text: what.text, isDefault: false, savedAt: t.now, author: "" };
    const parsed = parsePolicy(what.text);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return [{ type: "policy-put", policy, compiled: parsed.policy }];
  }
  if (what.kind === "regional routing") {
    return [{ type: "settings-put", settings: { ...t.tailnet.settings, isRegionalRoutingOn: what.isRegional } }];
  }
  return "at" in what ? nodeChanges(what) : userChanges(what);
}

function nodeChanges(what: Extract<Step, { at: number }>): Change[] {
  const node = at(t.tailnet.nodes.values(), what.at);
  if (node === undefined) return [];
  if (what.kind === "removal") return [{ type: "node-removed", id: node.id }];
  const altered = alteration(node, what);
  return altered === undefined ? [] : [{ type: "node-put", node: { ...node, ...altered } }];
}

function alteration(node: Node, what: Extract<Step, { at: number }>): Partial<Node> | undefined {
  if ("tags" in what) return { userId: null, tags: what.tags };
  if ("user" in what) {
    const user = at(t.tailnet.users.values(), what.user);
    return user && { userId: user.id, tags: [] };
  }
  if ("routes" in what) return { approvedRoutes: what.routes };
  if ("isUp" in what) {
    const up = { "custom:up": { value: true, expiresAt: null } };
    return { hostinfo: { ...node.hostinfo, OS: what.OS }, attributes: what.isUp ? up : {} };
  }
  if ("home" in what) {
    const NetInfo = { PreferredDERP: what.home, DERPLatency: what.latencies };
    return { homeDerp: what.home, hostinfo: { ...node.hostinfo, NetInfo } };
  }
  if ("isOnline" in what) return { isOnline: what.isOnline, disconnectedAt: null };
  if ("isAuthorized" in what) return { isAuthorized: what.isAuthorized };
  return { endpoints: [`198.51.100.1:${"port" in what ? what.port : 0}`] };
}

function userChanges(what: Exclude<Step, { at: number } | { text: string } | { isRegional: boolean }>): Change[] {
  const user = at(t.tailnet.users.values(), what.user);
  if (user === undefined) return [];
  if ("isSuspended" in what) return [{ type: "user-put", user: { ...user, isSuspended: what.isSuspended } }];
  if ("role" in what) return [{ type: "user-put", user: { ...user, role: what.role } }];
  if ("domain" in what) {
    const loginName = `${user.loginName.split("@")[0]}@${what.domain}`;
    return [{ type: "user-put", user: { ...user, loginName } }];
  }
  const nodes = [...t.tailnet.nodes.values()].filter(({ userId }) => userId === user.id);
  return [
    ...nodes.map(({ id }) => ({ type: "node-removed" as const, id })),
    ...[...t.tailnet.authKeys.values()]
      .filter((key) => key.userId === user.id)
      .map(({ id }) => ({ type: "auth-key-removed" as const, id })),
    { type: "user-removed", id: user.id },
  ];
}

function participants(): number[] {
  return [...t.tailnet.nodes.values()].filter(takesPart).map(({ id }) => id);
}

/** The views of an engine that knows nothing of what happened, but which routers were primary. */
function freshViews(): Map<number, View> {
  const trial = underPolicy(t.tailnet, t.tailnet.compiledPolicy);
  return viewsOf(new PolicyEngine({ ...trial, primaries: t.tailnet.engine.primaries() }), participants());
}

/** What the effects of a step say together. */
function said(): SaidEffect {
  const { policy } = t.effects;
  const present = new Set(participants());
  const sum = sumViewerEffects(policy, (viewer) => present.has(viewer));
  const list = (fates: ReadonlyMap<number, PeerFate>, wanted: PeerFate) =>
    [...fates]
      .filter(([, fate]) => fate === wanted)
      .map(([peer]) => peer)
      .sort((a, b) => a - b);
  const viewers = new Map(
    [...sum].map(([viewer, fates]) => {
      return [
        viewer,
        { added: list(fates, "added"), removed: list(fates, "removed"), changed: list(fates, "changed") },
      ];
    }),
  );
  return {
    viewers,
    filters: joinSets(policy, (effect) => effect.filters),
    sshPolicies: joinSets(policy, (effect) => effect.sshPolicies),
    capMaps: joinSets(policy, (effect) => effect.capMaps),
    selves: joinSets(policy, (effect) => effect.selves),
  };
}

it("after any change every view is as if built afresh, and the effects name all that differs", () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(policyText, fc.array(step, { maxLength: 20 }), (text, steps) => {
      start(text);
      let before = viewsOf(t.tailnet.engine, participants());
      for (const what of steps) {
        const changes = changesOf(what);
        if (changes.length === 0) continue;
        const couldHide = t.tailnet.policy.text.includes("disable-ipv4");
        t.apply(changes);
        const after = viewsOf(t.tailnet.engine, participants());
        expect(after, what.kind).toEqual(freshViews());
        const mayHide = couldHide || t.tailnet.policy.text.includes("disable-ipv4");
        checkEffect(before, after, said(), !mayHide && t.effects.policy.length <= 1);
        if ([...after].some(([id, view]) => before.get(id)?.peers.size !== view.peers.size))
          seen.set(what.kind, (seen.get(what.kind) ?? 0) + 1);
        before = after;
      }
    }),
    { numRuns: 700 },
  );
  for (const kind of ["tags", "routes", "posture", "suspension", "role", "user removal", "approval", "file"])
    expect(seen.get(kind), `peers that changed by ${kind}`).toBeGreaterThan(0);
});

it("regional routing leads everybody elsewhere when it is turned on, and back when it is turned off", () => {
  const regional = (isRegionalRoutingOn: boolean): Change[] => [
    { type: "settings-put", settings: { ...t.tailnet.settings, isRegionalRoutingOn } },
  ];
  const all = [...t.tailnet.nodes.values()];
  const [east, west, ...viewers] = all as [Node, Node, ...Node[]];
  for (const node of all) t.connect(node);
  const placed = (node: Node, homeDerp: number, approvedRoutes: string[] = []): Change => {
    return { type: "node-put", node: { ...t.node(node), homeDerp, approvedRoutes } };
  };
  t.apply([
    placed(east, 1, ["10.1.0.0/16"]),
    placed(west, 2, ["10.1.0.0/16"]),
    ...viewers.map((one) => placed(one, 2)),
  ]);
  const before = viewsOf(t.tailnet.engine, participants());
  const routes = (router: Node) => viewers.map(({ id }) => t.tailnet.engine.peerRoutes(id, router.id).primary.length);
  expect([routes(east), routes(west)]).toEqual([viewers.map(() => 1), viewers.map(() => 0)]);
  t.apply(regional(true));
  expect([routes(east), routes(west)]).toEqual([viewers.map(() => 0), viewers.map(() => 1)]);
  expect(new Set(said().viewers.keys())).toEqual(new Set(viewers.map(({ id }) => id)));
  expect([...said().selves]).toEqual([west.id]);
  t.apply(regional(true));
  expect(t.effects.policy).toEqual([]);
  t.apply(regional(false));
  expect([...said().selves]).toEqual([west.id]);
  expect(viewsOf(t.tailnet.engine, participants())).toEqual(before);
});

it("what the policy does not see has no effect on it", () => {
  const [node] = t.tailnet.nodes.values();
  if (node === undefined) throw new Error("no node");
  t.apply([
    { type: "node-put", node: { ...node, endpoints: ["198.51.100.7:7"] } },
    { type: "node-put", node: { ...node, homeDerp: 7, lastSeenAt: t.now, capabilityVersion: 150 } },
    { type: "node-put", node: { ...node, name: "renamed" } },
  ]);
  expect(t.effects.policy.map((effect) => effect === NO_EFFECT)).toEqual([true, true, true]);
});

it("a user who is suspended leaves with all devices in one change, and comes back in one", () => {
  const bob = [...t.tailnet.users.values()].find(({ role }) => role === "member") as User;
  const before = viewsOf(t.tailnet.engine, participants());
  t.apply([{ type: "user-put", user: { ...bob, isSuspended: true } }]);
  expect(participants()).toHaveLength(4);
  expect(t.effects.policy.filter((effect) => effect !== NO_EFFECT)).toHaveLength(1);
  t.apply([{ type: "user-put", user: bob }]);
  expect(viewsOf(t.tailnet.engine, participants())).toEqual(before);
});
