// Selectors of a policy file: text to Selector, and which kinds may stand where (policy.md 4). Functions return the
// reason as a string when a text is refused; the caller puts the section's own words around it.
import { parseRange } from "../../protocol/ip.ts";
import type { Posture, Selector } from "../policy.ts";
import type { PrefixSet } from "../prefix-set.ts";
import { quote } from "./document.ts";

/** The names that a file defines, for selectors and rules to refer to. */
export interface Definitions {
  readonly groups: ReadonlyMap<string, readonly string[]>;
  readonly hosts: ReadonlyMap<string, PrefixSet>;
  readonly ipsets: ReadonlyMap<string, PrefixSet>;
  /** Declared tags. */
  readonly tags: { has(tag: string): boolean };
  readonly postures: ReadonlyMap<string, Posture>;
  /** Domains of the tailnet; null when unknown, which lets every domain pass. */
  readonly domains: readonly string[] | null;
}

/** A place in the file where selectors stand. */
export type Position = "source" | "destination" | "ssh-source" | "ssh-destination" | "target" | "owner";

const IDENTITIES = ["user", "group", "tag", "domain", "member", "tagged", "role"] as const;

const ALLOWED: Readonly<Record<Position, ReadonlySet<Selector["kind"]>>> = {
  source: new Set<Selector["kind"]>([...IDENTITIES, "any", "literal", "danger-all", "shared"]),
  destination: new Set<Selector["kind"]>([...IDENTITIES, "any", "literal", "self", "internet", "service"]),
  "ssh-source": new Set<Selector["kind"]>([...IDENTITIES, "shared"]),
  "ssh-destination": new Set<Selector["kind"]>(["user", "tag", "member", "tagged", "self"]),
  target: new Set<Selector["kind"]>([...IDENTITIES, "any", "literal"]),
  owner: new Set<Selector["kind"]>(IDENTITIES),
};

/** Reads a selector that may stand at a position; the reason when it may not. */
export function readSelector(text: string, position: Position, definitions: Definitions): Selector | string {
  const selector = parseSelector(text, definitions);
  if (typeof selector === "string" || ALLOWED[position].has(selector.kind)) return selector;
  switch (position) {
    case "source":
      return `${quote(text)} not valid on the src side of a rule`;
    case "destination":
      return `cannot use ${text} as a dst`;
    case "ssh-source":
      return `invalid src ${quote(text)}`;
    case "ssh-destination":
      return `invalid dst ${quote(text)}`;
    case "target":
      return `${quote(text)} not valid as a target`;
    case "owner":
      return `${quote(text)} is not a user, group, tag or autogroup`;
  }
}

/** Reads any selector; the reason when the text is none or names something undefined. */
export function parseSelector(text: string, definitions: Definitions): Selector | string {
  const range = parseRange(text);
  if (range !== undefined) return { kind: "literal", set: [range] };
  if (text === "*") return { kind: "any" };
  if (text.startsWith("autogroup:")) return autogroup(text);
  if (text.startsWith("group:")) {
    const members = definitions.groups.get(text);
    return members === undefined ? `group not found: ${quote(text)}` : { kind: "group", name: text, members };
  }
  if (text.startsWith("tag:")) {
    return definitions.tags.has(text) ? { kind: "tag", tag: text } : `tag not found: ${quote(text)}`;
  }
  if (text.startsWith("ipset:")) {
    const set = definitions.ipsets.get(text);
    return set === undefined ? `ipset not found: ${quote(text)}` : { kind: "literal", set };
  }
  if (text.startsWith("svc:")) return { kind: "service", name: text };
  if (text.startsWith("user:*@")) return domainSelector(text.slice("user:*@".length), definitions);
  if (text.startsWith("localpart:")) return `${quote(text)} is only for users of ssh`;
  if (text.includes("@")) return { kind: "user", login: foldLogin(text) };
  const host = definitions.hosts.get(text);
  return host === undefined ? `${quote(text)}: invalid address` : { kind: "literal", set: host };
}

/** A login name as users have it: identity providers spell one person's now this way, now that. */
export function foldLogin(text: string): string {
  return text.toLowerCase();
}

function autogroup(text: string): Selector | string {
  switch (text) {
    case "autogroup:member":
    case "autogroup:members":
      return { kind: "member" };
    case "autogroup:tagged":
      return { kind: "tagged" };
    case "autogroup:self":
      return { kind: "self" };
    case "autogroup:internet":
      return { kind: "internet" };
    case "autogroup:danger-all":
      return { kind: "danger-all" };
    case "autogroup:shared":
      return { kind: "shared" };
    case "autogroup:owner":
      return { kind: "role", role: "owner" };
    case "autogroup:admin":
      return { kind: "role", role: "admin" };
    case "autogroup:it-admin":
      return { kind: "role", role: "it-admin" };
    case "autogroup:network-admin":
      return { kind: "role", role: "network-admin" };
    case "autogroup:billing-admin":
      return { kind: "role", role: "billing-admin" };
    case "autogroup:auditor":
      return { kind: "role", role: "auditor" };
    default:
      return `unknown autogroup ${quote(text)}`;
  }
}

function domainSelector(domain: string, definitions: Definitions): Selector | string {
  return foreignDomain(domain, definitions) ?? { kind: "domain", domain };
}

/** The reason why a domain may not stand in `user:*@…` and `localpart:*@…`; undefined when it may. */
export function foreignDomain(domain: string, definitions: Definitions): string | undefined {
  if (definitions.domains?.includes(domain) ?? true) return undefined;
  return `${domain} is not associated with this Tailnet and cannot be used in user:*@<domain> expressions`;
}
