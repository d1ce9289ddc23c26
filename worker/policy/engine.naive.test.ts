// The engine against the readable twin that asks policy.md's questions pair by pair and packet by packet.
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Address, parseAddress, parsePrefix, parseRange, prefixRange } from "../protocol/ip.ts";
import { PolicyEngine, type PolicyNode } from "./engine.ts";
import { type Policy, parsePolicy } from "./parse.ts";
import { contains, EVERYTHING, type PrefixSet } from "./prefix-set.ts";
import { addressesOf, NaiveAccess, type Verdict } from "./testing/naive-access.ts";
import { NaiveTailnet, type Packet } from "./testing/naive-tailnet.ts";
import { node, nodeWithDistances, policyText, user } from "./testing/random-tailnet.ts";

const RUNS = 210;

function parsed(text: string): Policy {
  // Hidden addresses change what a node is for all rules; the twin knows nothing of them.
  const result = parsePolicy(text.replaceAll("disable-ipv4", "custom:y"), ["example.com"]);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.policy;
}

const users = fc.uniqueArray(user, { selector: ({ id }) => id, maxLength: 3 });
const nodes = fc.uniqueArray(fc.oneof(node, nodeWithDistances), {
  selector: ({ id }) => id,
  minLength: 2,
  maxLength: 7,
});

/** A tailnet to which the engine has come from another one, change by change. */
const tailnetOf = (nodes: fc.Arbitrary<PolicyNode[]>) =>
  fc
    .record({ text: policyText, users, nodes, old: fc.record({ text: policyText, users, nodes }) })
    // `*` with a posture lists routes, and with one over node addresses also nodes that fail the posture; the engine tells
    // routes and nodes apart there, the twin does not.
    .filter(
      ({ text, nodes }) =>
        !text.includes("srcPosture") ||
        !nodes.some(({ routes }) => routes.includes("100.64.0.4/30") || routes.includes("fd7a:115c:a1e0::4/126")),
    )
    .map(({ text, users, nodes, old }) => {
      const policy = parsed(text);
      const engine = new PolicyEngine({ ...old, policy: parsed(old.text) });
      for (const one of nodes) engine.setNode(one);
      for (const { id } of old.nodes) if (!nodes.some((one) => one.id === id)) engine.removeNode(id);
      engine.setPolicy(policy);
      for (const one of users) engine.setUser(one);
      for (const { id } of old.users) if (!users.some((one) => one.id === id)) engine.removeUser(id);
      const byId = <T extends { readonly id: number }>(all: readonly T[]) => new Map(all.map((one) => [one.id, one]));
      const naive = new NaiveTailnet({ policy, users: byId(users), nodes: byId(nodes), primaries: engine.primaries() });
      return { text, engine, naive, access: new NaiveAccess(policy, byId(users), nodes), nodes };
    });

const tailnet = tailnetOf(nodes);
/** One in which many serve the same prefixes, so that regions have something to elect. */
const crowdedTailnet = tailnetOf(
  fc.uniqueArray(nodeWithDistances, { selector: ({ id }) => id, minLength: 4, maxLength: 7 }),
);

test("peers and their routes are those of the definition", () => {
  fc.assert(
    fc.property(tailnet, ({ engine, naive, nodes }) => {
      for (const a of nodes) {
        for (const b of nodes) {
          expect(engine.isVisible(a.id, b.id), `${a.id} sees ${b.id}`).toBe(naive.isVisible(a, b));
          const routes = [...engine.peerRoutes(a.id, b.id).allowed].sort();
          expect(routes, `routes of ${b.id} for ${a.id}`).toEqual(a.id === b.id ? [] : naive.peerRoutes(a, b));
        }
      }
    }),
    { numRuns: RUNS },
  );
});

const INTERESTING = [
  "10.1.0.1",
  "10.1.2.3",
  "192.168.0.7",
  "8.8.8.8",
  "1.1.1.1",
  "2600::1",
  "100.64.0.5",
  "100.120.0.1",
];

function rangeSet(text: string): PrefixSet {
  const range = parseRange(text);
  return text === "*" || range === undefined ? EVERYTHING : [range];
}

/** Evaluates the filter as a client does. */
function lets(engine: PolicyEngine, id: number, { from, to, protocol, port }: Packet): boolean {
  return engine
    .packetFilterOf(id)
    .some(
      (rule) =>
        (rule.IPProto ?? [1, 6, 17, 58]).includes(protocol) &&
        rule.SrcIPs.some((text) => contains(rangeSet(text), from)) &&
        (rule.DstPorts ?? []).some(
          ({ IP, Ports }) => Ports.First <= port && port <= Ports.Last && contains(rangeSet(IP), to),
        ),
    );
}

/** Addresses that a node takes packets for: its own, and those behind its routes. */
function isForNode(node: PolicyNode, address: Address): boolean {
  if ([node.ipv4, node.ipv6].some((text) => text !== null && parseAddress(text) === address)) return true;
  return node.routes.some((route) => {
    const prefix = parsePrefix(route);
    return prefix !== undefined && prefix.bits > 0 && contains([prefixRange(prefix)], address);
  });
}

test("the primary router of a prefix is online if any is, and the first registered where nothing was before", () => {
  fc.assert(
    fc.property(tailnet, policyText, ({ engine, nodes }, text) => {
      const served = new Set(nodes.flatMap(({ routes }) => routes).filter((route) => !route.endsWith("/0")));
      const fresh = new PolicyEngine({ policy: parsed(text), users: [], nodes });
      expect(new Set([...engine.primaries().keys()].filter((key) => !key.includes(" ")))).toEqual(served);
      for (const prefix of served) {
        const routers = nodes.filter(({ routes }) => routes.includes(prefix)).sort((a, b) => a.id - b.id);
        const best = routers.some(({ isOnline }) => isOnline) ? routers.filter(({ isOnline }) => isOnline) : routers;
        expect(best.map(({ id }) => id)).toContain(engine.primaries().get(prefix));
        expect(fresh.primaries().get(prefix)).toBe(best[0]?.id);
      }
    }),
    { numRuns: RUNS },
  );
});

