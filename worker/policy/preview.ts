// Which rules of a policy apply to a user, a tag or an address with a port (policy.md 25). Answers for people who read
// the file: whole rules with their lines. What a node gets in the end is the engine's affair.
import { type Address, parseAddress } from "../protocol/ip.ts";
import { POLICY_MAX_PREVIEW_FOR } from "../protocol/limits.ts";
import type { PolicyNode, PolicyUser } from "./inventory.ts";
import { hasPorts } from "./language/rules/traffic.ts";
import { foldLogin } from "./language/selector.ts";
import type { AccessRule, Policy, PostureCondition, Selector } from "./policy.ts";
import { contains, INTERNET } from "./prefix-set.ts";
import { type Subject, selectsNode } from "./selection.ts";

/** What a preview may be for: a user or a tag as source, an address and port as destination. */
export const PREVIEW_TYPES = ["user", "ipport"] as const;

/** One of {@link PREVIEW_TYPES}. */
export type PreviewType = (typeof PREVIEW_TYPES)[number];

/** Whom or what a preview is for. */
export type PreviewSubject =
  | { readonly kind: "user"; readonly login: string }
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "address"; readonly address: Address; readonly port: number };

/** A rule that applies. */
export interface RuleMatch {
  /** All sources of the rule, as written. */
  readonly users: readonly string[];
  /** All its destinations with their ports, as written. */
  readonly ports: readonly string[];
  /** Line at which the rule starts; 0 for the rule of a file without acls and grants. */
  readonly line: number;
  readonly via: readonly string[];
  /** Names of postures of which the source must meet one. */
  readonly postures: readonly string[];
}

/** The rules that apply, in the order of their lines. */
export interface RulePreview {
  readonly matches: readonly RuleMatch[];
  /** Posture that a match names → its conditions. */
  readonly postures: Readonly<Record<string, readonly string[]>>;
}

/** The users and nodes that a preview is made for. */
export interface PreviewInventory {
  readonly users: Iterable<PolicyUser>;
  readonly nodes: Iterable<PolicyNode>;
}

/** Reads what a preview is for; a sentence when it is nothing of that type. */
export function parsePreviewSubject(type: PreviewType, text: string): PreviewSubject | string {
  if (text.length > POLICY_MAX_PREVIEW_FOR) return `previewFor is longer than ${POLICY_MAX_PREVIEW_FOR} characters`;
  if (type === "ipport") return parseDestination(text);
  if (/^tag:./.test(text)) return { kind: "tag", tag: text };
  if (/^[^@\s]+@[^@\s]+$/.test(text)) return { kind: "user", login: foldLogin(text) };
  return "previewFor must be the login name of a user or a tag";
}

function parseDestination(text: string): PreviewSubject | string {
  const [, inBrackets, plain, digits] = /^(?:\[([^\]]*:[^\]]*)\]|([^:]*)):([1-9][0-9]{0,4})$/.exec(text) ?? [];
  const address = parseAddress(inBrackets ?? plain ?? "");
  const port = Number(digits);
  if (address !== undefined && port <= 65535) return { kind: "address", address, port };
  return "previewFor must be an address with a port, such as 100.64.0.1:22 or [fd7a:115c:a1e0::1]:22";
}

/**
 * The rules that apply to a subject: those that have it as source, or as destination when it is an address. A user who
 * is not there yet is taken for a member without devices. Postures are told, not tested: they change with the device.
 */
export function previewRules(policy: Policy, subject: PreviewSubject, inventory: PreviewInventory): RulePreview {
  const applies = ruleTest(subject, inventory);
  const rules = policy.rules.filter(applies).sort((a, b) => a.line - b.line);
  const postures = rules.flatMap((rule) => rule.postures ?? []);
  return {
    matches: rules.map(({ written, line, via, postures: asked }) => {
      return {
        users: written.sources,
        ports: written.destinations,
        line,
        via,
        postures: asked?.map(({ name }) => name) ?? [],
      };
    }),
    postures: Object.fromEntries(postures.map(({ name, conditions }) => [name, conditions.map(conditionText)])),
  };
}

function ruleTest(subject: PreviewSubject, { users, nodes }: PreviewInventory): (rule: AccessRule) => boolean {
  if (subject.kind === "address") return addressTest(subject.address, subject.port, { users, nodes });
  const sources = subject.kind === "tag" ? taggedSources(subject.tag, nodes) : userSources(subject.login, users, nodes);
  return (rule) => rule.sources.some((selector) => sources.some((source) => selectsNode(selector, source)));
}

/** The tag itself, and what has it, as nothing else: a rule for another tag of a node is no rule for this one. */
function taggedSources(tag: string, nodes: Iterable<PolicyNode>): Subject[] {
  const itself = { tags: [tag], ipv4: null, ipv6: null, loginName: null };
  const bearers = [...nodes].filter((node) => node.tags.includes(tag));
  return [itself, ...bearers.map(({ ipv4, ipv6 }) => ({ ...itself, ipv4, ipv6 }))];
}

/** The user, and the user's devices, which rules may name by their addresses. */
function userSources(login: string, users: Iterable<PolicyUser>, nodes: Iterable<PolicyNode>): Subject[] {
  const user = [...users].find(({ loginName }) => loginName === login);
  const itself = { tags: [], ipv4: null, ipv6: null, loginName: login, role: user?.role ?? ("member" as const) };
  const devices = user === undefined ? [] : [...nodes].filter((node) => node.userId === user.id);
  return [itself, ...devices.map(({ ipv4, ipv6 }) => ({ ...itself, ipv4, ipv6 }))];
}

/** Whether a rule lets something through to an address and port, be it a node's or one behind a router. */
function addressTest(
  address: Address,
  port: number,
  { users, nodes }: PreviewInventory,
): (rule: AccessRule) => boolean {
  const node = nodeAt(address, users, nodes);
  const reaches = (selector: Selector, rule: AccessRule) => {
    if (selector.kind === "any") return true;
    if (selector.kind === "literal") return contains(selector.set, address);
    if (selector.kind === "internet") return contains(INTERNET, address);
    // Via steers to what routers carry, never to nodes (policy.md 11).
    if (node === undefined || rule.via.length > 0) return false;
    if (selector.kind !== "self") return selectsNode(selector, node);
    return node.tags.length === 0 && rule.sources.some((source) => selectsNode(source, node));
  };
  return (rule) =>
    rule.parts.some((part) => {
      if (part.kind !== "ports" || !hasPorts(part.protocol)) return false;
      return part.entries.some(({ selector, ports }) => {
        return ports.some(({ First, Last }) => First <= port && port <= Last) && reaches(selector, rule);
      });
    });
}

function nodeAt(address: Address, users: Iterable<PolicyUser>, nodes: Iterable<PolicyNode>): Subject | undefined {
  const node = [...nodes].find(({ ipv4, ipv6 }) => {
    return [ipv4, ipv6].some((text) => text !== null && parseAddress(text) === address);
  });
  if (node === undefined) return undefined;
  const user = [...users].find(({ id }) => id === node.userId);
  return { ...node, loginName: user?.loginName ?? null, role: user?.role ?? null };
}

/** A condition as one writes it. */
function conditionText({ attribute, operator, values }: PostureCondition): string {
  const texts = values.map((value) => (typeof value === "string" ? `'${value}'` : String(value)));
  if (operator === "IS SET" || operator === "NOT SET") return `${attribute} ${operator}`;
  const right = operator === "IN" || operator === "NOT IN" ? `[${texts.join(", ")}]` : texts.join();
  return `${attribute} ${operator} ${right}`;
}
