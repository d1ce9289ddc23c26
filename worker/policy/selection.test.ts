// What every kind of selector stands for in every section that knows it (policy.md 4.2): as source and destination of
// acls and grants, in ssh, as target of nodeAttrs, as owner of tags and as approver of routes.
import { describe, expect, test } from "vitest";
import { approvedByPolicy, mayAssignTag } from "./authority.ts";
import type { PolicyUser } from "./engine.ts";
import { selectsNode } from "./selection.ts";
import { addressesOf, engineOf, nodesFrom, policyOf } from "./testing/small-tailnet.ts";

const ROLES = ["member", "owner", "admin", "it-admin", "network-admin", "billing-admin", "auditor"] as const;
const USERS: readonly PolicyUser[] = [
  { id: 1, loginName: "ann@example.com", role: "member" },
  { id: 2, loginName: "olga@example.com", role: "owner" },
  { id: 3, loginName: "adam@example.org", role: "admin" },
  { id: 4, loginName: "ivan@example.com", role: "it-admin" },
  { id: 5, loginName: "nora@example.com", role: "network-admin" },
  { id: 6, loginName: "bill@notexample.com", role: "billing-admin" },
  { id: 7, loginName: "audra@github", role: "auditor" },
];

const NODES = nodesFrom({
  laptop: {},
  phone: {},
  olga: { userId: 2 },
  adam: { userId: 3 },
  ivan: { userId: 4 },
  nora: { userId: 5 },
  bill: { userId: 6 },
  audra: { userId: 7 },
  web: { tags: ["tag:web"] },
  both: { tags: ["tag:db", "tag:web"] },
  // The far ends of the rules below, which no selector but `*` and autogroup:tagged stands for.
  sink: { tags: ["tag:sink"] },
});
type Name = keyof typeof NODES;

const HUMANS: readonly Name[] = ["laptop", "phone", "olga", "adam", "ivan", "nora", "bill", "audra"];
const TAGGED: readonly Name[] = ["web", "both", "sink"];

/** Selectors of nodes by what they are → the nodes. They may stand everywhere but, some, as ssh destinations. */
const IDENTITIES: readonly (readonly [string, readonly Name[]])[] = [
  ["ann@example.com", ["laptop", "phone"]],
  ["Ann@Example.COM", ["laptop", "phone"]], // login names are kept in lower case
  ["nobody@example.com", []],
  ["group:mixed", ["laptop", "phone", "adam"]],
  ["group:empty", []],
  ["tag:web", ["web", "both"]],
  ["tag:db", ["both"]],
  ["tag:unused", []],
  ["user:*@example.com", ["laptop", "phone", "olga", "ivan", "nora"]],
  ["user:*@github", ["audra"]],
  ["autogroup:member", HUMANS],
  ["autogroup:members", HUMANS],
  ["autogroup:tagged", TAGGED],
  ["autogroup:owner", ["olga"]],
  ["autogroup:admin", ["olga", "adam"]],
  ["autogroup:it-admin", ["ivan"]],
  ["autogroup:network-admin", ["nora"]],
  ["autogroup:billing-admin", ["bill"]],
  ["autogroup:auditor", ["audra"]],
];

/** Selectors of addresses → the nodes at these, whose other address they do not mean. */
const LITERALS: readonly (readonly [string, readonly Name[], readonly string[]])[] = [
  ["100.64.1.7", ["laptop"], ["100.64.1.7"]],
  ["fd7a:115c:a1e0::9:7", ["web"], ["fd7a:115c:a1e0::9:7"]],
  ["100.64.0.0/22", ["laptop", "phone", "olga"], ["100.64.0.0/22"]],
  ["100.64.1.99/22", ["laptop", "phone", "olga"], ["100.64.0.0/22"]],
  ["100.64.2.7-100.64.3.6", ["phone"], ["100.64.2.7-100.64.3.6"]],
  ["desk", ["laptop"], ["100.64.1.7"]],
  ["floor", ["laptop", "phone", "olga"], ["100.64.0.0/22"]],
  ["ipset:some", ["laptop", "olga"], ["100.64.0.0/23", "100.64.3.7"]],
  ["10.9.9.9", [], ["10.9.9.9"]],
];

