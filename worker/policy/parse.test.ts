// Policy files: what is accepted, what is refused with which message and where (policy.md 1, 4 – 8, 24).
import { describe, expect, test } from "vitest";
import { DEFAULT_POLICY } from "./authority.ts";
import { type Policy, parsePolicy } from "./parse.ts";

const DOMAINS = ["example.com"];

/** A policy around one section or rule, with names for it to refer to. */
function file(sections: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    groups: { "group:g": ["ann@example.com"] },
    hosts: { srv: "100.64.0.9", net: "10.0.0.0/8" },
    tagOwners: { "tag:a": [], "tag:b": ["tag:a"] },
    ...sections,
  });
}

function messagesOf(text: string): string[] {
  const result = parsePolicy(text, DOMAINS);
  return result.ok ? [] : result.problems.map(({ message }) => message);
}

function accepted(text: string): Policy {
  const result = parsePolicy(text, DOMAINS);
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join("; "));
  return result.policy;
}

const acl = (rule: object) => file({ acls: [{ action: "accept", src: ["*"], dst: ["*:*"], ...rule }] });
const grant = (rule: object) => file({ grants: [{ src: ["*"], dst: ["tag:a"], ip: ["*"], ...rule }] });
const ssh = (rule: object) =>
  file({ ssh: [{ action: "accept", src: ["autogroup:member"], dst: ["tag:a"], users: ["root"], ...rule }] });

describe("messages of our own", () => {
  test.each([
    ["[]", "a policy must be an object"],
    ["", "syntax error: value expected"],
    ['{"acls": [}', "syntax error: value expected"],
    ["{acls: []}", "syntax error: invalid symbol"],
    ["{'acls': []}", "syntax error: invalid symbol"],
    ['{"acls": [],,}', "syntax error: property name expected"],
    ['{"acls": []} {}', "syntax error: end of file expected"],
    ['# comment\n{"acls": []}', "syntax error: invalid symbol"],
    ["[".repeat(101), "nested too deeply"],
    ['{"alcs": []}', 'policy: unknown field "alcs"'],
    [file({ acls: {} }), "acls: expected a list"],
    [file({ acls: ["x"] }), "acls[0]: expected an object"],
    [acl({ sources: [] }), 'acls[0]: unknown field "sources"'],
    [acl({ src: "*" }), "acls[0].src: expected a list"],
    [acl({ src: [1] }), "acls[0].src[0]: expected a string"],
    [acl({ users: ["*"] }), 'acls[0]: "users" is the old name of "src"; use only one of them'],
    [acl({ src: ["group:x"] }), 'src=group not found: "group:x"'],
    [acl({ src: ["ipset:x"] }), 'src=ipset not found: "ipset:x"'],
    [acl({ src: ["laptop"] }), 'src="laptop": invalid address'],
    [acl({ src: ["autogroup:everyone"] }), 'src=unknown autogroup "autogroup:everyone"'],
    [acl({ src: ["autogroup:internet"] }), '"autogroup:internet" not valid on the src side of a rule'],
    [acl({ src: ["svc:x"] }), '"svc:x" not valid on the src side of a rule'],
    [acl({ dst: ["srv"] }), 'dst="srv": missing ports'],
    [acl({ dst: ["[srv]:22"] }), 'dst="[srv]:22": brackets are for IPv6 addresses'],
    [acl({ dst: ["srv:70000"] }), 'dst="srv:70000": port range "70000": invalid first integer'],
    [acl({ dst: ["srv:9-8"] }), 'dst="srv:9-8": port range "9-8": first port must not be greater than last port'],
    [acl({ proto: "icmp", dst: ["srv:22"] }), `dst="srv:22": protocol 1 has no ports; use '*'`],
    [
      acl({ proto: "*" }),
      'proto name "*" not known; use protocol number 0-255 or protocol name (icmp, tcp, udp, etc.)',
    ],
    [acl({ srcPosture: ["posture:x"] }), 'posture not found: "posture:x"'],
    [grant({ ip: ["tcp:80:90"] }), 'port range "80:90": invalid first integer'],
    [grant({ app: { "a.com/b": [] }, dst: ["autogroup:admin"] }), "cannot use app grants with autogroup:admin"],
    [ssh({ src: ["*"] }), '[ssh] invalid src "*"'],
    [ssh({ dst: ["*"] }), 'invalid dst "*"'],
    [ssh({ src: ["tag:a"], dst: ["autogroup:self"] }), "[ssh] tags in src can only be used with tags in dst"],
    [ssh({ src: ["tag:a"], action: "check" }), "[ssh] tags in src cannot be used with the action check"],
    [ssh({ dst: ["ann@example.com"] }), "[ssh] a user in dst must be the only src"],
    [file({ groups: { g: [] } }), `groups["g"]: group names must start with 'group:'`],
    [file({ groups: { "group:g": ["tag:a"] } }), 'groups["group:g"]: "tag:a": group members must be users'],
    [file({ hosts: { "a:b": "1.2.3.4" } }), 'hosts["a:b"]: invalid host name'],
    [file({ hosts: { "1.2.3.4": "1.2.3.4" } }), 'hosts["1.2.3.4"]: invalid host name'],
    [file({ hosts: { a: "1.2.3.4-1.2.3.5" } }), 'hosts["a"]: "1.2.3.4-1.2.3.5": invalid address'],
    [
      file({ tagOwners: { "tag:a_b": [] } }),
      'tagOwners["tag:a_b"]: tag names can only contain numbers, letters, or dashes',
    ],
    [file({ tagOwners: { a: [] } }), `tagOwners["a"]: tags must start with 'tag:'`],
    [file({ tagOwners: { "tag:a": ["*"] } }), 'tagOwners["tag:a"]: "*" is not a user, group, tag or autogroup'],
    [file({ autoApprovers: { routes: { "10.0.0.0": [] } } }), 'autoApprovers.routes["10.0.0.0"]: invalid CIDR'],
    [file({ autoApprovers: { exitNode: ["tag:x"] } }), 'autoApprovers.exitNode: tag not found: "tag:x"'],
    [
      file({ postures: { "posture:p": ["node:os ~ 'x'"] } }),
      `postures["posture:p"]: "node:os ~ 'x'": invalid assertion`,
    ],
    [file({ postures: { "posture:p": [] } }), 'postures["posture:p"]: assertions must be specified'],
    [file({ nodeAttrs: [{ target: ["autogroup:self"] }] }), '"autogroup:self" not valid as a target'],
    [file({ nodeAttrs: [{ ipPool: ["10.0.0.0/8"] }] }), "IPPool(10.0.0.0/8): network not within 100.64.0.0/10"],
    [file({ OneCGNATRoute: "x" }), 'OneCGNATRoute: expected "", "mac-always" or "mac-never", not "x"'],
    [file({ derpMap: { regions: { "900": { regionID: 901 } } } }), 'derpMap.regions["900"]: regionID must be 900'],
    [
      acl({ src: ["autogroup:member"], dst: ["autogroup:members:*"] }),
      "autogroup:member and autogroup:members cannot both be used in one file",
    ],
    [" ".repeat((1 << 20) + 1), "the policy file is larger than 1048576 characters"],
  ])("%s → %s", (text, message) => {
    expect(messagesOf(text)[0]).toBe(message);
  });
});

