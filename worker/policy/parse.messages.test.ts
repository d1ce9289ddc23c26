// The hosted service's messages (policy.md 24.2), word for word, each with the line and column that it is about.
import { describe, expect, test } from "vitest";
import { parsePolicy } from "./parse.ts";

/** Stands at the start of the string, or as the first key of the object, that a message is about. */
const HERE = "▶";

/** A policy around one section or rule, with names for it to refer to, over many lines. */
function file(sections: Readonly<Record<string, unknown>>): string {
  const names = {
    groups: { "group:g": ["ann@example.com"] },
    hosts: { srv: "100.64.0.9", net: "10.0.0.0/8" },
    tagOwners: { "tag:a": [], "tag:b": ["tag:a"] },
  };
  return JSON.stringify({ ...names, ...sections }, null, 2);
}

const acl = (rule: object) =>
  file({ acls: [{ ...rule, ...missing(rule, { action: "accept", src: ["*"], dst: ["*:*"] }) }] });
const grant = (rule: object) =>
  file({ grants: [{ ...rule, ...missing(rule, { src: ["*"], dst: ["tag:a"], ip: ["*"] }) }] });
const ssh = (rule: object) => {
  const usual = { action: "accept", src: ["autogroup:member"], dst: ["tag:a"], users: ["root"] };
  return file({ ssh: [{ ...rule, ...missing(rule, usual) }] });
};
const target = (text: string) => file({ nodeAttrs: [{ target: [text], attr: ["x"] }] });
const sshTest = (dst: string) => file({ sshTests: [{ src: "ann@example.com", dst: [dst], accept: ["root"] }] });

/** Those of the usual fields that a rule does not have itself, behind its own. */
function missing(rule: object, usual: object): object {
  return Object.fromEntries(Object.entries(usual).filter(([name]) => !Object.hasOwn(rule, name)));
}

