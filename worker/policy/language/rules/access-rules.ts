// The sections acls and grants (policy.md 6, 7): both become AccessRules, whose parts are already in the order in which
// they reach a packet filter (policy.md 9.2).
import type { CapMap } from "../../../protocol/control/filter-rule.ts";
import { parseAddress } from "../../../protocol/ip.ts";
import type { AccessRule, PortEntry, RulePart, Selector } from "../../policy.ts";
import { isExitRange } from "../../prefix-set.ts";
import {
  type Fields,
  type Node,
  type Problems,
  quote,
  readFields,
  readList,
  readText,
  readTexts,
  type Text,
} from "../document.ts";
import { lineCounter, type RuleContext, readSrcPosture } from "../rule-context.ts";
import { readSelector } from "../selector.ts";
import { readApp } from "./app-capabilities.ts";
import { ALL_PORTS, parseAclDestination, parseProtocol, parseTraffic, portsFit, type Traffic } from "./traffic.ts";

/** The rule of a file that has neither acls nor grants: everything is allowed. */
export const ALLOW_ALL: AccessRule = {
  section: "grants",
  index: 0,
  line: 0,
  sources: [{ kind: "any" }],
  destinations: [[{ kind: "any" }]],
  parts: [{ kind: "ports", isSelf: false, protocol: null, entries: [{ selector: { kind: "any" }, ports: ALL_PORTS }] }],
  via: [],
  postures: null,
  written: { sources: ["*"], destinations: ["*:*"] },
};

/** Reads `acls`. */
export function readAcls(node: Node, context: RuleContext): AccessRule[] {
  const known = ["action", "src", "dst", "users", "ports", "proto", "srcPosture"];
  return readRules(node, { section: "acls", known, readBody: readAcl }, context);
}

/** Reads `grants`. */
export function readGrants(node: Node, context: RuleContext): AccessRule[] {
  const known = ["src", "dst", "ip", "app", "via", "srcPosture"];
  return readRules(node, { section: "grants", known, readBody: readGrant }, context);
}

type RuleBody = Omit<AccessRule, "section" | "index" | "line" | "postures">;

/** What tells the two sections apart. */
interface Section {
  readonly section: AccessRule["section"];
  readonly known: readonly string[];
  readonly readBody: (fields: Fields, where: string, at: number, context: RuleContext) => RuleBody;
}

function readRules(node: Node, { section, known, readBody }: Section, context: RuleContext): AccessRule[] {
  const rules: AccessRule[] = [];
  const lines = lineCounter(context.text);
  for (const [index, item] of readList(node, section, context.problems).entries()) {
    const where = `${section}[${index}]`;
    const fields = readFields(item, where, known, context.problems);
    if (fields === undefined) continue;
    const body = readBody(fields, where, item.offset, context);
    const postures = readSrcPosture(fields.get("srcPosture"), where, context);
    rules.push({ ...body, section, index, line: lines(item.offset), postures });
  }
  return rules;
}

function readAcl(fields: Fields, where: string, at: number, context: RuleContext): RuleBody {
  const { problems } = context;
  const action = readText(fields.get("action"), `${where}.action`, problems);
  if (action?.value !== "accept") {
    problems.error(`action=${quote(action?.value ?? "")} is not supported`, action?.at ?? at);
  }
  const protocol = readProtocol(fields.get("proto"), where, problems);
  const sources = readSources(renamed(fields, ["src", "users"], where, problems), where, context);
  const entries: (PortEntry & { readonly isAutogroup: boolean })[] = [];
  const destinations = readTexts(renamed(fields, ["dst", "ports"], where, problems), `${where}.dst`, problems);
  for (const text of destinations) {
    const entry = readAclDestination(text, protocol, context);
    if (entry !== undefined) entries.push(entry);
  }
  if (entries.some(isSelfEntry)) checkSelfSources(sources, true, at, problems);
  // Self entries move behind the others, unless all are autogroups (policy.md 9.2).
  const inOrder = entries.every((entry) => entry.isAutogroup)
    ? entries
    : [...entries.filter((entry) => !isSelfEntry(entry)), ...entries.filter(isSelfEntry)];
  return {
    sources: sources.map(({ selector }) => selector),
    destinations: entries.filter((entry) => !isSelfEntry(entry)).map((entry) => [entry.selector]),
    parts: inOrder.map(({ selector, ports }) => {
      const isSelf = selector.kind === "self";
      return { kind: "ports", isSelf, protocol, entries: [{ selector, ports }] };
    }),
    via: [],
    written: { sources: sources.map(({ text }) => text), destinations: destinations.map(({ value }) => value) },
  };
}

