// The sections tests and sshTests when they are run (policy.md 19, 20): what holds, what fails, and in which words.
import { describe, expect, test } from "vitest";
import type { PolicyUser } from "./engine.ts";
import { checkPolicyTests } from "./policy-tests.ts";
import { nodesFrom, policyOf } from "./testing/small-tailnet.ts";

const USERS: readonly PolicyUser[] = [
  { id: 1, loginName: "ann@example.com", role: "member" },
  { id: 2, loginName: "bob@example.org", role: "admin" },
];
const NODES = nodesFrom({
  laptop: { attributes: { "custom:tier": "gold" } },
  phone: {},
  desk: { userId: 2 },
  web: { tags: ["tag:web"] },
  db: { tags: ["tag:db"] },
  router: { tags: ["tag:router"], routes: ["10.0.0.0/16"] },
});

const DEFINITIONS = {
  groups: { "group:ops": ["ann@example.com", "bob@example.org"], "group:empty": [] },
  hosts: { web1: "100.64.4.7", lonely: "10.9.9.9", net: "10.0.0.0/8" },
  tagOwners: { "tag:web": [], "tag:db": [], "tag:router": [], "tag:unused": [] },
};

/** What is wrong with each failing test, by its source; undefined when all hold. */
function failuresOf(sections: object): Record<string, readonly string[]> | undefined {
  const rejection = checkPolicyTests(policyOf({ ...DEFINITIONS, ...sections }), USERS, Object.values(NODES));
  if (rejection === null) return undefined;
  expect(rejection.message).toBe("test(s) failed");
  return Object.fromEntries(rejection.data.map(({ user, errors }) => [user, errors]));
}

