// The semantics of policy.md 9.5, 10, 16 and 17 written down for one node and one question at a time: the readable twin
// of what the engine says about capabilities, SSH logins and attributes. Slow on purpose.
import { type Address, parseAddress, parsePrefix, prefixRange } from "../../protocol/ip.ts";
import { meetsOne } from "../compile/nodes/postures.ts";
import type { PolicyNode, PolicyUser } from "../engine.ts";
import type { AccessRule, Policy, Posture, RulePart, Selector, SSHAccessRule } from "../policy.ts";
import { contains, EVERYTHING, isExitRange, type PrefixSet, prefixSet, TAILNET_RANGES } from "../prefix-set.ts";
import { selectsNode } from "../selection.ts";

/** What happens to a login: `check` wins over `accept`, since the client takes the first rule that matches. */
export type Verdict = "accept" | "check" | "refuse";

/** A sender's address and a receiver's. */
interface Way {
  readonly from: Address;
  readonly to: Address;
}

const COMPANIONS = new Map([
  ["tailscale.com/cap/drive", "tailscale.com/cap/drive-sharer"],
  ["tailscale.com/cap/relay", "tailscale.com/cap/relay-target"],
]);

/** Answers for one policy and one tailnet. */
export class NaiveAccess {
  readonly #policy: Policy;
  readonly #users: ReadonlyMap<number, PolicyUser>;
  readonly #nodes: readonly PolicyNode[];

  constructor(policy: Policy, users: ReadonlyMap<number, PolicyUser>, nodes: readonly PolicyNode[]) {
    this.#policy = policy;
    this.#users = users;
    this.#nodes = nodes;
  }

  /** Names of the attributes that a node has. */
  attributes(node: PolicyNode): Set<string> {
    const targeted = this.#policy.nodeAttrs.filter(({ targets }) => targets.some((one) => this.#selects(one, node)));
    return new Set(targeted.flatMap(({ capMap }) => Object.keys(capMap)));
  }

