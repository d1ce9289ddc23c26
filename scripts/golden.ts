// Compares the policy engine with captures of the hosted service: `npm run golden -- DIR…`, each DIR a folder of case
// files or of folders of them. Prints a line per category, the cases that differ, and last `N passed, M failed`; exits
// with 1 when M > 0. The format of a case and how each part is compared stand in the README.md beside the captures.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { approvedByPolicy } from "../worker/policy/authority.ts";
import { PolicyEngine, type PolicyNode, type PolicyUser, type Role } from "../worker/policy/engine.ts";
import { parsePolicy } from "../worker/policy/parse.ts";
import { checkPolicyTests } from "../worker/policy/policy-tests.ts";
import { EVERYTHING, type PrefixSet, prefixSet } from "../worker/policy/prefix-set.ts";
import type { FilterRule } from "../worker/protocol/control/filter-rule.ts";
import type { SSHRule } from "../worker/protocol/control/ssh.ts";
import { parseRange } from "../worker/protocol/ip.ts";
import { runCommand, UsageError } from "./command-line.ts";

type Json = Readonly<Record<string, unknown>>;

/** What the service told one node. */
interface Expectation {
  readonly packet_filter?: readonly FilterRule[];
  readonly peers: readonly string[];
  readonly peer_routes?: Readonly<Record<string, readonly string[]>>;
  readonly primary_routes?: readonly string[];
  readonly ssh_rules?: readonly SSHRule[];
  readonly cap_map?: Json;
  readonly peer_cap_map?: Readonly<Record<string, Json>>;
  readonly addresses?: readonly string[];
  readonly peer_addresses?: Readonly<Record<string, readonly string[]>>;
}

interface TopologyNode {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly tags?: readonly string[];
  readonly user?: string;
  readonly routable_ips?: readonly string[];
  readonly approved_routes?: readonly string[];
}

/** One capture. */
export interface GoldenCase {
  readonly test_id: string;
  readonly category: string;
  readonly policy: Json;
  readonly api_response_code: number;
  readonly api_response_body?: { readonly message: string };
  readonly settings?: { readonly devices_auto_updates_on?: boolean };
  readonly compare: readonly string[];
  readonly topology: {
    readonly users: readonly {
      readonly id: number;
      readonly name: string;
      readonly email: string;
      readonly role: Role;
    }[];
    readonly nodes: readonly TopologyNode[];
    readonly renumbered?: boolean;
  };
  readonly expect?: Readonly<Record<string, Expectation>>;
}

/** The domains of the captured tailnet. */
const DOMAINS = ["example.com"];

/** Reads all cases in a folder and its subfolders, in order of their paths. */
export function loadCases(folder: string): GoldenCase[] {
  const cases: GoldenCase[] = [];
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) cases.push(...loadCases(path));
    else if (name.endsWith(".json")) cases.push(JSON.parse(readFileSync(path, "utf8")));
  }
  return cases;
}

/** Compares one case; the differences found, none when all is equal. */
export function compareCase(golden: GoldenCase): string[] {
  const users: PolicyUser[] = golden.topology.users.map(({ id, email, role }) => ({ id, loginName: email, role }));
  const nodes = golden.topology.nodes.map((node, i) => toPolicyNode(node, i + 1, golden));
  const parsed = parsePolicy(JSON.stringify(golden.policy, null, 2), DOMAINS);
  const rejection = parsed.ok ? testsMessage(parsed.policy, users, nodes) : parsed.problems[0]?.message;
  if (golden.api_response_code !== 200) {
    if (rejection === undefined) return ["accepted, should be rejected"];
    const wanted = golden.api_response_body?.message;
    const isSame = golden.api_response_code >= 500 || rejection === wanted;
    return isSame ? [] : [`error: got ${JSON.stringify(rejection)}, want ${JSON.stringify(wanted)}`];
  }
  if (!parsed.ok || rejection !== undefined) return [`rejected, should be accepted: ${rejection}`];
  const engine = new PolicyEngine({ policy: parsed.policy, users, nodes });
  return new Comparison(golden, engine, nodes).run(parsed.policy);
}

function testsMessage(
  policy: Parameters<typeof checkPolicyTests>[0],
  users: readonly PolicyUser[],
  nodes: readonly PolicyNode[],
): string | undefined {
  return checkPolicyTests(policy, users, nodes)?.message;
}

function toPolicyNode(node: TopologyNode, id: number, golden: GoldenCase): PolicyNode {
  const advertised = new Set(node.routable_ips ?? []);
  return {
    id,
    userId: golden.topology.users.find((user) => user.name === node.user)?.id ?? null,
    tags: node.tags ?? [],
    ipv4: node.ipv4,
    ipv6: node.ipv6,
    routes: (node.approved_routes ?? []).filter((route) => advertised.has(route)),
    isOnline: true,
  };
}

