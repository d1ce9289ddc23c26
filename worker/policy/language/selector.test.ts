// Every kind of selector in every place where selectors stand (policy.md 4.3).
import { describe, expect, test } from "vitest";
import { parsePolicy } from "../parse.ts";

const PLACES = {
  "acl src": (text: string) => ({ acls: [{ action: "accept", src: [text], dst: ["tag:a:22"] }] }),
  "acl dst": (text: string) => ({ acls: [{ action: "accept", src: ["ann@example.com"], dst: [`${text}:22`] }] }),
  "grant src": (text: string) => ({ grants: [{ src: [text], dst: ["tag:a"], ip: ["*"] }] }),
  "grant dst": (text: string) => ({ grants: [{ src: ["ann@example.com"], dst: [text], ip: ["*"] }] }),
  "ssh src": (text: string) => ({ ssh: [{ action: "accept", src: [text], dst: ["tag:a"], users: ["root"] }] }),
  "ssh dst": (text: string) => ({
    ssh: [{ action: "accept", src: ["ann@example.com"], dst: [text], users: ["root"] }],
  }),
  target: (text: string) => ({ nodeAttrs: [{ target: [text], attr: ["x"] }] }),
  owner: (text: string) => ({ tagOwners: { "tag:a": [text], "tag:b": [] } }),
  approver: (text: string) => ({ autoApprovers: { routes: { "10.0.0.0/8": [text] }, exitNode: [text] } }),
  ipset: (text: string) => ({ ipsets: { "ipset:other": ["10.0.0.0/8"], "ipset:x": [text] } }),
  via: (text: string) => ({ grants: [{ src: ["*"], dst: ["10.0.0.0/8"], ip: ["*"], via: [text] }] }),
} as const;

type Place = keyof typeof PLACES;

const SOURCES: Place[] = ["acl src", "grant src"];
const DESTINATIONS: Place[] = ["acl dst", "grant dst"];
const RULES: Place[] = [...SOURCES, ...DESTINATIONS];
const OWNERS: Place[] = ["owner", "approver"];

/** Selector → where it may stand; it may stand nowhere else. */
const ALLOWED: Readonly<Record<string, readonly Place[]>> = {
  "*": [...RULES, "target"],
  "100.64.0.9": [...RULES, "target", "ipset"],
  "10.0.0.0/8": [...RULES, "target", "ipset"],
  "10.0.0.1-10.0.0.9": [...RULES, "target", "ipset"],
  "fd7a:115c:a1e0::9": [...RULES, "target", "ipset"],
  srv: [...RULES, "target", "ipset"],
  "host:srv": ["ipset"],
  "ipset:other": [...RULES, "target", "ipset"],
  "ann@example.com": [...RULES, "ssh src", "ssh dst", "target", ...OWNERS],
  "bob@example.com": [...RULES, "ssh src", "target", ...OWNERS],
  "group:g": [...RULES, "ssh src", "target", ...OWNERS],
  "tag:b": [...RULES, "ssh src", "ssh dst", "target", ...OWNERS, "via"],
  "user:*@example.com": [...RULES, "ssh src", "target", ...OWNERS],
  "autogroup:member": [...RULES, "ssh src", "ssh dst", "target", ...OWNERS],
  "autogroup:members": [...RULES, "ssh src", "ssh dst", "target", ...OWNERS],
  "autogroup:tagged": [...RULES, "ssh src", "ssh dst", "target", ...OWNERS],
  "autogroup:owner": [...RULES, "ssh src", "target", ...OWNERS],
  "autogroup:admin": [...RULES, "ssh src", "target", ...OWNERS],
  "autogroup:it-admin": [...RULES, "ssh src", "target", ...OWNERS],
  "autogroup:network-admin": [...RULES, "ssh src", "target", ...OWNERS],
  "autogroup:billing-admin": [...RULES, "ssh src", "target", ...OWNERS],
  "autogroup:auditor": [...RULES, "ssh src", "target", ...OWNERS],
  "autogroup:self": [...DESTINATIONS, "ssh dst"],
  "autogroup:internet": [...DESTINATIONS, "ipset"],
  "autogroup:danger-all": SOURCES,
  "autogroup:shared": [...SOURCES, "ssh src"],
  "svc:web": DESTINATIONS,
  "autogroup:nonroot": [],
  "autogroup:everyone": [],
  "localpart:*@example.com": [],
  "user:*@example.org": [],
  "group:none": [],
  "tag:none": [],
  "ipset:none": [],
  nobody: [],
  "": [],
};

function problemsOf(text: string, place: Place): string[] {
  const sections = {
    groups: { "group:g": ["ann@example.com"] },
    hosts: { srv: "100.64.0.9" },
    ipsets: { "ipset:other": ["10.0.0.0/8"] },
    tagOwners: { "tag:a": [], "tag:b": [] },
    ...PLACES[place](place === "acl dst" && /:.*:/.test(text) && !text.includes("@") ? `[${text}]` : text),
  };
  const result = parsePolicy(JSON.stringify(sections), ["example.com"]);
  return result.ok ? [] : result.problems.map(({ message }) => message);
}

describe.each(Object.keys(PLACES) as Place[])("as %s", (place) => {
  test.each(Object.entries(ALLOWED))("%j", (text, places) => {
    const problems = problemsOf(text, place);
    if (places.includes(place)) expect(problems).toEqual([]);
    else expect(problems[0]).toMatch(/\S/);
  });
});