describe("tests", () => {
  const RULES = {
    acls: [
      { action: "accept", src: ["ann@example.com"], dst: ["tag:web:80,8000-8100", "[fd7a:115c:a1e0::5:7]:5432"] },
      { action: "accept", src: ["group:ops"], dst: ["tag:db:53"], proto: "udp" },
      { action: "accept", src: ["group:ops"], dst: ["tag:db:*"], proto: "icmp" },
      { action: "accept", src: ["tag:web"], dst: ["lonely:22"], proto: "tcp" },
      { action: "accept", src: ["100.64.1.7"], dst: ["tag:router:1"] },
      { action: "accept", src: ["autogroup:member"], dst: ["autogroup:self:*"] },
    ],
  };
  const run = (entry: object) => failuresOf({ ...RULES, tests: [entry] });

  test.each<[string, object]>([
    ["what a rule names", { src: "ann@example.com", accept: ["tag:web:80"] }],
    ["a port within a range", { src: "ann@example.com", accept: ["tag:web:8050"] }],
    ["a port beyond it, denied", { src: "ann@example.com", deny: ["tag:web:8101"] }],
    ["another user, denied", { src: "bob@example.org", deny: ["tag:web:80"] }],
    ["a host", { src: "ann@example.com", accept: ["web1:80"] }],
    ["a host that no node has", { src: "tag:web", accept: ["lonely:22"] }],
    ["an IPv4 address", { src: "ann@example.com", accept: ["100.64.4.7:80"] }],
    ["an IPv6 address in brackets", { src: "ann@example.com", accept: ["[fd7a:115c:a1e0::5:7]:5432"] }],
    ["one address of a destination, which suffices", { src: "ann@example.com", accept: ["tag:db:5432"] }],
    ["a group as source", { src: "group:ops", proto: "udp", accept: ["tag:db:53"] }],
    ["users and groups as destinations", { src: "tag:web", deny: ["ann@example.com:80", "group:ops:80"] }],
    ["an address as source", { src: "100.64.1.7", accept: ["tag:router:1"] }],
    ["the other address of that node, denied", { src: "fd7a:115c:a1e0::1:7", deny: ["tag:router:1"] }],
    ["the old names of fields", { user: "ann@example.com", allow: ["tag:web:80"] }],
    ["a protocol by name", { src: "ann@example.com", proto: "tcp", accept: ["tag:web:80"] }],
    ["a protocol by number", { src: "bob@example.org", proto: "17", accept: ["tag:db:53"] }],
    ["no protocol: any of the four usual ones", { src: "bob@example.org", accept: ["tag:db:53", "tag:db:7"] }],
    ["another protocol, denied", { src: "bob@example.org", proto: "tcp", deny: ["tag:db:53", "tag:db:7"] }],
    [
      "a protocol beyond the usual through a rule of all",
      { src: "ann@example.com", proto: "132", accept: ["web1:80"] },
    ],
    ["duplicates", { src: "ann@example.com", accept: ["tag:web:80", "tag:web:80"] }],
  ])("hold: %s", (_, entry) => {
    expect(run(entry)).toBeUndefined();
  });

  const want = (address: string, wanted: string, got: string) => `address "${address}": want: ${wanted}, got: ${got}`;
  test.each<[string, object, string]>([
    [
      "accepted, though no rule allows it",
      { src: "bob@example.org", accept: ["tag:web:80"] },
      want("tag:web:80", "Accept", "Drop"),
    ],
    ["denied, though one does", { src: "ann@example.com", deny: ["tag:web:80"] }, want("tag:web:80", "Drop", "Accept")],
    [
      "the wrong protocol",
      { src: "bob@example.org", proto: "tcp", accept: ["tag:db:53"] },
      want("tag:db:53", "Accept", "Drop"),
    ],
    [
      "accepted, though one address of the source is not",
      { src: "ann@example.com", accept: ["tag:router:1"] },
      want("tag:router:1", "Accept", "Drop"),
    ],
    [
      "denied, though one address of the source is allowed",
      { src: "ann@example.com", deny: ["tag:router:1"] },
      want("tag:router:1", "Drop", "Accept"),
    ],
    [
      "rules to autogroup:self, which do not count",
      { src: "ann@example.com", accept: ["ann@example.com:22"] },
      want("ann@example.com:22", "Accept", "Drop"),
    ],
    ["neither accept nor deny", { src: "ann@example.com" }, "either accept or deny must be specified"],
    ["an unknown group as source", { src: "group:x", deny: ["web1:80"] }, 'invalid src "group:x"'],
    ["an undeclared tag as source", { src: "tag:x", deny: ["web1:80"] }, 'invalid src "tag:x"'],
    ["an unknown host as source", { src: "nowhere", deny: ["web1:80"] }, 'invalid src "nowhere"'],
    ["no source", { deny: ["web1:80"] }, 'invalid src ""'],
    ["autogroup:self as source", { src: "autogroup:self", deny: ["web1:80"] }, 'invalid src "autogroup:self"'],
    ["a user without devices", { src: "eve@example.com", deny: ["web1:80"] }, 'src "eve@example.com" has no address'],
    ["an empty group", { src: "group:empty", deny: ["web1:80"] }, 'src "group:empty" has no address'],
    [
      "an unknown protocol",
      { src: "ann@example.com", proto: "tpc", deny: ["web1:80"] },
      'proto name "tpc" not known; use protocol number 0-255 or protocol name (icmp, tcp, udp, etc.)',
    ],
    ...[
      ...["web1:*", "web1:80,443", "web1:80-90", "web1:http", "web1:-1", "web1:0", "web1:65536", "web1", "*:*"],
      ...["100.64.4.7/32:80", "net:80", "autogroup:internet:80", "autogroup:self:80", "group:x:80", "tag:x:80"],
      ...["nowhere:80", "[web1]:80", "100.64.4.7-100.64.4.8:80"],
    ].map((dst): [string, object, string] => [
      `the destination ${dst}`,
      { src: "ann@example.com", deny: [dst] },
      `address "${dst}": invalid destination`,
    ]),
    [
      "a destination without nodes",
      { src: "ann@example.com", deny: ["tag:unused:80"] },
      'address "tag:unused:80": destination has no address',
    ],
  ])("fail: %s", (_, entry, error) => {
    const src = "src" in entry ? String(entry.src) : "";
    expect(run(entry)).toEqual({ [src]: [error] });
  });

  test("every failing entry is told, with all that is wrong with it", () => {
    const tests = [
      { src: "ann@example.com", accept: ["tag:web:80", "tag:web:81"], deny: ["tag:web:8000"] },
      { src: "tag:web", deny: ["lonely:22"] },
      { src: "tag:db", deny: ["lonely:22"] },
    ];
    expect(failuresOf({ ...RULES, tests })).toEqual({
      "ann@example.com": [want("tag:web:81", "Accept", "Drop"), want("tag:web:8000", "Drop", "Accept")],
      "tag:web": [want("lonely:22", "Drop", "Accept")],
    });
  });

  test("srcPostureAttrs stand in the place of the source's own attributes", () => {
    const sections = {
      postures: { "posture:gold": ["custom:tier == 'gold'"] },
      acls: [{ action: "accept", src: ["ann@example.com"], dst: ["tag:web:80"], srcPosture: ["posture:gold"] }],
    };
    const gold = { "custom:tier": "gold" };
    const holds = { src: "ann@example.com", accept: ["tag:web:80"], srcPostureAttrs: gold };
    const denied = { src: "ann@example.com", deny: ["tag:web:80"], srcPostureAttrs: { "custom:tier": "tin" } };
    const unset = { src: "100.64.1.7", deny: ["tag:web:80"], srcPostureAttrs: {} };
    expect(failuresOf({ ...sections, tests: [holds, denied, unset] })).toBeUndefined();
    // As the nodes are, the laptop passes and the phone does not.
    expect(failuresOf({ ...sections, tests: [{ src: "100.64.1.7", accept: ["tag:web:80"] }] })).toBeUndefined();
    const all = { src: "ann@example.com", accept: ["tag:web:80"] };
    expect(failuresOf({ ...sections, tests: [all] })).toHaveProperty([all.src], [want("tag:web:80", "Accept", "Drop")]);
    // What one test assumes, another does not.
    expect(failuresOf({ ...sections, tests: [holds, { ...all, deny: ["web1:81"] }] })).toHaveProperty([all.src]);
  });
});