const DEFINITIONS = {
  groups: { "group:mixed": ["ann@example.com", "ADAM@example.org", "nobody@example.com"], "group:empty": [] },
  hosts: { desk: "100.64.1.7", floor: "100.64.1.0/22" },
  ipsets: { "ipset:some": ["add host:floor", "remove 100.64.2.0/23", "add 100.64.3.7"] },
  tagOwners: { "tag:web": [], "tag:db": [], "tag:unused": [], "tag:sink": [] },
};

function engineWith(sections: object) {
  return engineOf(policyOf({ ...DEFINITIONS, ...sections }), USERS, NODES);
}

/** Names of the nodes for which something holds. */
function namesWhere(holds: (id: number) => boolean): string[] {
  return Object.entries(NODES).flatMap(([name, { id }]) => (holds(id) ? [name] : []));
}

function addressesNamed(names: readonly Name[]): string[] {
  return addressesOf(names.map((name) => NODES[name]));
}

const sections = [
  ["acls", (src: string, dst: string) => ({ acls: [{ action: "accept", src: [src], dst: [`${inAcl(dst)}:22`] }] })],
  ["grants", (src: string, dst: string) => ({ grants: [{ src: [src], dst: [dst], ip: ["22"] }] })],
] as const;

function inAcl(dst: string): string {
  return dst.startsWith("fd7a:") ? `[${dst}]` : dst;
}

