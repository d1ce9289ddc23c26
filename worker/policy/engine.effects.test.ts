// What single changes do to whom (policy.md 26.4): exactly the views that differ are named, and nobody else's.
import { expect, test } from "vitest";
import { PolicyEngine, type PolicyNode } from "./engine.ts";
import { type Policy, parsePolicy } from "./parse.ts";

function parsed(sections: object): Policy {
  const result = parsePolicy(JSON.stringify(sections), ["example.com"]);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.policy;
}

const USERS = [
  { id: 1, loginName: "ann@example.com", role: "member" },
  { id: 2, loginName: "bob@example.com", role: "member" },
] as const;

function node(id: number, of: Partial<PolicyNode> = {}): PolicyNode {
  const userId = (of.tags ?? []).length > 0 ? null : 1;
  return { id, userId, tags: [], ipv4: `100.64.0.${id}`, ipv6: null, routes: [], isOnline: true, ...of };
}

function viewersOf(effect: ReturnType<PolicyEngine["setNode"]>) {
  return Object.fromEntries(
    [...effect.viewers].map(([id, { added, removed, changed }]) => [id, { added, removed, changed }]),
  );
}

const EXIT_POLICY = parsed({
  tagOwners: { "tag:exit": [] },
  grants: [
    { src: ["ann@example.com"], dst: ["autogroup:internet"], ip: ["*"] },
    { src: ["bob@example.com"], dst: ["tag:exit"], ip: ["22"] },
  ],
});

function exitTailnet() {
  const exit = node(9, { tags: ["tag:exit"], routes: ["0.0.0.0/0"] });
  return {
    exit,
    engine: new PolicyEngine({ policy: EXIT_POLICY, users: USERS, nodes: [node(1), node(2, { userId: 2 }), exit] }),
  };
}

test("an exit node that changes its exit routes differs for those who may use them, and for nobody else", () => {
  const { exit, engine } = exitTailnet();
  const effect = engine.setNode({ ...exit, routes: ["::/0"] });
  expect(engine.peerRoutes(1, 9).allowed).toEqual(["::/0"]);
  expect(viewersOf(effect)).toEqual({ 1: { added: [], removed: [], changed: [9] } });
  expect([...effect.selves]).toEqual([9]);
});

test.each([
  ["a posture", { postures: { "posture:up": ["custom:up"] } }, { postures: { "posture:up": ["custom:up == false"] } }],
  ["a group", { groups: { "group:g": ["ann@example.com"] } }, { groups: { "group:g": ["bob@example.com"] } }],
  ["a host", { hosts: { srv: "100.64.0.1" } }, { hosts: { srv: "100.64.0.2" } }],
  ["an ipset", { ipsets: { "ipset:s": ["100.64.0.1"] } }, { ipsets: { "ipset:s": ["100.64.0.2"] } }],
])("%s that means something else under the same name moves who may reach what", (_, before, after) => {
  const [name] = Object.keys(Object.values(before)[0] ?? {});
  const source = name === "posture:up" ? { src: ["*"], srcPosture: [name] } : { src: [name] };
  const under = (definitions: object) =>
    parsed({ ...definitions, tagOwners: { "tag:db": [] }, grants: [{ ...source, dst: ["tag:db"], ip: ["22"] }] });
  const nodes = [
    node(1, { attributes: { "custom:up": true } }),
    node(2, { userId: 2, attributes: { "custom:up": false } }),
    node(3, { tags: ["tag:db"] }),
  ];
  const engine = new PolicyEngine({ policy: under(before), users: USERS, nodes });
  expect(engine.peersOf(3)).toEqual([1]);
  const effect = engine.setPolicy(under(after));
  expect([engine.peersOf(3), engine.packetFilterOf(3)[0]?.SrcIPs]).toEqual([[2], ["100.64.0.2"]]);
  expect(viewersOf(effect)).toEqual({
    1: { added: [], removed: [3], changed: [] },
    2: { added: [3], removed: [], changed: [] },
    3: { added: [2], removed: [1], changed: [] },
  });
  expect([...effect.filters]).toEqual([3]);
});
