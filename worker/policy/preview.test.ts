// Which rules a preview names, and on which lines.
import { describe, expect, it } from "vitest";
import { POLICY_MAX_PREVIEW_FOR } from "../protocol/limits.ts";
import type { PolicyNode, PolicyUser } from "./inventory.ts";
import { parsePolicy } from "./parse.ts";
import { type PreviewType, parsePreviewSubject, previewRules } from "./preview.ts";

const USERS: readonly PolicyUser[] = [
  { id: 1, loginName: "ann@example.com", role: "member" },
  { id: 2, loginName: "bob@github", role: "owner" },
];

function node(id: number, userId: number | null, tags: readonly string[] = []): PolicyNode {
  return { id, userId, tags, ipv4: `100.64.0.${id}`, ipv6: `fd7a:115c:a1e0::${id}`, routes: [], isOnline: true };
}

const NODES = [node(1, 1), node(2, 2), node(3, null, ["tag:web", "tag:db"])];

function preview(text: string, type: PreviewType, previewFor: string) {
  const parsed = parsePolicy(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const subject = parsePreviewSubject(type, previewFor);
  if (typeof subject === "string") throw new Error(subject);
  return previewRules(parsed.policy, subject, { users: USERS, nodes: NODES });
}

function linesOf(text: string, type: PreviewType, previewFor: string): number[] {
  return preview(text, type, previewFor).matches.map(({ line }) => line);
}

const SOURCES = `{
  "acls": [
    {"action": "accept", "src": ["*"], "dst": ["*:*"]}, // line 3
    {"action": "accept", "src": ["group:ops"], "dst": ["*:*"]},
    {"action": "accept", "src": ["autogroup:member"], "dst": ["*:*"]},
    {
      "action": "accept", "src": ["home", "autogroup:owner"], "dst": ["*:*"]}, // starts on line 6
    {"action": "accept", "src": ["tag:web"], "dst": ["*:*"]}, // line 8
    {"action": "accept", "src": ["tag:db"], "dst": ["*:*"]},
    {"action": "accept", "src": ["autogroup:tagged"], "dst": ["*:*"]},
    {"action": "accept", "src": ["100.64.0.0/30"], "dst": ["*:*"]}, // line 11
    {"action": "accept", "src": ["user:*@example.com"], "dst": ["*:*"]},
  ],
  "groups": {"group:ops": ["ann@example.com", "new@example.org"]},
  "hosts": {"home": "100.64.0.1"},
  "tagOwners": {"tag:web": [], "tag:db": [], "tag:idle": []},
}`;

describe("a preview for a source", () => {
  it.each([
    ["ann@example.com", [3, 4, 5, 6, 11, 12]],
    ["Ann@Example.com", [3, 4, 5, 6, 11, 12]],
    ["bob@github", [3, 5, 6, 11]],
    // Not there yet: a member without devices.
    ["new@example.org", [3, 4, 5]],
    ["tag:web", [3, 8, 10, 11]],
    // No device has it.
    ["tag:idle", [3, 10]],
  ])("names the rules of %s", (who, lines) => {
    expect(linesOf(SOURCES, "user", who)).toEqual(lines);
  });

  it("shows whole rules as written, grants with what they let through", () => {
    const text = `{
      "grants": [
        {"src": ["ann@example.com", " tag:web "], "dst": ["tag:db", "fd7a:115c:a1e0::3"], "ip": ["tcp:22,80", "*"]},
        {"src": ["*"], "dst": ["tag:db"], "app": {"example.com/cap": [{}]}},
        {"src": ["*"], "dst": ["10.0.0.0/8"], "ip": ["443"], "via": ["tag:web"]},
      ],
      "acls": [{"Action": "accept", "Users": ["*"], "Ports": ["tag:db:443", "[fd7a:115c:a1e0::3]:80"]}],
      "tagOwners": {"tag:web": [], "tag:db": []},
    }`;
    const rest = { via: [], postures: [] };
    expect(preview(text, "user", "ann@example.com")).toEqual({
      matches: [
        {
          users: ["ann@example.com", "tag:web"],
          ports: ["tag:db:tcp:22,80", "tag:db:*", "[fd7a:115c:a1e0::3]:tcp:22,80", "[fd7a:115c:a1e0::3]:*"],
          line: 3,
          ...rest,
        },
        { users: ["*"], ports: ["tag:db"], line: 4, ...rest },
        { users: ["*"], ports: ["10.0.0.0/8:443"], line: 5, via: ["tag:web"], postures: [] },
        { users: ["*"], ports: ["tag:db:443", "[fd7a:115c:a1e0::3]:80"], line: 7, ...rest },
      ],
      postures: {},
    });
  });

  it("names rules in the order of the file, whichever section comes first", () => {
    const text = `{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:1"]}],
      "grants": [{"src": ["*"], "dst": ["*"], "ip": ["2"]}]}`;
    expect(preview(text, "user", "ann@example.com").matches.map(({ ports }) => ports)).toEqual([["*:1"], ["*:2"]]);
  });

  it("tells postures without testing them, and their conditions once", () => {
    const text = `{
      "postures": {
        "posture:mac": ["node:os == 'macos'", "node:tsVersion >= '1.40'", "custom:x"],
        "posture:set": ["custom:a IN ['b', 3]", "custom:b NOT SET"],
        "posture:unused": ["custom:a IS SET"],
      },
      "acls": [
        {"action": "accept", "src": ["*"], "dst": ["*:*"], "srcPosture": ["posture:mac", "posture:set"]},
        {"action": "accept", "src": ["*"], "dst": ["*:*"], "srcPosture": []},
        {"action": "accept", "src": ["bob@github"], "dst": ["*:*"], "srcPosture": ["posture:unused"]},
      ]}`;
    const { matches, postures } = preview(text, "user", "ann@example.com");
    expect(matches.map((match) => match.postures)).toEqual([["posture:mac", "posture:set"], []]);
    expect(postures).toEqual({
      "posture:mac": ["node:os == 'macos'", "node:tsVersion >= '1.40'", "custom:x == true"],
      "posture:set": ["custom:a IN ['b', 3]", "custom:b NOT SET"],
    });
  });

  it("names the rule of a file without acls and grants, on no line", () => {
    const match = { users: ["*"], ports: ["*:*"], line: 0, via: [], postures: [] };
    expect(preview("{}", "user", "ann@example.com").matches).toEqual([match]);
    expect(preview("{}", "ipport", "10.0.0.1:5").matches).toEqual([match]);
    expect(preview('{"grants": []}', "user", "ann@example.com").matches).toEqual([]);
  });
});

const DESTINATIONS = `{
  "acls": [
    {"action": "accept", "src": ["*"], "dst": ["tag:db:22,5000-5100"]}, // line 3
    {"action": "accept", "src": ["*"], "dst": ["ann@example.com:22"]},
    {"action": "accept", "src": ["*"], "dst": ["10.1.0.0/16:*"]},
    {"action": "accept", "src": ["*"], "dst": ["autogroup:internet:443"]}, // line 6
    {"action": "accept", "src": ["bob@github"], "dst": ["autogroup:self:22"]},
    {"action": "accept", "src": ["*"], "dst": ["autogroup:tagged:*"], "proto": "icmp"},
    {"action": "accept", "src": ["*"], "dst": ["autogroup:member:53"], "proto": "udp"}, // line 9
  ],
  "grants": [
    {"src": ["*"], "dst": ["tag:db"], "app": {"example.com/cap": [{}]}}, // line 12
    {"src": ["*"], "dst": ["10.1.2.0/24"], "ip": ["22"], "via": ["tag:web"]},
    {"src": ["*"], "dst": ["tag:db"], "ip": ["22"], "via": ["tag:web"]},
    {"src": ["*"], "dst": ["*"], "ip": ["9"]}, // line 15
  ],
  "tagOwners": {"tag:web": [], "tag:db": []},
}`;

describe("a preview for an address and port", () => {
  it.each([
    ["100.64.0.3:22", [3]],
    ["[fd7a:115c:a1e0::3]:5100", [3]],
    ["[FD7A:115C:A1E0:0::3]:5100", [3]],
    ["100.64.0.3:5101", []],
    ["100.64.0.1:22", [4]],
    ["100.64.0.1:53", [9]],
    ["100.64.0.2:22", [7]],
    ["100.64.0.9:22", []],
    ["10.1.0.1:22", [5]],
    ["10.1.2.1:22", [5, 13]],
    ["8.8.8.8:443", [6]],
    ["8.8.8.8:80", []],
    ["100.64.0.3:9", [15]],
    ["8.8.8.8:9", [15]],
  ])("names the rules that let somebody through to %s", (destination, lines) => {
    expect(linesOf(DESTINATIONS, "ipport", destination)).toEqual(lines);
  });
});

describe("what a preview is for", () => {
  it.each([
    ["user", ""],
    ["user", "ann"],
    ["user", "tag:"],
    ["user", "group:ops"],
    ["user", "ann @example.com"],
    ["user", "100.64.0.1:22"],
    ["user", `${"a".repeat(POLICY_MAX_PREVIEW_FOR)}@example.com`],
    ["ipport", ""],
    ["ipport", "100.64.0.1"],
    ["ipport", "100.64.0.1:0"],
    ["ipport", "100.64.0.1:65536"],
    ["ipport", "100.64.0.1:22,80"],
    ["ipport", "100.64.0.0/24:22"],
    ["ipport", "[100.64.0.1]:22"],
    ["ipport", "fd7a:115c:a1e0::3:22"],
    ["ipport", "[fd7a:115c:a1e0::3]"],
    ["ipport", "ann@example.com:22"],
    ["ipport", `${"1".repeat(100_000)}:22`],
  ] as const)("must make sense: %s %j", (type, text) => {
    expect(parsePreviewSubject(type, text)).toMatch(/^previewFor (must be|is longer than)/);
  });
});