  /** Names of the capabilities that whoever sends from an address has towards one of a node's own addresses. */
  capabilities(node: PolicyNode, from: Address, to: Address): Set<string> {
    const rules = this.#policy.rules.filter(({ via }) => via.length === 0);
    return new Set(
      rules.flatMap((rule) => rule.parts.flatMap((part) => this.#granted(rule, part, node, { from, to }))),
    );
  }

  #granted(rule: AccessRule, part: RulePart, node: PolicyNode, way: Way): string[] {
    if (part.kind !== "app") return [];
    const [forward, back] = part.isSelf
      ? this.#selfDirections(rule, node, way.from)
      : this.#directions(rule, part, way);
    const names = Object.keys(part.capMap);
    return [...(forward ? names : []), ...(back ? names.flatMap((name) => COMPANIONS.get(name) ?? []) : [])];
  }

  /** Whether the part grants its capabilities from one address to the other, and whether their companions. */
  #directions(
    rule: AccessRule,
    part: RulePart & { readonly kind: "app" },
    { from, to }: Way,
  ): readonly [boolean, boolean] {
    const isSource = (address: Address) => rule.sources.some((one) => this.#isSource(one, rule.postures, address));
    const isDestination = (address: Address, any: PrefixSet) =>
      part.destinations.some((one) => contains(one.kind === "any" ? any : this.#addresses(one), address));
    // Whoever a `*` of destinations lets in turn reach the sources is the tailnet, with its subnets.
    const everybody = prefixSet([...TAILNET_RANGES, ...this.#subnets()]);
    return [isSource(from) && isDestination(to, EVERYTHING), isDestination(from, everybody) && isSource(to)];
  }

  #selfDirections(rule: AccessRule, node: PolicyNode, from: Address): readonly [boolean, boolean] {
    if (node.tags.length > 0) return [false, false];
    const sender = this.#ownerOf(from);
    if (sender === undefined || sender.tags.length > 0 || sender.userId !== node.userId) return [false, false];
    const isSource = (one: PolicyNode) => rule.sources.some((source) => this.#isSourceNode(source, rule.postures, one));
    return [isSource(sender), isSource(node)];
  }

  #isSource(selector: Selector, postures: readonly Posture[] | null, address: Address): boolean {
    const owner = this.#ownerOf(address);
    if (selector.kind === "any") {
      if (this.#subnets().some((range) => contains([range], address))) return true;
      return postures === null
        ? contains(TAILNET_RANGES, address)
        : owner !== undefined && this.#meets(owner, postures);
    }
    const isPassing = owner === undefined || this.#meets(owner, postures);
    return isPassing && contains(selector.kind === "danger-all" ? EVERYTHING : this.#addresses(selector), address);
  }

  #isSourceNode(selector: Selector, postures: readonly Posture[] | null, node: PolicyNode): boolean {
    return this.#selects(selector, node) && this.#meets(node, postures);
  }

  #addresses(selector: Selector): PrefixSet {
    if (selector.kind === "literal") return selector.set;
    const selected = this.#nodes.filter((node) => this.#selects(selector, node));
    return prefixSet(selected.flatMap(addressesOf).map((address) => ({ first: address, last: address })));
  }

  #subnets() {
    return this.#nodes
      .flatMap(({ routes }) => routes)
      .flatMap((route) => parsePrefix(route) ?? [])
      .map(prefixRange)
      .filter((range) => !isExitRange(range));
  }

  #ownerOf(address: Address): PolicyNode | undefined {
    return this.#nodes.find((node) => addressesOf(node).includes(address));
  }

  #meets(node: PolicyNode, postures: readonly Posture[] | null): boolean {
    return postures === null || meetsOne(postures, node.attributes);
  }

  /** What happens when somebody on one node wants to log in on another. */
  login(from: PolicyNode, to: PolicyNode, login: string): Verdict {
    const matching = this.#policy.ssh.filter((rule) => this.#allowsLogin(rule, from, to, login));
    if (matching.some(({ action }) => action === "check")) return "check";
    return matching.length > 0 ? "accept" : "refuse";
  }

  #allowsLogin(rule: SSHAccessRule, from: PolicyNode, to: PolicyNode, login: string): boolean {
    if (!rule.sources.some((source) => this.#isSourceNode(source, rule.postures, from))) return false;
    return this.#isLoginAt(rule, from, to) && this.#maps(rule, from, login);
  }

  #isLoginAt(rule: SSHAccessRule, from: PolicyNode, to: PolicyNode): boolean {
    const isOneUser = from.tags.length + to.tags.length === 0 && from.userId === to.userId;
    if (rule.destinations.some((one) => this.#selects(one, to)) || (rule.toSelf && isOneUser)) return true;
    if (rule.toSelf && to.tags.length === 0) return false;
    // A rule with a local part opens the sources' own nodes to themselves (policy.md 16.2, quirk 6).
    return rule.localpartDomains.length > 0 && (isOneUser || from.id === to.id);
  }

  #maps(rule: SSHAccessRule, from: PolicyNode, login: string): boolean {
    const user = from.tags.length > 0 || from.userId === null ? undefined : this.#users.get(from.userId);
    const [local, domain] = user?.loginName.split("@") ?? [];
    if (domain !== undefined && rule.localpartDomains.includes(domain) && local === login) return true;
    if (login === "root") return rule.allowsRoot;
    return rule.logins.includes(login) || rule.allowsNonroot;
  }

  #selects(selector: Selector, node: PolicyNode): boolean {
    const user = node.userId === null ? undefined : this.#users.get(node.userId);
    return selectsNode(selector, { ...node, loginName: user?.loginName ?? null, role: user?.role ?? null });
  }
}

/** A node's addresses. */
export function addressesOf(node: PolicyNode): Address[] {
  return [node.ipv4, node.ipv6].flatMap((text) => (text === null ? [] : (parseAddress(text) ?? [])));
}