/** Compares what an engine says about each captured node with what the service said. */
class Comparison {
  readonly #golden: GoldenCase;
  readonly #engine: PolicyEngine;
  readonly #nodes: readonly PolicyNode[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #differences: string[] = [];

  constructor(golden: GoldenCase, engine: PolicyEngine, nodes: readonly PolicyNode[]) {
    this.#golden = golden;
    this.#engine = engine;
    this.#nodes = nodes;
    this.#ids = new Map(golden.topology.nodes.map((node, i) => [node.name, i + 1]));
  }

  run(policy: Parameters<typeof approvedByPolicy>[0]): string[] {
    for (const [name, expected] of Object.entries(this.#golden.expect ?? {})) this.#compareNode(name, expected);
    if (this.#golden.compare.includes("approvals")) this.#compareApprovals(policy);
    return this.#differences;
  }

  #compareNode(name: string, expected: Expectation): void {
    const id = this.#ids.get(name) as number;
    for (const part of this.#golden.compare) {
      switch (part) {
        case "packet_filter":
          this.#filters(name, this.#engine.packetFilterOf(id), expected.packet_filter ?? []);
          break;
        case "peers":
          this.#sets(
            `${name} peers`,
            this.#engine.peersOf(id).map((peer) => this.#nameOf(peer)),
            expected.peers,
          );
          break;
        case "routes":
          this.#routes(name, id, expected);
          break;
        case "ssh_rules":
          this.#sshRules(name, this.#engine.sshPolicyOf(id)?.rules ?? [], expected.ssh_rules ?? []);
          break;
        case "cap_map":
          this.#equal(`${name} cap_map`, plainCapMap(this.#capMap(id)), plainCapMap(expected.cap_map ?? {}));
          break;
        case "peer_cap_map":
          this.#peerCapMaps(name, id, expected);
          break;
        case "addresses":
          this.#addresses(name, id, expected);
          break;
        default:
      }
    }
  }

  #nameOf(id: number): string {
    return this.#golden.topology.nodes[id - 1]?.name ?? String(id);
  }

  #equal(what: string, got: unknown, want: unknown): void {
    if (!isDeepStrictEqual(got, want)) {
      this.#differences.push(`${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
    }
  }

  #sets(what: string, got: readonly string[], want: readonly string[]): void {
    this.#equal(what, [...got].sort(), [...want].sort());
  }

  #filters(name: string, got: readonly FilterRule[], want: readonly FilterRule[]): void {
    const isRenumbered = this.#golden.topology.renumbered === true;
    this.#equal(
      `${name} filter`,
      got.map((rule) => plainRule(rule, isRenumbered)),
      want.map((rule) => plainRule(rule, isRenumbered)),
    );
  }

  #routes(name: string, id: number, expected: Expectation): void {
    for (const peer of expected.peers) {
      const { allowed, primary } = this.#engine.peerRoutes(id, this.#ids.get(peer) as number);
      const want = expected.peer_routes?.[peer] ?? [];
      this.#sets(`${name} routes of ${peer}`, allowed, want);
      this.#sets(
        `${name} primary routes of ${peer}`,
        primary,
        want.filter((route) => !/\/0$/.test(route)),
      );
    }
    this.#sets(`${name} own primary routes`, this.#engine.ownRoutes(id).primary, expected.primary_routes ?? []);
  }

  #sshRules(name: string, got: readonly SSHRule[], want: readonly SSHRule[]): void {
    this.#equal(`${name} ssh`, got.map(plainSSHRule), want.map(plainSSHRule));
  }

  /** What the policy gives, with what the tailnet adds to every node (policy.md 17). */
  #capMap(id: number): Json {
    return {
      "https://tailscale.com/cap/file-sharing": null,
      "https://tailscale.com/cap/ssh": null,
      "default-auto-update": [this.#golden.settings?.devices_auto_updates_on ?? false],
      ...this.#engine.capMapOf(id),
    };
  }

  #peerCapMaps(name: string, id: number, expected: Expectation): void {
    for (const peer of expected.peers) {
      const got = this.#engine.peerCapMapOf(this.#ids.get(peer) as number);
      this.#equal(
        `${name} peer_cap_map of ${peer}`,
        plainCapMap(got),
        plainCapMap(expected.peer_cap_map?.[peer] ?? {}),
      );
      void id;
    }
  }

  #addresses(name: string, id: number, expected: Expectation): void {
    const { ipv4, ipv6 } = this.#nodes[id - 1] as PolicyNode;
    this.#sets(`${name} addresses`, bare(this.#engine.addressesOf(id, id)), bare(expected.addresses ?? [ipv4, ipv6]));
    for (const peer of expected.peers) {
      const node = this.#nodes[(this.#ids.get(peer) as number) - 1] as PolicyNode;
      const want = expected.peer_addresses?.[peer] ?? [node.ipv4, node.ipv6];
      this.#sets(`${name} addresses of ${peer}`, bare(this.#engine.addressesOf(id, node.id)), bare(want));
    }
  }

  #compareApprovals(policy: Parameters<typeof approvedByPolicy>[0]): void {
    for (const [i, node] of this.#golden.topology.nodes.entries()) {
      const policyNode = this.#nodes[i] as PolicyNode;
      const user = this.#golden.topology.users.find((candidate) => candidate.id === policyNode.userId);
      const identity = { ...policyNode, loginName: user?.email ?? null, role: user?.role ?? null };
      const approved = approvedByPolicy(policy, identity, node.routable_ips ?? []);
      this.#sets(`${node.name} approvals`, approved, node.approved_routes ?? []);
    }
  }
}