function isSelfEntry(entry: PortEntry): boolean {
  return entry.selector.kind === "self";
}

/** The field under its new or its old name; both at once are an error. */
function renamed(fields: Fields, [name, old]: readonly [string, string], where: string, problems: Problems) {
  const node = fields.get(name);
  const legacy = fields.get(old);
  if (node !== undefined && legacy !== undefined) {
    problems.error(`${where}: ${quote(old)} is the old name of ${quote(name)}; use only one of them`, legacy.offset);
  }
  return node ?? legacy;
}

function readProtocol(node: Node | undefined, where: string, problems: Problems): number | null {
  const text = readText(node, `${where}.proto`, problems);
  if (text === undefined || text.value === "") return null;
  const protocol = parseProtocol(text.value);
  if (typeof protocol === "number") return protocol;
  problems.error(protocol, text.at);
  return null;
}

function readAclDestination(
  text: Text,
  protocol: number | null,
  context: RuleContext,
): (PortEntry & { readonly isAutogroup: boolean }) | undefined {
  const { problems } = context;
  const parsed = parseAclDestination(text.value);
  if (typeof parsed === "string") {
    problems.error(`dst=${quote(text.value)}: ${parsed}`, text.at);
    return undefined;
  }
  const misfit = portsFit(protocol, parsed.ports);
  if (misfit !== undefined) problems.error(`dst=${quote(text.value)}: ${misfit}`, text.at);
  const selector = readSelector(parsed.host, "destination", context.definitions);
  if (typeof selector === "string") {
    const isPlain = selector.startsWith("cannot use");
    problems.error(isPlain ? selector : `dst=${quote(parsed.host)}: ${selector}`, text.at);
    return undefined;
  }
  return { selector, ports: parsed.ports, isAutogroup: parsed.host.startsWith("autogroup:") };
}

interface Placed {
  readonly selector: Selector;
  /** The selector as it stands in the file. */
  readonly text: string;
  readonly at: number;
}

function readSources(node: Node | undefined, where: string, context: RuleContext): Placed[] {
  const sources: Placed[] = [];
  for (const { value, at } of readTexts(node, `${where}.src`, context.problems)) {
    const selector = readSelector(value, "source", context.definitions);
    if (typeof selector !== "string") sources.push({ selector, text: value, at });
    else context.problems.error(selector.includes("not valid on") ? selector : `src=${selector}`, at);
  }
  return sources;
}

const SELF_SOURCES: ReadonlySet<Selector["kind"]> = new Set<Selector["kind"]>([
  "user",
  "group",
  "domain",
  "member",
  "role",
]);

/** autogroup:self goes only with sources that stand for users; `*` only in acls (policy.md 6). */
function checkSelfSources(sources: readonly Placed[], allowsAny: boolean, at: number, problems: Problems): void {
  const wrong = sources.find(
    ({ selector }) => !SELF_SOURCES.has(selector.kind) && !(allowsAny && selector.kind === "any"),
  );
  if (wrong === undefined) return;
  problems.error("autogroup:self can only be used with users, groups, or supported autogroups", wrong.at ?? at);
}

