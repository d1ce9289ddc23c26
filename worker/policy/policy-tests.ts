// Runs the sections tests and sshTests of a policy against the tailnet (policy.md 19, 20). A policy whose tests fail is
// refused as a whole; an entry that makes no sense fails like one that does not hold.

import { type AddressRange, parseAddress, parseRange } from "../protocol/ip.ts";
import type { NodeRecord } from "./compile/nodes/node-record.ts";
import { Plan, type PortsRule } from "./compile/plan.ts";
import { TailnetState } from "./compile/tailnet-state.ts";
import { isLoginMapped } from "./compile/views/ssh-policies.ts";
import type { PolicyNode, PolicyUser } from "./inventory.ts";
import { parseProtocol } from "./language/rules/traffic.ts";
import { parseSelector } from "./language/selector.ts";
import type { AccessTest, Policy, Selector, SSHTest } from "./policy.ts";
import {
  covers,
  EVERYTHING,
  NOTHING,
  overlaps,
  type PrefixSet,
  prefixSet,
  TAILNET_RANGES,
  union,
} from "./prefix-set.ts";
import { selectsNode } from "./selection.ts";

/** What went wrong with the tests of one source, as the service words it. */
export interface TestFailure {
  readonly user: string;
  readonly errors: readonly string[];
}

/** The refusal of a policy because of its tests. */
export interface TestRejection {
  readonly message: "test(s) failed";
  readonly data: readonly TestFailure[];
}

/** Runs all tests of a policy; null when every one holds. `services` are the addresses of Services by name. */
export function checkPolicyTests(
  policy: Policy,
  users: Iterable<PolicyUser>,
  nodes: Iterable<PolicyNode>,
  services: ReadonlyMap<string, PrefixSet> = new Map(),
): TestRejection | null {
  if (policy.tests.length === 0 && policy.sshTests.length === 0) return null;
  const run = new TestRun(policy, { users: [...users], nodes: [...nodes], services });
  const data: TestFailure[] = [];
  for (const test of policy.tests) note(data, test.source, run.accessErrors(test));
  for (const test of policy.sshTests) note(data, test.source, run.sshErrors(test));
  return data.length === 0 ? null : { message: "test(s) failed", data };
}

function note(failures: TestFailure[], user: string, errors: readonly string[]): void {
  if (errors.length > 0) failures.push({ user, errors });
}

/** What a test sends: from where, in which protocol, and in which state of the tailnet. */
interface Probe {
  readonly sources: PrefixSet;
  readonly protocol: number | null;
  readonly state: TailnetState;
}

/** The tailnet that tests are run against. */
interface TestWorld {
  readonly users: readonly PolicyUser[];
  readonly nodes: readonly PolicyNode[];
  readonly services: ReadonlyMap<string, PrefixSet>;
}

/** One policy against one tailnet, with the source's posture attributes replaced where a test says so. */
class TestRun {
  readonly #policy: Policy;
  readonly #users: ReadonlyMap<number, PolicyUser>;
  readonly #nodes: readonly PolicyNode[];
  readonly #services: ReadonlyMap<string, PrefixSet>;
  readonly #plan: Plan;
  readonly #states = new Map<string, TailnetState>();

  constructor(policy: Policy, { users, nodes, services }: TestWorld) {
    this.#policy = policy;
    this.#users = new Map(users.map((user) => [user.id, user]));
    this.#nodes = nodes;
    this.#services = services;
    this.#plan = new Plan(policy);
  }

  /** What is wrong with an entry of `tests`; nothing when it holds. */
  accessErrors(test: AccessTest): string[] {
    const source = this.#selectorOf(test.source);
    const protocol = test.protocol === "" ? null : parseProtocol(test.protocol);
    if (test.accept.length === 0 && test.deny.length === 0) return ["either accept or deny must be specified"];
    if (source === undefined) return [`invalid src ${JSON.stringify(test.source)}`];
    if (typeof protocol === "string") return [protocol];
    const sources = this.#addressesOf(source);
    if (sources.length === 0) return [`src ${JSON.stringify(test.source)} has no address`];
    const state = this.#stateFor(test.attributes, source);
    const errors: string[] = [];
    for (const [destinations, isWanted] of [
      [test.accept, true],
      [test.deny, false],
    ] as const) {
      for (const text of destinations) {
        const error = this.#accessError(text, { sources, protocol, state }, isWanted);
        if (error !== undefined) errors.push(`address ${JSON.stringify(text)}: ${error}`);
      }
    }
    return errors;
  }