describe.each(sections)("%s", (_, rule) => {
  test.each(IDENTITIES)("from %s: both addresses of its nodes", (selector, names) => {
    const [only, ...others] = engineWith(rule(selector, "100.64.11.7")).packetFilterOf(NODES.sink.id);
    expect(only?.SrcIPs ?? []).toEqual(addressesNamed(names));
    expect(others).toEqual([]);
  });

  test.each(IDENTITIES)("to %s: its nodes, each on both of its own addresses", (selector, names) => {
    const engine = engineWith(rule("10.9.9.9", selector));
    const targets = Object.values(NODES).flatMap(({ id }) =>
      engine.packetFilterOf(id).flatMap((r) => r.DstPorts ?? []),
    );
    expect(targets.map(({ IP }) => IP).sort()).toEqual(addressesNamed(names));
  });

  test.each(LITERALS)("from %s: these addresses and no more", (selector, _names, addresses) => {
    const [only] = engineWith(rule(selector, "tag:sink")).packetFilterOf(NODES.sink.id);
    expect(only?.SrcIPs).toEqual(addresses);
  });

  test.each(LITERALS)("to %s: the nodes there, and the addresses as written", (selector, names, addresses) => {
    const engine = engineWith(rule("tag:sink", selector));
    expect(namesWhere((id) => engine.packetFilterOf(id).length > 0)).toEqual(names);
    for (const name of names) {
      for (const { IP } of engine.packetFilterOf(NODES[name].id).flatMap((r) => r.DstPorts ?? [])) {
        expect(addresses).toContain(IP);
      }
    }
  });

  test("from *: the tailnet's ranges, and every subnet route that is served, on its own", () => {
    const engine = engineWith(rule("*", "tag:sink"));
    const tailnet = ["100.115.94.0-100.127.255.255", "100.64.0.0-100.115.91.255", "fd7a:115c:a1e0::/48"];
    expect(engine.packetFilterOf(NODES.sink.id)[0]?.SrcIPs).toEqual(tailnet);
    engine.setNode({ ...NODES.web, routes: ["10.1.0.0/16", "10.1.2.0/24", "0.0.0.0/0"] });
    expect(engine.packetFilterOf(NODES.sink.id)[0]?.SrcIPs).toEqual(["10.1.0.0/16", "10.1.2.0/24", ...tailnet]);
  });

  test("to *: every node, and whatever is behind it", () => {
    const engine = engineWith(rule("tag:sink", "*"));
    for (const { id } of Object.values(NODES)) {
      expect(engine.packetFilterOf(id)[0]?.DstPorts).toEqual([{ IP: "*", Ports: { First: 22, Last: 22 } }]);
    }
  });

  test("from autogroup:danger-all: everything, which swallows all else", () => {
    const engine = engineWith(rule("autogroup:danger-all", "tag:sink"));
    expect(engine.packetFilterOf(NODES.sink.id)[0]?.SrcIPs).toEqual(["*"]);
  });

  test("from autogroup:shared: nobody, as nothing is shared", () => {
    const engine = engineWith(rule("autogroup:shared", "tag:sink"));
    expect(engine.packetFilterOf(NODES.sink.id)).toEqual([]);
  });

  test("to autogroup:internet: nodes that are exit nodes, in its seven ranges", () => {
    const engine = engineWith(rule("ann@example.com", "autogroup:internet"));
    expect(namesWhere((id) => engine.packetFilterOf(id).length > 0)).toEqual([]);
    engine.setNode({ ...NODES.web, routes: ["0.0.0.0/0"] });
    expect(namesWhere((id) => engine.packetFilterOf(id).length > 0)).toEqual(["web"]);
    expect(engine.packetFilterOf(NODES.web.id)[0]?.DstPorts?.map(({ IP }) => IP)).toEqual([
      "0.0.0.0-9.255.255.255",
      "11.0.0.0-100.63.255.255",
      "100.128.0.0-169.253.255.255",
      "169.255.0.0-172.15.255.255",
      "172.32.0.0-192.167.255.255",
      "192.169.0.0-255.255.255.255",
      "2000::-3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ]);
  });

  test("to autogroup:self: the devices of one user from each other, and no tagged node", () => {
    const engine = engineWith(rule("autogroup:member", "autogroup:self"));
    expect(namesWhere((id) => engine.packetFilterOf(id).length > 0)).toEqual(HUMANS);
    const [only] = engine.packetFilterOf(NODES.phone.id);
    expect(only?.SrcIPs).toEqual(addressesNamed(["laptop", "phone"]));
    expect(only?.DstPorts?.map(({ IP }) => IP)).toEqual(addressesNamed(["phone"]));
    expect(namesWhere((id) => engine.isVisible(id, NODES.phone.id))).toEqual(["laptop"]);
    expect(namesWhere((id) => engine.isVisible(id, NODES.olga.id))).toEqual([]);
  });
});

describe("ssh", () => {
  const rule = (src: string, dst: string, users = ["root"]) => ({
    ssh: [{ action: "accept", src: [src], dst: [dst], users }],
  });
  const principals = (engine: ReturnType<typeof engineWith>, id: number) =>
    engine.sshPolicyOf(id)?.rules.flatMap((r) => r.principals.map(({ nodeIP }) => nodeIP)) ?? [];

  test.each(IDENTITIES)("from %s: its nodes as principals", (selector, names) => {
    const found = principals(engineWith(rule(selector, "tag:sink")), NODES.sink.id);
    expect([...new Set(found)].sort()).toEqual(addressesNamed(names));
  });

  const destinations = IDENTITIES.filter(([text]) => /^tag:|^autogroup:(members?|tagged)$/.test(text));
  test.each(destinations)("to %s: its nodes", (selector, names) => {
    const engine = engineWith(rule("ann@example.com", selector));
    expect(namesWhere((id) => principals(engine, id).length > 0)).toEqual(names);
  });

  test("to a user: the user's own devices, from these alone", () => {
    const engine = engineWith(rule("ann@example.com", "ann@example.com"));
    expect(namesWhere((id) => principals(engine, id).length > 0)).toEqual(["laptop", "phone"]);
  });

  test("to autogroup:self: devices of the same user", () => {
    const engine = engineWith(rule("autogroup:member", "autogroup:self"));
    expect(principals(engine, NODES.phone.id).sort()).toEqual(addressesNamed(["laptop", "phone"]));
    expect(principals(engine, NODES.olga.id).sort()).toEqual(addressesNamed(["olga"]));
    expect(principals(engine, NODES.web.id)).toEqual([]);
  });

  test("logins: root by name alone, nonroot for all others, a local part for users of its domain", () => {
    const users = ["autogroup:nonroot", "root", "ubuntu", "localpart:*@example.com"];
    const engine = engineWith(rule("group:mixed", "tag:sink", users));
    const all = { root: "root", "*": "=", ubuntu: "ubuntu" };
    expect(engine.sshPolicyOf(NODES.sink.id)?.rules.map(({ sshUsers }) => sshUsers)).toEqual([
      all, // ann, of example.com
      { ann: "ann" },
      all, // adam, of another domain
    ]);
    const nonroot = engineWith(rule("ann@example.com", "tag:sink", ["autogroup:nonroot"]));
    expect(nonroot.sshPolicyOf(NODES.sink.id)?.rules[0]?.sshUsers).toEqual({ root: "", "*": "=" });
  });
});

describe("the other sections", () => {
  const named = (names: readonly Name[]) => (id: number) => names.some((name) => NODES[name].id === id);
  const all = [...IDENTITIES, ...LITERALS.map(([selector, names]) => [selector, names] as const), ["*", null] as const];

  test.each(all)("nodeAttrs to %s", (selector, names) => {
    const engine = engineWith({ nodeAttrs: [{ target: [selector], attr: ["custom:x"] }] });
    const found = namesWhere((id) => Object.hasOwn(engine.capMapOf(id), "custom:x"));
    expect(found).toEqual(names === null ? Object.keys(NODES) : namesWhere(named(names)));
  });

  test.each(IDENTITIES)("autoApprovers by %s", (selector, names) => {
    const approvers = { routes: { "10.0.0.0/8": [selector] }, exitNode: [selector] };
    const policy = policyOf({ ...DEFINITIONS, autoApprovers: approvers });
    for (const node of Object.values(NODES)) {
      const user = USERS.find(({ id }) => id === node.userId);
      const subject = { ...node, loginName: user?.loginName ?? null, role: user?.role ?? null };
      const routes = approvedByPolicy(policy, subject, ["10.1.0.0/16", "11.0.0.0/8", "0.0.0.0/0", "::/0"]);
      expect(routes).toEqual(named(names)(node.id) ? ["10.1.0.0/16", "0.0.0.0/0", "::/0"] : []);
    }
  });

  // Owner, admin and network admin may give any tag.
  const owning = IDENTITIES.filter(([selector]) => !selector.startsWith("tag:") && selector !== "autogroup:tagged");
  test.each(owning)("tagOwners with %s", (selector, names) => {
    const { tagOwners, ...definitions } = DEFINITIONS;
    const policy = policyOf({ ...definitions, tagOwners: { ...tagOwners, "tag:mine": [selector] } });
    for (const user of USERS.filter(({ role }) => !["owner", "admin", "network-admin"].includes(role))) {
      const owns = names.some((name) => NODES[name].userId === user.id);
      expect(mayAssignTag(policy, user, "tag:mine"), user.loginName).toBe(owns);
    }
  });
});

test("the roles of the table above are all that there are", () => {
  expect(USERS.map(({ role }) => role)).toEqual(ROLES);
});

test("a selector asked of one node answers as the engine does for all", () => {
  for (const [selector, names] of IDENTITIES) {
    const policy = policyOf({ ...DEFINITIONS, nodeAttrs: [{ target: [selector] }] });
    const target = policy.nodeAttrs[0]?.targets[0];
    for (const [name, node] of Object.entries(NODES)) {
      const user = USERS.find(({ id }) => id === node.userId);
      const subject = { ...node, loginName: user?.loginName ?? null, role: user?.role ?? null };
      expect(target && selectsNode(target, subject), `${selector} ${name}`).toBe(names.includes(name as Name));
    }
  }
});