/** The text without its mark, and where that stood. */
function located(marked: string): { text: string; line: number; column: number } {
  const asKey = /\{\s*"▶": 0(,|\s*(?=\}))/.exec(marked);
  const at = asKey === null ? marked.indexOf(HERE) - 1 : asKey.index;
  const before = marked.slice(0, at).split("\n");
  const text = asKey === null ? marked.replace(HERE, "") : marked.replace(asKey[0], "{");
  return { text, line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

const SELF = "autogroup:self can only be used with users, groups, or supported autogroups";
const FOREIGN = "is not associated with this Tailnet and cannot be used in user:*@<domain> expressions";
const NO_DOMAIN = "capability name must have the form {domain}/{path}";
const RESERVED = "capability name must not be in the tailscale.com domain";
const EMPTY = "ip and app can not both be empty";
const PORT_0 = `port range "0": first port must be >0, or use '*' for wildcard`;
const ALL_ADDRESSES = 'to allow all IP addresses, use "*" or "autogroup:internet"';

describe("acls and grants", () => {
  test.each([
    [acl({ action: "▶deny" }), 'action="deny" is not supported'],
    [acl({ src: ["ann@example.com", "▶tag:x"] }), 'src=tag not found: "tag:x"'],
    [grant({ src: ["▶tag:x"] }), 'src=tag not found: "tag:x"'],
    [acl({ dst: ["▶tag:x:22"] }), 'dst="tag:x": tag not found: "tag:x"'],
    [grant({ dst: ["tag:a", "▶tag:x"] }), 'dst=tag not found: "tag:x"'],
    [grant({ via: ["tag:a", "▶tag:x"] }), 'tag "tag:x" not found'],
    [grant({ via: ["▶group:g"] }), "via can only be a tag"],
    [grant({ via: ["▶*"] }), "via can only be a tag"],
    [acl({ src: ["▶autogroup:self"] }), '"autogroup:self" not valid on the src side of a rule'],
    [grant({ src: ["▶autogroup:self"] }), '"autogroup:self" not valid on the src side of a rule'],
    [acl({ src: ["▶tag:a"], dst: ["autogroup:self:*"] }), SELF],
    [acl({ src: ["▶autogroup:tagged"], dst: ["autogroup:self:*"] }), SELF],
    [acl({ src: ["ann@example.com", "▶srv"], dst: ["autogroup:self:*"] }), SELF],
    [acl({ src: ["autogroup:member", "▶100.64.0.1"], dst: ["tag:a:1", "autogroup:self:*"] }), SELF],
    [grant({ src: ["▶*"], dst: ["autogroup:self"] }), SELF],
    [grant({ src: ["▶tag:a"], dst: ["autogroup:self"], ip: [], app: { "a.com/b": [] } }), SELF],
    [acl({ dst: ["▶autogroup:danger-all:*"] }), "cannot use autogroup:danger-all as a dst"],
    [grant({ dst: ["▶autogroup:danger-all"] }), "cannot use autogroup:danger-all as a dst"],
    [acl({ dst: ["▶autogroup:self"] }), 'dst="autogroup:self": port range "self": invalid first integer'],
    [acl({ dst: ["▶tag:a:ssh"] }), 'dst="tag:a:ssh": port range "ssh": invalid first integer'],
    [acl({ dst: ["▶tag:a:22,ssh"] }), 'dst="tag:a:22,ssh": port range "ssh": invalid first integer'],
    [acl({ dst: ["▶tag:a:0"] }), `dst="tag:a:0": ${PORT_0}`],
    [grant({ ip: ["tcp:22", "▶icmp"] }), 'port range "icmp": invalid first integer'],
    [grant({ ip: ["▶0"] }), PORT_0],
    [grant({ ip: ["▶tcp:0"] }), PORT_0],
    [grant({ [HERE]: 0, ip: [] }), EMPTY],
    [grant({ [HERE]: 0, ip: [], app: {} }), EMPTY],
    [grant({ [HERE]: 0, ip: null }), EMPTY],
    [grant({ dst: ["▶0.0.0.0/0"] }), `dst "0.0.0.0/0": ${ALL_ADDRESSES}`],
    [grant({ dst: ["tag:a", "▶::/0"], app: { "a.com/b": [] } }), `dst "::/0": ${ALL_ADDRESSES}`],
    [grant({ app: { "▶https://a.com/b": [] } }), NO_DOMAIN],
    [grant({ app: { "a.com/b": [], "▶nodomain": [] } }), NO_DOMAIN],
    [grant({ app: { "▶tailscale.com/cap/ingress": [] } }), RESERVED],
    [grant({ app: { "▶tailscale.com/cap/funnel": [] } }), RESERVED],
    [grant({ app: { "▶tailscale.com/cap/relay-target": [] } }), RESERVED],
    [grant({ app: { "▶tailscale.com/cap/drive-sharer": [] } }), RESERVED],
    [grant({ app: { "a.com/b": [] }, dst: ["▶autogroup:internet"] }), "cannot use app grants with autogroup:internet"],
    [
      grant({ app: { "a.com/b": [] }, ip: [], dst: ["▶autogroup:internet"] }),
      "cannot use app grants with autogroup:internet",
    ],
  ])("%s → %s", expectMessage);
});

describe("definitions and node attributes", () => {
  test.each([
    [
      file({ groups: { "group:a": ["group:b"], "group:b": ["ann@example.com", "▶group:c"], "group:c": [] } }),
      'groups["group:b"]: "group:c": group members cannot be recursive',
    ],
    [
      file({ tagOwners: { "▶tag:сервер": [] } }),
      `tagOwners["tag:сервер"]: tag names must start with a letter, after 'tag:'`,
    ],
    [file({ tagOwners: { "▶tag:9": [] } }), `tagOwners["tag:9"]: tag names must start with a letter, after 'tag:'`],
    [target("▶tag:x"), 'tag not found: "tag:x"'],
    [target("▶%bogus%"), '"%bogus%": invalid address'],
    [
      file({ nodeAttrs: [{ target: ["*"], ipPool: ["100.64.0.0/16", "▶100.100.100.0/24"] }] }),
      "IPPool(100.100.100.0/24): network within reserved range",
    ],
  ])("%s → %s", expectMessage);
});

describe("ssh", () => {
  test.each([
    [ssh({ users: ["root", "▶localpart:*@example.org"] }), `example.org ${FOREIGN}`],
    [ssh({ users: ["▶localpart:*@*"] }), `* ${FOREIGN}`],
    [ssh({ users: ["▶localpart:*@EXAMPLE.com"] }), `EXAMPLE.com ${FOREIGN}`],
    [ssh({ src: ["▶user:*@example.org"] }), `[ssh] example.org ${FOREIGN}`],
    [ssh({ [HERE]: 0, action: undefined }), "action must be specified"],
    [ssh({ [HERE]: 0, action: null }), "action must be specified"],
    [ssh({ action: "▶" }), "action must be specified"],
    [ssh({ action: "▶deny" }), '"deny" is not a valid action'],
    [ssh({ action: "▶Accept" }), '"Accept" is not a valid action'],
    [ssh({ [HERE]: 0, users: undefined }), "users must be specified"],
    [ssh({ [HERE]: 0, users: null }), "users must be specified"],
    [ssh({ [HERE]: 0, users: [] }), "users must be specified"],
    [ssh({ users: ["root", "▶"] }), 'user "" is not valid'],
    [ssh({ users: ["▶*"] }), 'user "*" is not valid'],
    [ssh({ acceptEnv: ["TERM", "▶"] }), "acceptEnv values cannot be empty"],
    [ssh({ action: "check", checkPeriod: "▶abc" }), 'time: invalid duration "abc"'],
    [ssh({ action: "check", checkPeriod: "▶-1m" }), "checkPeriod -1m0s must be a positive duration"],
    [ssh({ action: "check", checkPeriod: "▶168h0m1s" }), "checkPeriod 168h0m1s is above the max (168h)"],
    [ssh({ action: "check", checkPeriod: "▶200h" }), "checkPeriod 200h0m0s is above the max (168h)"],
    [ssh({ dst: ["tag:a", "▶srv"] }), 'invalid dst "srv"'],
    [sshTest("▶autogroup:internet"), 'SSH tests dst contains disallowed element "autogroup:internet"'],
    [sshTest("▶10.0.0.0/8"), 'SSH tests dst contains disallowed element "10.0.0.0/8"'],
    [sshTest("▶tag:x"), 'SSH tests dst contains unknown tag "tag:x"'],
    [sshTest("▶tag:a:22"), 'SSH tests dst contains unknown tag "tag:a:22"'],
  ])("%s → %s", expectMessage);
});

function expectMessage(marked: string, message: string): void {
  const { text, line, column } = located(marked);
  const result = parsePolicy(text, ["example.com"]);
  expect(result.ok ? undefined : result.problems[0]).toEqual({ message, line, column });
}
