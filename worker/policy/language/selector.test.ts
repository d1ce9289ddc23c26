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

const APPROVERS = 'autoApprovers.routes["10.0.0.0/8"]';

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

/** In whose words a place refuses what it does not take, or does not know. */
const WORDS: Readonly<
  Record<Place, { misplaced: (text: string) => string; unknown: (text: string, why: string) => string }>
> = {
  "acl src": { misplaced: notASource, unknown: (_, why) => `src=${why}` },
  "grant src": { misplaced: notASource, unknown: (_, why) => `src=${why}` },
  "acl dst": { misplaced: (text) => `cannot use ${text} as a dst`, unknown: (text, why) => `dst="${text}": ${why}` },
  "grant dst": { misplaced: (text) => `cannot use ${text} as a dst`, unknown: (_, why) => `dst=${why}` },
  "ssh src": { misplaced: (text) => `[ssh] invalid src "${text}"`, unknown: (_, why) => `[ssh] ${why}` },
  "ssh dst": { misplaced: (text) => `invalid dst "${text}"`, unknown: (_, why) => `[ssh] ${why}` },
  target: { misplaced: (text) => `"${text}" not valid as a target`, unknown: (_, why) => why },
  owner: { misplaced: notAnOwner('tagOwners["tag:a"]'), unknown: (_, why) => `tagOwners["tag:a"]: ${why}` },
  approver: { misplaced: notAnOwner(APPROVERS), unknown: (_, why) => `${APPROVERS}: ${why}` },
  ipset: { misplaced: notInIpset, unknown: notInIpset },
  via: { misplaced: () => "via can only be a tag", unknown: () => "via can only be a tag" },
};

function notASource(text: string): string {
  return `"${text}" not valid on the src side of a rule`;
}

function notAnOwner(where: string) {
  return (text: string) => `${where}: "${text}" is not a user, group, tag or autogroup`;
}

function notInIpset(text: string): string {
  return `ipsets["ipset:x"]: "${text}": invalid address`;
}

/** Why a text is no selector at all; undefined for those that merely stand in the wrong place. */
function unknownReason(text: string): string | undefined {
  const [, kind] = /^(group|tag|ipset):none$/.exec(text) ?? [];
  if (kind !== undefined) return `${kind} not found: "${text}"`;
  if (text === "autogroup:nonroot" || text === "autogroup:everyone") return `unknown autogroup "${text}"`;
  if (text.startsWith("localpart:")) return `"${text}" is only for users of ssh`;
  if (text === "user:*@example.org") {
    return "example.org is not associated with this Tailnet and cannot be used in user:*@<domain> expressions";
  }
  return ["host:srv", "nobody", ""].includes(text) ? `"${text}": invalid address` : undefined;
}

/** The message for a selector that may not stand at a place. */
function refusalOf(text: string, place: Place): string {
  if (place === "ssh dst" && text === "bob@example.com") return "[ssh] a user in dst must be the only src";
  if (place === "via" && text === "tag:none") return 'tag "tag:none" not found';
  if (place === "ipset" && text === "ipset:none") return 'ipset not found: "ipset:none"';
  const why = unknownReason(text);
  return why === undefined ? WORDS[place].misplaced(text) : WORDS[place].unknown(text, why);
}

describe.each(Object.keys(PLACES) as Place[])("as %s", (place) => {
  test.each(Object.entries(ALLOWED))("%j", (text, places) => {
    const problems = problemsOf(text, place);
    if (places.includes(place)) expect(problems).toEqual([]);
    else expect(problems[0]).toBe(refusalOf(text, place));
  });
});