describe("places and warnings", () => {
  test("every problem is found, each with its line and column", () => {
    const text = `{
  // Comments count as lines.
  "tagOwners": { "tag:a": [] },
  "acls": [
    { "action": "deny", "src": ["tag:x"], "dst": ["tag:a:22"] },
    { "action": "accept", "src": ["*"], "dst": ["tag:a:ssh"] }
  ]
}`;
    expect(parsePolicy(text)).toEqual({
      ok: false,
      problems: [
        { message: 'action="deny" is not supported', line: 5, column: 17 },
        { message: 'src=tag not found: "tag:x"', line: 5, column: 33 },
        { message: 'dst="tag:a:ssh": port range "ssh": invalid first integer', line: 6, column: 49 },
      ],
    });
  });

  test("problems on the first line and behind blank lines are placed too", () => {
    expect(parsePolicy('{"x": 1}')).toMatchObject({ problems: [{ line: 1, column: 2 }] });
    expect(parsePolicy('\n\n{"x": 1}')).toMatchObject({ problems: [{ line: 3, column: 2 }] });
    expect(parsePolicy("\n[]")).toMatchObject({ problems: [{ line: 2, column: 1 }] });
  });

  test("of equal keys the last one counts, with a warning", () => {
    const result = parsePolicy('{"hosts": {"a": "1.1.1.1", "a": "2.2.2.2"}, "ACLs": [], "acls": []}');
    expect(result).toMatchObject({
      ok: true,
      warnings: [
        { line: 1, column: 57 },
        { line: 1, column: 28 },
      ],
    });
    expect(result.ok && result.policy.hosts.get("a")?.[0]?.first).toBe(0x02020202n);
  });
});

