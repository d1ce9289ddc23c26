// Policy files that are meant to do harm: none may crash the parser or the engine, take long, or touch what they should
// not. test/long/policy-fuzz.test.ts takes many more.
import { describe, expect, test } from "vitest";
import { PolicyEngine } from "./engine.ts";
import { parsePolicy } from "./parse.ts";
import { hostileText, seededNumbers } from "./testing/hostile-text.ts";
import { takeHostileText } from "./testing/take-hostile-text.ts";

function firstProblem(text: string): string | undefined {
  const result = parsePolicy(text, ["example.com"]);
  return result.ok ? undefined : result.problems[0]?.message;
}

test("20,000 mutilated files are refused with a place, or make an engine", () => {
  const next = seededNumbers(20_261_124);
  let taken = 0;
  for (let i = 0; i < 20_000; i++) {
    const text = hostileText(next);
    try {
      if (takeHostileText(text)) taken++;
    } catch (error) {
      throw new Error(`input ${i}: ${JSON.stringify(text)}`, { cause: error });
    }
  }
  expect(taken).toBeGreaterThan(500);
  expect(taken).toBeLessThan(19_000);
}, 120_000);

describe("size and depth", () => {
  test.each([
    [
      "a file above the limit",
      `{"acls":[]}${" ".repeat(1 << 20)}`,
      "the policy file is larger than 1048576 characters",
    ],
    ["a million brackets", "[".repeat(1_000_000), "nested too deeply"],
    ["deep values of an app", `{"grants":[{"app":{"a.com/b":[${'{"x":'.repeat(200)}`, "nested too deeply"],
  ])("%s", (_, text, message) => {
    expect(firstProblem(text)).toBe(message);
  });

  test("as many errors as the limit has room for are all placed", () => {
    const text = `{"acls":[\n${'{"action":"x"},\n'.repeat(60_000)}]}`;
    const result = parsePolicy(text);
    expect(result.ok ? 0 : result.problems.length).toBe(60_000);
    expect(result.ok ? null : result.problems.at(-1)?.line).toBe(60_001);
  });
});

describe("names", () => {
  test.each(["__proto__", "constructor", "hasOwnProperty", "toString"])("%s is a plain key everywhere", (name) => {
    const key = JSON.stringify(name);
    const text = `{"hosts":{${key}:"1.1.1.1"},"grants":[{"src":[${key}],"dst":["*"],"app":{"a.com/${name}":[{${key}:1}]}}],
      "nodeAttrs":[{"target":["*"],"attr":[${key}],"app":{${key}:[{${key}:{"polluted":true}}]}}]}`;
    expect(takeHostileText(text)).toBe(true);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(Object.getOwnPropertyDescriptor(Object.prototype, "polluted")).toBeUndefined();
  });

  test("letters that look alike are other names", () => {
    const text = '{"tagOwners":{"tag:a":[]},"grants":[{"src":["tag:\u0430"],"dst":["*"],"ip":["*"]}]}';
    expect(firstProblem(text)).toBe('src=tag not found: "tag:\u0430"');
    expect(firstProblem('{"tagOwners":{"tag:\u0430":[]}}')).toContain("tag names must start with a letter");
  });
});