  #accessError(text: string, probe: Probe, isWanted: boolean): string | undefined {
    const parsed = /^(.*):([1-9][0-9]{0,4})$/.exec(text);
    const port = Number(parsed?.[2]);
    const destination = parsed?.[1] === undefined ? undefined : this.#destinationOf(parsed[1]);
    if (!(port <= 65535) || destination === undefined) return "invalid destination";
    if (destination.length === 0) return "destination has no address";
    const allowed = sourcesReaching(destination, port, probe);
    const { sources } = probe;
    const isReached = isWanted ? covers(allowed, sources) : sources.some((range) => overlaps(allowed, range));
    if (isReached === isWanted) return undefined;
    return isWanted ? "want: Accept, got: Drop" : "want: Drop, got: Accept";
  }

  /** Addresses of a destination of `tests`: one address, a host of one, a Service, or nodes; undefined for all else. */
  #destinationOf(host: string): PrefixSet | undefined {
    if (host.startsWith("svc:")) return this.#services.get(host) ?? NOTHING;
    const bare = /^\[([^\]]*:[^\]]*)\]$/.exec(host)?.[1] ?? host;
    const selector = this.#selectorOf(bare);
    if (selector === undefined || bare.includes("/") || selector.kind === "any") return undefined;
    const isWide = selector.kind === "literal" && selector.set.some(({ first, last }) => first !== last);
    return isWide ? undefined : this.#addressesOf(selector);
  }

  #selectorOf(text: string): Selector | undefined {
    const { groups, hosts, ipsets, tagOwners, postures } = this.#policy;
    const selector = parseSelector(text, { groups, hosts, ipsets, tags: tagOwners, postures, domains: null });
    if (typeof selector === "string") return undefined;
    return ["self", "internet", "danger-all", "shared", "service"].includes(selector.kind) ? undefined : selector;
  }

  #addressesOf(selector: Selector): PrefixSet {
    if (selector.kind === "any") return TAILNET_RANGES;
    if (selector.kind === "literal") return selector.set;
    const addresses = this.#nodesOf(selector).flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
    return prefixSet(addresses.flatMap((text) => (text === null ? [] : (singleRange(text) ?? []))));
  }

  #nodesOf(selector: Selector): readonly PolicyNode[] {
    return this.#nodes.filter((node) => {
      const user = node.userId === null ? undefined : this.#users.get(node.userId);
      return selectsNode(selector, { ...node, loginName: user?.loginName ?? null, role: user?.role ?? null });
    });
  }

  /** The tailnet under the policy, with these posture attributes for the nodes of the source. */
  #stateFor(attributes: AccessTest["attributes"], source: Selector): TailnetState {
    const assumed = attributes === null ? [] : this.#nodesOf(source).map((node) => node.id);
    const key = JSON.stringify([attributes, assumed]);
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const replaced = new Set(assumed);
    const nodes = this.#nodes.map((node) =>
      attributes !== null && replaced.has(node.id) ? { ...node, attributes } : node,
    );
    const state = TailnetState.load(this.#plan, this.#users, nodes);
    this.#states.set(key, state);
    return state;
  }

  /** What is wrong with an entry of `sshTests`; nothing when it holds. */
  sshErrors(test: SSHTest): string[] {
    const { accept, check, deny } = test;
    const logins = [...accept, ...check, ...deny];
    if (logins.length === 0) return ["accept, check or deny must be specified"];
    if (logins.includes("")) return ["login names cannot be empty"];
    const selector = this.#selectorOf(test.source);
    if (selector === undefined) return [`invalid src ${JSON.stringify(test.source)}`];
    const state = this.#stateFor(test.attributes, selector);
    const sources = this.#nodesOf(selector).map((node) => state.record(node.id) as NodeRecord);
    if (sources.length === 0) return [`src ${JSON.stringify(test.source)} matches no node`];
    return test.destinations.flatMap((text) => this.#sshDestinationErrors(text, sources, test, state));
  }

  #sshDestinationErrors(text: string, sources: readonly NodeRecord[], test: SSHTest, state: TailnetState): string[] {
    const destinations = this.#sshDestinations(text, sources).map((node) => state.record(node.id) as NodeRecord);
    if (destinations.length === 0) return [`dst ${JSON.stringify(text)} matches no node`];
    const errors: string[] = [];
    const expect = (logins: readonly string[], holds: (verdict: Verdict) => boolean, wanted: string) => {
      for (const login of logins) {
        const pairs = destinations.flatMap((to) => sources.map((from) => verdictOf(from, to, login, state)));
        if (!pairs.every(holds))
          errors.push(`dst ${JSON.stringify(text)}: user ${JSON.stringify(login)}: want: ${wanted}`);
      }
    };
    expect(test.accept, (verdict) => verdict.isAllowed, "Accept");
    expect(test.check, (verdict) => verdict.isChecked, "Check");
    expect(test.deny, (verdict) => !verdict.isAllowed, "Drop");
    return errors;
  }

  /** Nodes of a destination of `sshTests`; autogroup:self stands for the devices of the source's users. */
  #sshDestinations(text: string, sources: readonly NodeRecord[]): readonly PolicyNode[] {
    if (text === "autogroup:self") {
      const users = new Set(sources.filter(({ node }) => node.tags.length === 0).map(({ node }) => node.userId));
      return this.#nodes.filter((node) => node.tags.length === 0 && node.userId !== null && users.has(node.userId));
    }
    const selector = this.#selectorOf(text);
    return selector === undefined || selector.kind === "any" ? [] : this.#nodesOf(selector);
  }
}