function readGrant(fields: Fields, where: string, at: number, context: RuleContext): RuleBody {
  const { problems } = context;
  const sources = readSources(fields.get("src"), where, context);
  const destinations = readGrantDestinations(fields.get("dst"), where, context);
  const traffic: Traffic[] = [];
  const ip = readTexts(fields.get("ip"), `${where}.ip`, problems);
  for (const text of ip) {
    const parsed = parseTraffic(text.value);
    if (typeof parsed === "string") problems.error(parsed, text.at);
    else traffic.push(parsed);
  }
  const app = readApp(fields.get("app"), where, problems);
  if ((fields.get("ip")?.children ?? []).length === 0 && app === null) {
    problems.error("ip and app can not both be empty", at);
  }
  const self = destinations.find(({ selector }) => selector.kind === "self");
  if (self !== undefined) checkSelfSources(sources, false, self.at, problems);
  if (app !== null) checkAppDestinations(destinations, problems);
  const via = readVia(fields.get("via"), where, context);
  const others = destinations.map(({ selector }) => selector).filter((selector) => selector.kind !== "self");
  const selves = destinations.map(({ selector }) => selector).filter((selector) => selector.kind === "self");
  return {
    sources: sources.map(({ selector }) => selector),
    destinations: others.length === 0 ? [] : [others],
    // Sources that stand for nobody leave an app rule behind, the absence of sources leaves nothing (policy.md 7).
    parts:
      sources.length === 0
        ? []
        : [...grantParts(others, false, traffic, app), ...grantParts(selves, true, traffic, app)],
    via,
    written: {
      sources: sources.map(({ text }) => text),
      destinations: destinations.flatMap(({ text }) => writtenTraffic(text, ip)),
    },
  };
}

/** A destination of a grant with each entry of `ip`; without ports when the grant gives app capabilities alone. */
function writtenTraffic(destination: string, ip: readonly Text[]): string[] {
  const host = parseAddress(destination) !== undefined && destination.includes(":") ? `[${destination}]` : destination;
  return ip.length === 0 ? [destination] : ip.map(({ value }) => `${host}:${value}`);
}

function grantParts(
  destinations: readonly Selector[],
  isSelf: boolean,
  traffic: readonly Traffic[],
  app: CapMap | null,
): RulePart[] {
  if (destinations.length === 0) return [];
  const parts: RulePart[] = traffic.map(({ protocol, ports }) => {
    return { kind: "ports", isSelf, protocol, entries: destinations.map((selector) => ({ selector, ports })) };
  });
  if (app !== null) parts.push({ kind: "app", isSelf, destinations, capMap: app });
  return parts;
}

function readGrantDestinations(node: Node | undefined, where: string, context: RuleContext): Placed[] {
  const { problems } = context;
  const destinations: Placed[] = [];
  for (const { value, at } of readTexts(node, `${where}.dst`, problems)) {
    const selector = readSelector(value, "destination", context.definitions);
    if (typeof selector === "string") {
      problems.error(selector.startsWith("cannot use") ? selector : `dst=${selector}`, at);
    } else if (selector.kind === "literal" && value.includes("/") && selector.set.some(isExitRange)) {
      problems.error(`dst ${quote(value)}: to allow all IP addresses, use "*" or "autogroup:internet"`, at);
    } else {
      destinations.push({ selector, text: value, at });
    }
  }
  return destinations;
}

function checkAppDestinations(destinations: readonly Placed[], problems: Problems): void {
  for (const { selector, at } of destinations) {
    if (selector.kind === "internet") problems.error("cannot use app grants with autogroup:internet", at);
    else if (selector.kind === "role") problems.error(`cannot use app grants with autogroup:${selector.role}`, at);
  }
}

function readVia(node: Node | undefined, where: string, context: RuleContext): string[] {
  const tags: string[] = [];
  for (const { value, at } of readTexts(node, `${where}.via`, context.problems)) {
    if (!value.startsWith("tag:")) context.problems.error("via can only be a tag", at);
    else if (!context.definitions.tags.has(value)) context.problems.error(`tag ${quote(value)} not found`, at);
    else tags.push(value);
  }
  return tags;
}