describe("letters that look alike", () => {
  const file = (sections: object) =>
    JSON.stringify({
      groups: { "group:g": [] },
      hosts: { srv: "100.64.0.9" },
      tagOwners: { "tag:a": [] },
      ...sections,
    });
  const from = (src: string) => file({ grants: [{ src: [src], dst: ["*"], ip: ["*"] }] });

  test.each([
    ["a Latin alpha in a group", from("group:\u0261"), 'src=group not found: "group:\u0261"'],
    ["a Cyrillic letter in a host", from("s\u0433v"), 'src="s\u0433v": invalid address'],
    [
      "a Cyrillic letter in an autogroup",
      from("autogroup:memb\u0435r"),
      'src=unknown autogroup "autogroup:memb\u0435r"',
    ],
    ["a Greek letter in a prefix", from("t\u03b1g:a"), 'src="t\u03b1g:a": invalid address'],
    ["an asterisk operator", from("\u2217"), 'src="\u2217": invalid address'],
    ["a fullwidth asterisk", from("\uff0a"), 'src="\uff0a": invalid address'],
    ["fullwidth digits", from("\uff11\uff10.0.0.1"), 'src="\uff11\uff10.0.0.1": invalid address'],
    [
      "Arabic digits",
      file({ acls: [{ action: "accept", src: ["*"], dst: ["srv:\u0662\u0662"] }] }),
      'dst="srv:\u0662\u0662": port range "\u0662\u0662": invalid first integer',
    ],
    ["a blank of no width", from("tag:a\u200b"), 'src=tag not found: "tag:a\u200b"'],
    [
      "an action",
      file({ acls: [{ action: "\u0430ccept", src: ["*"], dst: ["*:*"] }] }),
      'action="\u0430ccept" is not supported',
    ],
    ["a section", file({ "\u0430cls": [] }), 'policy: unknown field "\u0430cls"'],
  ])("are others: %s", (_, text, message) => {
    expect(firstProblem(text)).toBe(message);
  });

  test("name another user, who has no devices here", () => {
    const parsed = parsePolicy(from("\u0430nn@example.com"));
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const node = { userId: 1, tags: [], ipv6: null, routes: [], isOnline: true };
    const nodes = [1, 2].map((id) => ({ ...node, id, ipv4: `100.64.0.${id}` }));
    const users = [{ id: 1, loginName: "ann@example.com", role: "member" }] as const;
    const engine = new PolicyEngine({ policy: parsed.policy, users, nodes });
    expect([engine.peersOf(1), engine.packetFilterOf(2)]).toEqual([[], []]);
  });
});

describe("keys that come twice", () => {
  const warningsOf = (text: string) => {
    const result = parsePolicy(text);
    return result.ok ? result.warnings.map(({ message, line }) => [line, message]) : result.problems;
  };

  test("count the last time, with a warning: sections, names, and fields of rules", () => {
    const text = `{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}],
      "hosts": {"a": "1.1.1.1", "a": "2.2.2.2"},
      "grants": [
        {"src": ["a"], "dst": ["a"], "ip": ["22"], "src": ["2.2.2.2"]},
      ]}`;
    expect(warningsOf(text)).toEqual([
      [3, 'policy: duplicate key "grants", the last one counts'],
      [2, 'hosts: duplicate key "a", the last one counts'],
      [4, 'grants[0]: duplicate key "src", the last one counts'],
    ]);
    const parsed = parsePolicy(text);
    expect(parsed.ok ? parsed.policy.rules.map(({ written }) => written.sources) : null).toEqual([["2.2.2.2"]]);
  });

  test("are the same in any case, as the names of sections are", () => {
    const text = '{"acls": [],\n"ACLs": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],\n"aCLS": null}';
    expect(warningsOf(text)).toEqual([
      [2, 'policy: duplicate key "ACLs", the last one counts'],
      [3, 'policy: duplicate key "aCLS", the last one counts'],
    ]);
  });
});

describe("definitions that lead to themselves or explode", () => {
  test("groups within groups are refused, in circles too", () => {
    const text = '{"groups":{"group:a":["group:b"],"group:b":["group:a"]}}';
    expect(firstProblem(text)).toBe('groups["group:b"]: "group:a": group members cannot be recursive');
  });

  test("a chain of ipsets that doubles at each link is cheap or refused", () => {
    const links = [...Array(40).keys()].map((i) => `"ipset:${i}":["ipset:${i + 1}","ipset:${i + 1}"]`);
    expect(takeHostileText(`{"ipsets":{${links.join()},"ipset:40":["10.0.0.0/8"]}}`)).toBe(true);
    const long = [...Array(5_000).keys()].map((i) => `"ipset:${i}":["ipset:${i + 1}"]`);
    expect(firstProblem(`{"ipsets":{${long.join()},"ipset:5000":[]}}`)).toContain("nested too deeply");
  });

  test("ipsets of everything, riddled with holes, are refused when the work grows too large", () => {
    const holes = [...Array(9_000).keys()].map((i) => `"remove 10.${i >> 8}.${i & 255}.1"`);
    const text = `{"ipsets":{"ipset:a":["add 0.0.0.0/0","add ::/0",${holes.join()}]}}`;
    expect(firstProblem(text)).toBe('ipsets["ipset:a"]: the ipsets of this file are too large');
  });

  test("0.0.0.0/0 and ::/0 in an ipset cost no more than one range each", () => {
    const text =
      '{"ipsets":{"ipset:a":["0.0.0.0/0","::/0"]},"acls":[{"action":"accept","src":["ipset:a"],"dst":["ipset:a:*"]}]}';
    expect(takeHostileText(text)).toBe(true);
  });
});