interface Verdict {
  readonly isAllowed: boolean;
  readonly isChecked: boolean;
}

/** What the SSH rules of one node say about a login from another, from every address of it. */
function verdictOf(from: NodeRecord, to: NodeRecord, login: string, state: TailnetState): Verdict {
  const rules = state.ssh.policyOf(to).rules.filter((rule) => isLoginMapped(rule, login));
  const verdicts = from.addresses.map(({ text }) => {
    const matching = rules.filter((rule) => rule.principals.some(({ nodeIP }) => nodeIP === text));
    const isChecked = matching.some(({ action }) => action.holdAndDelegate !== undefined);
    return { isAllowed: matching.length > 0, isChecked };
  });
  return {
    isAllowed: verdicts.some(({ isAllowed }) => isAllowed),
    isChecked: verdicts.length > 0 && verdicts.every(({ isChecked }) => isChecked),
  };
}

/** Everything that may send to some address of the destination on the port, by the rules for the whole tailnet. */
function sourcesReaching(destination: PrefixSet, port: number, { protocol, state }: Probe): PrefixSet {
  let sources = NOTHING;
  for (const rule of state.plan.rawRules) {
    if (rule.kind !== "ports" || !carriesProtocol(rule.protocol, protocol)) continue;
    if (reaches(rule, destination, port, state)) sources = union(sources, sourceSet(rule, state));
  }
  return sources;
}

const DEFAULT_PROTOCOLS: ReadonlySet<number> = new Set([1, 6, 17, 58]);

/** A test without protocol holds for any of the default ones, a rule without protocol lets every one through. */
function carriesProtocol(allowed: number | null, wanted: number | null): boolean {
  if (allowed === null) return true;
  return wanted === null ? DEFAULT_PROTOCOLS.has(allowed) : allowed === wanted;
}

function reaches(rule: PortsRule, destination: PrefixSet, port: number, state: TailnetState) {
  return rule.entries.some(({ atom, ports, router }) => {
    if (router !== null || !ports.some(({ First, Last }) => First <= port && port <= Last)) return false;
    const addresses = state.atomAddresses(atom);
    return destination.some((range) => overlaps(addresses, range));
  });
}

function sourceSet(rule: PortsRule, state: TailnetState): PrefixSet {
  const texts = state.contentOf(rule.source).render(state);
  return texts.includes("*") ? EVERYTHING : prefixSet(texts.flatMap((text) => parseRange(text) ?? []));
}

function singleRange(text: string): AddressRange | undefined {
  const address = parseAddress(text);
  return address === undefined ? undefined : { first: address, last: address };
}
