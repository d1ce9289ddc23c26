// What a change costs, counted in the work that it causes and not in time (policy.md 26.3, 26.4).
import { afterEach, expect, test, vi } from "vitest";
import { Membership } from "./compile/nodes/membership.ts";
import { TailnetState } from "./compile/tailnet-state.ts";
import { FilterTemplate } from "./compile/views/filter-template.ts";
import { SourceContent } from "./compile/views/source-content.ts";
import { PolicyEngine, type PolicyNode, type PolicyUser } from "./engine.ts";
import { type Policy, parsePolicy } from "./parse.ts";

const NODES = 400;
const TAGS = 20;
const USERS: readonly PolicyUser[] = Array.from({ length: 10 }, (_, i) => {
  return { id: i + 1, loginName: `user-${i}@example.com`, role: i === 0 ? "owner" : "member" };
});

function nodes(): PolicyNode[] {
  return Array.from({ length: NODES }, (_, i) => {
    const isTagged = i % 2 === 0;
    return {
      id: i + 1,
      userId: isTagged ? null : (i % USERS.length) + 1,
      tags: isTagged ? [`tag:t${(i / 2) % TAGS}`] : [],
      ipv4: `100.64.${i >> 8}.${i & 255}`,
      ipv6: `fd7a:115c:a1e0::${(i + 1).toString(16)}`,
      routes: [],
      isOnline: true,
    };
  });
}

/** Users to tags, a rule each; `more` comes after them. */
function policy(ports: (tag: number) => string, more: readonly object[] = []): Policy {
  const tags = Array.from({ length: TAGS }, (_, i) => `tag:t${i}`);
  const grants = tags.map((tag, i) => ({ src: [`user-${i % 10}@example.com`], dst: [tag], ip: [ports(i)] }));
  const text = JSON.stringify({
    tagOwners: Object.fromEntries(tags.map((tag) => [tag, []])),
    grants: [...grants, { src: ["autogroup:member"], dst: ["autogroup:self"], ip: ["*"] }, ...more],
    ssh: [{ action: "accept", src: ["autogroup:member"], dst: ["tag:t0"], users: ["root"] }],
  });
  const result = parsePolicy(text);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.policy;
}

const BASE = () => policy(() => "tcp:22");

function started(): PolicyEngine {
  const engine = new PolicyEngine({ policy: BASE(), users: USERS, nodes: nodes() });
  for (let id = 1; id <= NODES; id++) engine.packetFilterOf(id);
  return engine;
}

/** Counts what the engine does from now on. */
function counted() {
  const classified = vi.spyOn(Membership.prototype, "touchesOf");
  const parsed = vi.spyOn(Membership.prototype, "parse");
  const replaced = vi.spyOn(TailnetState.prototype, "replace");
  const rendered = vi.spyOn(SourceContent.prototype, "render");
  const filled = vi.spyOn(FilterTemplate.prototype, "fill");
  const count = () => ({
    classified: classified.mock.calls.length,
    parsed: parsed.mock.calls.length,
    replaced: replaced.mock.calls.length,
    rendered: rendered.mock.calls.length,
    filled: filled.mock.calls.length,
  });
  return { count };
}

const NOTHING = { classified: 0, parsed: 0, replaced: 0, rendered: 0, filled: 0 };

afterEach(() => {
  vi.restoreAllMocks();
});

test("a node that is what it was costs nothing, however often it is put", () => {
  const engine = started();
  const work = counted();
  for (const node of nodes()) engine.setNode({ ...node, tags: [...node.tags] });
  for (let id = 1; id <= NODES; id++) engine.packetFilterOf(id);
  expect(work.count()).toEqual(NOTHING);
});

test("a policy that says the same in other words touches no node", () => {
  const engine = started();
  const before = engine.packetFilterOf(1);
  const work = counted();
  const effect = engine.setPolicy(BASE());
  expect([effect.viewers.size, effect.filters.size, effect.sshPolicies.size]).toEqual([0, 0, 0]);
  for (let id = 1; id <= NODES; id++) engine.packetFilterOf(id);
  expect(work.count()).toMatchObject({ classified: 0, parsed: 0, replaced: 0, filled: 0 });
  expect(engine.packetFilterOf(1)).toBe(before);
});

test("other ports of one rule make new filters for its destinations, and nothing for anybody else", () => {
  const engine = started();
  const work = counted();
  const effect = engine.setPolicy(policy((tag) => (tag === 3 ? "tcp:443" : "tcp:22")));
  const holders = nodes().filter(({ tags }) => tags.includes("tag:t3"));
  expect([...effect.filters]).toEqual(holders.map(({ id }) => id));
  expect(effect.viewers.size).toBe(0);
  for (let id = 1; id <= NODES; id++) engine.packetFilterOf(id);
  expect(work.count()).toMatchObject({ classified: 0, parsed: 0, replaced: 0, filled: holders.length });
});

test("a rule with a new selector looks at every node once, for that selector alone", () => {
  const engine = started();
  const work = counted();
  const effect = engine.setPolicy(policy(() => "tcp:22", [{ src: ["tag:t1"], dst: ["tag:t2"], ip: ["tcp:80"] }]));
  const concerned = nodes().filter(({ tags }) => tags.includes("tag:t1") || tags.includes("tag:t2"));
  expect(new Set(effect.viewers.keys())).toEqual(new Set(concerned.map(({ id }) => id)));
  for (let id = 1; id <= NODES; id++) engine.packetFilterOf(id);
  expect(work.count()).toMatchObject({ classified: NODES, parsed: 0, replaced: 0, filled: concerned.length / 2 });
});

test("a change of one node classifies that node alone", () => {
  const engine = started();
  const work = counted();
  const [first] = nodes();
  if (first === undefined) throw new Error("no node");
  engine.setNode({ ...first, tags: ["tag:t7"] });
  expect(work.count()).toMatchObject({ replaced: 1, filled: 0 });
  expect(work.count().classified).toBeLessThanOrEqual(2);
});

test("all devices of a user go and come back as one change each", () => {
  const engine = started();
  const devices = nodes().filter(({ userId }) => userId === 2);
  const work = counted();
  const gone = engine.setNodes(
    [],
    devices.map(({ id }) => id),
  );
  expect(gone.viewers.size).toBeGreaterThan(0);
  expect(gone.viewers.get(devices[0]?.id ?? 0)).toBeUndefined();
  engine.setNodes(devices);
  expect(work.count()).toMatchObject({ replaced: 2 * devices.length, classified: devices.length });
});