describe("sshTests", () => {
  const SSH = {
    acls: [], // what the network allows has no part in it
    ssh: [
      { action: "accept", src: ["ann@example.com"], dst: ["tag:web"], users: ["root", "localpart:*@example.com"] },
      { action: "accept", src: ["group:ops"], dst: ["tag:db"], users: ["autogroup:nonroot"], acceptEnv: ["TERM"] },
      { action: "check", src: ["bob@example.org"], dst: ["tag:web"], users: ["ubuntu"], checkPeriod: "1h" },
      { action: "accept", src: ["autogroup:member"], dst: ["autogroup:self"], users: ["root"] },
      { action: "accept", src: ["tag:web"], dst: ["tag:db"], users: ["backup"] },
    ],
  };
  const run = (entry: object) => failuresOf({ ...SSH, sshTests: [entry] });

  test.each<[string, object]>([
    ["a login that a rule names", { src: "ann@example.com", dst: ["tag:web"], accept: ["root"] }],
    ["one's own local part", { src: "ann@example.com", dst: ["tag:web"], accept: ["ann"], deny: ["bob"] }],
    ["no local part of another domain", { src: "bob@example.org", dst: ["tag:web"], deny: ["bob", "root"] }],
    ["anybody but root", { src: "bob@example.org", dst: ["tag:db"], accept: ["daemon"], deny: ["root"] }],
    ["a login to be checked", { src: "bob@example.org", dst: ["tag:web"], check: ["ubuntu"] }],
    ["which is access as well", { src: "bob@example.org", dst: ["tag:web"], accept: ["ubuntu"] }],
    ["a group as source, all of it", { src: "group:ops", dst: ["tag:db"], accept: ["daemon"] }],
    ["a tag as source", { src: "tag:web", dst: ["tag:db"], accept: ["backup"], deny: ["root"] }],
    ["an address as source", { src: "100.64.1.7", dst: ["tag:web"], accept: ["root"] }],
    ["a host as destination", { src: "ann@example.com", dst: ["web1"], accept: ["root"] }],
    ["addresses as destinations", { src: "ann@example.com", dst: ["100.64.4.7"], accept: ["root"] }],
    ["a user as destination", { src: "ann@example.com", dst: ["bob@example.org"], deny: ["root"] }],
    ["one's own devices", { src: "ann@example.com", dst: ["autogroup:self"], accept: ["root"], deny: ["bob"] }],
    ["duplicates", { src: "ann@example.com", dst: ["tag:web", "tag:web"], accept: ["root", "root"] }],
  ])("hold: %s", (_, entry) => {
    expect(run(entry)).toBeUndefined();
  });

  test.each<[string, object, string[]]>([
    [
      "accepted, though no rule allows it",
      { src: "bob@example.org", dst: ["tag:web"], accept: ["root"] },
      ['dst "tag:web": user "root": want: Accept'],
    ],
    [
      "denied, though one does",
      { src: "ann@example.com", dst: ["tag:web"], deny: ["root"] },
      ['dst "tag:web": user "root": want: Drop'],
    ],
    [
      "to be checked, though accepted outright",
      { src: "ann@example.com", dst: ["tag:web"], check: ["root"] },
      ['dst "tag:web": user "root": want: Check'],
    ],
    [
      "a source of which a part may not",
      { src: "group:ops", dst: ["tag:web"], accept: ["root"] },
      ['dst "tag:web": user "root": want: Accept'],
    ],
    [
      "accepted and denied at once",
      { src: "ann@example.com", dst: ["tag:web"], accept: ["root"], deny: ["root"] },
      ['dst "tag:web": user "root": want: Drop'],
    ],
    [
      "one of two destinations",
      { src: "ann@example.com", dst: ["tag:web", "tag:db"], accept: ["root"] },
      ['dst "tag:db": user "root": want: Accept'],
    ],
    ["no assertion", { src: "ann@example.com", dst: ["tag:web"] }, ["accept, check or deny must be specified"]],
    ["an empty login", { src: "ann@example.com", dst: ["tag:web"], deny: [""] }, ["login names cannot be empty"]],
    ["an unknown source", { src: "tag:x", dst: ["tag:web"], deny: ["root"] }, ['invalid src "tag:x"']],
    [
      "a source without nodes",
      { src: "group:empty", dst: ["tag:web"], deny: ["root"] },
      ['src "group:empty" matches no node'],
    ],
    [
      "a destination without nodes",
      { src: "ann@example.com", dst: ["tag:unused"], deny: ["root"] },
      ['dst "tag:unused" matches no node'],
    ],
    [
      "a host that no node has",
      { src: "ann@example.com", dst: ["lonely"], deny: ["root"] },
      ['dst "lonely" matches no node'],
    ],
    [
      "a tag's own devices",
      { src: "tag:web", dst: ["autogroup:self"], deny: ["root"] },
      ['dst "autogroup:self" matches no node'],
    ],
  ])("fail: %s", (_, entry, errors) => {
    expect(run(entry)).toEqual({ [String("src" in entry ? entry.src : "")]: errors });
  });

  test("srcPostureAttrs stand in the place of the source's own attributes", () => {
    const sections = {
      postures: { "posture:gold": ["custom:tier == 'gold'"] },
      ssh: [
        { action: "accept", src: ["ann@example.com"], dst: ["tag:web"], users: ["root"], srcPosture: ["posture:gold"] },
      ],
    };
    const entry = { src: "ann@example.com", dst: ["tag:web"] };
    const gold = { ...entry, accept: ["root"], srcPostureAttrs: { "custom:tier": "gold" } };
    const none = { ...entry, deny: ["root"], srcPostureAttrs: {} };
    expect(failuresOf({ ...sections, sshTests: [gold, none] })).toBeUndefined();
    expect(failuresOf({ ...sections, sshTests: [{ ...entry, accept: ["root"] }] })).toHaveProperty([entry.src]);
  });
});

test("tests and sshTests both run, and either refuses the policy", () => {
  const good = { src: "ann@example.com", deny: ["web1:80"] };
  const bad = { src: "bob@example.org", dst: ["tag:web"], accept: ["root"] };
  expect(failuresOf({ acls: [], tests: [good], sshTests: [bad] })).toHaveProperty(["bob@example.org"]);
  expect(failuresOf({ acls: [], tests: [{ ...good, accept: ["web1:81"] }], sshTests: [] })).toHaveProperty([good.src]);
  expect(failuresOf({ acls: [], tests: [good] })).toBeUndefined();
});