/** Who is elected for a prefix, in the tailnet (0) and in each region; each must be among those who could be. */
function checkElections(engine: PolicyEngine, nodes: readonly PolicyNode[], prefix: string): Map<number, number> {
  const online = nodes.filter(({ routes, isOnline }) => isOnline && routes.includes(prefix));
  const homes = new Set(online.map(({ distances }) => distances?.home ?? 0));
  const elected = new Map([[0, engine.primaries().get(prefix) as number]]);
  for (const region of [1, 2, 3]) {
    const routers = online.filter(({ distances }) => distances?.home === region).map(({ id }) => id);
    const holder = engine.primaries().get(`${prefix} ${region}`);
    expect(homes.size < 2 || routers.length === 0, `nobody for ${prefix} in ${region}`).toBe(holder === undefined);
    if (holder === undefined) continue;
    expect(routers).toContain(holder);
    elected.set(region, holder);
  }
  return elected;
}

test("each region elects one of its routers that are online, where there are several regions", () => {
  let elections = 0;
  fc.assert(
    fc.property(crowdedTailnet, ({ engine, nodes }) => {
      for (const prefix of new Set(nodes.flatMap(({ routes }) => routes).filter((route) => !route.endsWith("/0")))) {
        const elected = checkElections(engine, nodes, prefix);
        const own = nodes.filter(({ id }) => engine.ownRoutes(id).primary.includes(prefix)).map(({ id }) => id);
        expect(new Set(own)).toEqual(new Set(elected.values()));
        elections += elected.size - 1;
      }
    }),
    { numRuns: RUNS },
  );
  expect(elections).toBeGreaterThan(20);
});

function packetsFor(from: Address, to: Address): Packet[] {
  return [
    { from, to, protocol: 6, port: 22 },
    { from, to, protocol: 6, port: 443 },
    { from, to, protocol: 17, port: 443 },
    { from, to, protocol: 1, port: 0 },
  ];
}

test("filters let exactly those packets in that a rule allows", () => {
  fc.assert(
    fc.property(tailnet, ({ engine, naive, nodes }) => {
      const own = nodes.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]).filter((text) => text !== null);
      const addresses = [...own, ...INTERESTING].map((text) => parseAddress(text) as Address);
      for (const node of nodes) {
        for (const to of addresses.filter((address) => isForNode(node, address))) {
          for (const packet of addresses.flatMap((from) => packetsFor(from, to))) {
            const isLetIn = lets(engine, node.id, packet);
            // An expectation for each of the many packets would take most of the time.
            if (isLetIn !== naive.allows(node, packet)) expect(packet).toEqual({ node: node.id, isLetIn });
          }
        }
      }
    }),
    { numRuns: RUNS },
  );
});

/** Names of the capabilities that the filter gives a sender, as a client sums them up. */
function grants(engine: PolicyEngine, id: number, from: Address, to: Address): Set<string> {
  const names = new Set<string>();
  for (const { SrcIPs, CapGrant } of engine.packetFilterOf(id)) {
    if (!SrcIPs.some((text) => contains(rangeSet(text), from))) continue;
    for (const { Dsts, CapMap } of CapGrant ?? []) {
      if (Dsts.some((text) => contains(rangeSet(text), to))) for (const name of Object.keys(CapMap)) names.add(name);
    }
  }
  return names;
}

test("capabilities and attributes are those of the definition", () => {
  fc.assert(
    fc.property(tailnet, ({ engine, access, nodes }) => {
      const senders = [...nodes.flatMap(addressesOf), ...INTERESTING.map((text) => parseAddress(text) as Address)];
      for (const node of nodes) {
        const { id } = node;
        const own = Object.keys(engine.capMapOf(id));
        expect(new Set(own), `attributes of ${id}`).toEqual(access.attributes(node));
        for (const to of addressesOf(node)) {
          for (const from of senders) {
            expect(grants(engine, id, from, to), `${from} on ${id}`).toEqual(access.capabilities(node, from, to));
          }
        }
      }
    }),
    { numRuns: RUNS },
  );
});

/** What a node's SSH server does: the first rule that names the sender and maps the login decides. */
function logsIn(engine: PolicyEngine, from: PolicyNode, to: PolicyNode, login: string): Verdict {
  const senders = [from.ipv4, from.ipv6];
  const rule = engine.sshPolicyOf(to.id)?.rules.find(({ principals, sshUsers }) => {
    const mapped = sshUsers[login] ?? (login === "root" ? "" : sshUsers["*"]);
    return principals.some(({ nodeIP }) => senders.includes(nodeIP)) && mapped !== undefined && mapped !== "";
  });
  if (rule === undefined) return "refuse";
  return rule.action.holdAndDelegate === undefined ? "accept" : "check";
}

test("SSH lets in, checks and refuses as the definition says", () => {
  fc.assert(
    fc.property(tailnet, ({ engine, access, nodes }) => {
      for (const from of nodes) {
        for (const to of nodes) {
          for (const login of ["root", "ubuntu", "ann", "eve"]) {
            const verdict = logsIn(engine, from, to, login);
            expect(verdict, `${login} from ${from.id} on ${to.id}`).toBe(access.login(from, to, login));
            expect(engine.sshCheckOf(from.id, to.id, login) !== null).toBe(verdict === "check");
          }
        }
      }
    }),
    { numRuns: RUNS },
  );
});