function bare(addresses: readonly (string | null)[]): string[] {
  return addresses.filter((address) => address !== null).map((address) => address.replace(/\/(32|128)$/, ""));
}

/** A filter rule with everything sorted whose order is free, and absent, null and empty made equal. */
function plainRule(rule: FilterRule, isRenumbered: boolean): unknown {
  return {
    sources: isRenumbered
      ? addressSet(rule.SrcIPs).map(({ first, last }) => `${first}-${last}`)
      : [...rule.SrcIPs].sort(),
    protocols: [...(rule.IPProto ?? [])].sort((a, b) => a - b),
    targets: (rule.DstPorts ?? []).map(({ IP, Ports }) => `${IP} ${Ports.First}-${Ports.Last}`).sort(),
    capabilities: (rule.CapGrant ?? []).map(({ Dsts, CapMap }) => [
      [...Dsts].sort(),
      JSON.parse(JSON.stringify(CapMap)),
    ]),
  };
}

function addressSet(texts: readonly string[]): PrefixSet {
  return prefixSet(
    texts.flatMap((text) => {
      const range = parseRange(text);
      return text === "*" || range === undefined ? EVERYTHING : [range];
    }),
  );
}

function plainSSHRule(rule: SSHRule): unknown {
  const { holdAndDelegate, ...action } = rule.action;
  return {
    principals: rule.principals.map(({ nodeIP }) => nodeIP).sort(),
    sshUsers: rule.sshUsers,
    acceptEnv: rule.acceptEnv ?? [],
    action,
    check: holdAndDelegate?.replace(/^https?:\/\/[^/]*/, ""),
  };
}

/** Keys that are tailnet state and no policy, which the captures hold and an engine does not know. */
const TAILNET_STATE =
  /^(https:\/\/tailscale\.com\/cap\/(is-admin|is-owner|tailnet-lock|warn-funnel-no-https|funnel-ports\?.*)|tailnet-display-name|tailnet\.maxKeyDuration|service-host|store-appc-routes|native-ipv4|probe-udp-lifetime|ssh-behavior-v1|ssh-env-vars)$/;

function plainCapMap(capMap: Json): Json {
  const entries = Object.entries(capMap).filter(([name]) => !TAILNET_STATE.test(name));
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, values]) => [name, values ?? []]));
}

const HELP = `Compares the policy engine with captures of the hosted service.

Usage: npm run golden -- DIR...

  DIR   a folder of cases, or of folders of them; test/golden/policy holds those that the tests compare
`;

function main(folders: readonly string[]): number {
  if (folders.length === 0) throw new UsageError(`which captures?\n\n${HELP}`);
  const cases = folders.flatMap(casesIn);
  const totals = new Map<string, { passed: number; failed: number }>();
  for (const golden of cases) {
    const total = totals.get(golden.category) ?? { passed: 0, failed: 0 };
    totals.set(golden.category, total);
    const differences = differencesOf(golden);
    if (differences.length === 0) total.passed++;
    else total.failed++;
    for (const difference of differences.slice(0, 3)) console.log(`${golden.test_id}: ${difference}`);
  }
  for (const [category, { passed, failed }] of totals) console.log(`${category}: ${passed} passed, ${failed} failed`);
  const failed = [...totals.values()].reduce((sum, total) => sum + total.failed, 0);
  console.log(`${cases.length - failed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

function casesIn(folder: string): GoldenCase[] {
  if (!existsSync(folder)) throw new UsageError(`there is no folder ${folder}`);
  const cases = loadCases(folder);
  if (cases.length === 0) throw new UsageError(`no case in ${folder}`);
  return cases;
}

/** A case that the engine cannot take is a difference of its own, and no end of the run. */
function differencesOf(golden: GoldenCase): string[] {
  try {
    return compareCase(golden);
  } catch (error) {
    return [`failed: ${error instanceof Error ? error.message : String(error)}`];
  }
}

if (import.meta.main) await runCommand(async () => main(process.argv.slice(2)));