describe("what is accepted", () => {
  test.each([
    ["comments and one trailing comma", '/* a */ { // b\n "acls": [], }'],
    ["any case of section and field names", '{"ACLS": [{"ACTION": "accept", "Src": ["*"], "DST": ["*:*"]}]}'],
    ["null for absent fields", ssh({ acceptEnv: null, checkPeriod: null, src: null, dst: null })],
    ["blanks around strings", ssh({ action: " accept", src: [" ann@example.com\t"], users: ["\troot"] })],
    ["empty lists of sources and destinations", grant({ src: [], dst: [] })],
    ["an app grant with an empty list", grant({ ip: [], app: { "a.com/b": [] } })],
    ["app names that the hosted service allows", grant({ app: { "tailscale.com/cap/drive": [{ shares: ["*"] }] } })],
    ["deep capability paths", grant({ app: { "example.com/a/b/c/d": [1, "x", null] } })],
    ["old field names", file({ acls: [{ action: "accept", users: ["*"], ports: ["*:*"] }] })],
    ["/0 in acls", acl({ dst: ["0.0.0.0/0:*"] })],
    ["IPv6 destinations", acl({ dst: ["[fd7a::1]:22", "[fd7a::]/48:22", "fd7a::1:22"] })],
    ["protocols by name and number", acl({ proto: "47", dst: ["*:*"] })],
    ["no via", grant({ via: null })],
    ["any login name", ssh({ users: ["autogroup:member", "localpart:", "localpart:foo", "localpart:*@", "🚀"] })],
    ["checks that last no time or always apply", ssh({ action: "check", checkPeriod: "always" })],
    ["cycles of tag owners", file({ tagOwners: { "tag:a": ["tag:b"], "tag:b": ["tag:a", "tag:b"] } })],
    ["entries of nodeAttrs without effect", file({ nodeAttrs: [{}, { target: [] }, { target: ["*"] }] })],
    ["unknown attributes", file({ nodeAttrs: [{ target: ["*"], attr: ["https://example.com/x?y=1"] }] })],
    ["services", acl({ dst: ["svc:web:443"] })],
    ["removal of a DERP region", file({ derpMap: { regions: { "1": null } } })],
    ["attribute declarations", file({ attrConfig: { "custom:x": { type: "bool", allowSetByNode: true } } })],
    ["tests that make no sense", file({ tests: [{}], sshTests: [{}] })],
    ["the default policy", DEFAULT_POLICY],
  ])("%s", (_, text) => {
    expect(messagesOf(text)).toEqual([]);
  });

  test("a file without acls and grants allows everything, one with an empty list nothing", () => {
    expect(accepted("{}").rules).toMatchObject([{ sources: [{ kind: "any" }], parts: [{ protocol: null }] }]);
    expect(accepted('{"acls": null}').rules).toHaveLength(1);
    expect(accepted('{"acls": []}').rules).toEqual([]);
  });

  test("grants come before acls, whatever their order in the file", () => {
    const policy = accepted(
      file({ acls: [{ action: "accept", src: ["*"], dst: ["*:*"] }], grants: [{ src: ["*"], dst: ["*"], ip: ["*"] }] }),
    );
    expect(policy.rules.map(({ section }) => section)).toEqual(["grants", "acls"]);
  });

  test("the text is kept as it was posted", () => {
    const text = '{ "acls": [], // why\n}';
    expect(accepted(text).text).toBe(text);
  });

  test("keys that mean something to JavaScript are plain names", () => {
    const policy = accepted(
      '{"hosts": {"__proto__": "1.1.1.1", "constructor": "2.2.2.2"}, "acls": [{"action": "accept", "src": ["__proto__"], "dst": ["constructor:*"]}]}',
    );
    expect(policy.hosts.size).toBe(2);
    expect(messagesOf('{"__proto__": []}')).toEqual(['policy: unknown field "__proto__"']);
  });
});

describe("ipsets", () => {
  const ipset = (operations: unknown, others = {}) => {
    const { ipsets } = accepted(file({ ipsets: { "ipset:x": operations, ...others } }));
    return ipsets.get("ipset:x")?.map(({ first, last }) => `${first}-${last}`);
  };

  test("add and remove in order", () => {
    expect(ipset(["add 0.0.0.0/24", "remove 0.0.0.8-0.0.0.15", "add 0.0.0.10"])).toEqual(["0-7", "10-10", "16-255"]);
    expect(ipset(["0.0.0.1", "0.0.0.2", "host:srv"])).toEqual(["1-2", "1681915913-1681915913"]);
  });

  test("hold other ipsets, whatever the order of definition", () => {
    expect(ipset(["ipset:y", "0.0.0.9"], { "ipset:y": ["0.0.0.0/30"] })).toEqual(["0-3", "9-9"]);
  });

  test.each([
    [{ "ipset:x": ["ipset:y"], "ipset:y": ["ipset:x"] }, 'ipsets["ipset:x"]: an ipset cannot contain itself'],
    [{ "ipset:x": ["ipset:z"] }, 'ipset not found: "ipset:z"'],
    [{ "ipset:x": ["tag:a"] }, 'ipsets["ipset:x"]: "tag:a": invalid address'],
    [
      { "ipset:x": ["10.0.0.0/8", "remove 10.0.0.0/9"] },
      `ipsets["ipset:x"]: "10.0.0.0/8": write 'add' or 'remove' before each entry`,
    ],
    [{ x: [] }, `ipsets["x"]: ipset names must start with 'ipset:'`],
  ])("%j → %s", (ipsets, message) => {
    expect(messagesOf(file({ ipsets }))[0]).toBe(message);
  });
});
