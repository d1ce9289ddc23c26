// The engine against the readable twin that asks policy.md's questions pair by pair and packet by packet.
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Address, parseAddress, parsePrefix, parseRange, prefixRange } from "../protocol/ip.ts";
import { PolicyEngine, type PolicyNode } from "./engine.ts";
import { type Policy, parsePolicy } from "./parse.ts";
import { contains, EVERYTHING, type PrefixSet } from "./prefix-set.ts";
import { NaiveTailnet, type Packet } from "./testing/naive-tailnet.ts";
import { node, policyText, user } from "./testing/random-tailnet.ts";

const RUNS = 300;

function parsed(text: string): Policy {
  // Hidden addresses change what a node is for all rules; the twin knows nothing of them.
  const result = parsePolicy(text.replaceAll("disable-ipv4", "custom:y"), ["example.com"]);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.policy;
}

const tailnet = fc
  .record({
    text: policyText,
    users: fc.uniqueArray(user, { selector: ({ id }) => id, maxLength: 3 }),
    nodes: fc.uniqueArray(node, { selector: ({ id }) => id, minLength: 2, maxLength: 7 }),
  })
  // `*` with a posture lists routes, and with one over node addresses also nodes that fail the posture; the engine tells
  // routes and nodes apart there, the twin does not.
  .filter(
    ({ text, nodes }) => !text.includes("srcPosture") || !nodes.some(({ routes }) => routes.includes("100.64.0.4/30")),
  )
  .map(({ text, users, nodes }) => {
    const policy = parsed(text);
    const engine = new PolicyEngine({ policy, users, nodes });
    const byId = <T extends { readonly id: number }>(all: readonly T[]) => new Map(all.map((one) => [one.id, one]));
    const naive = new NaiveTailnet({ policy, users: byId(users), nodes: byId(nodes), primaries: engine.primaries() });
    return { text, engine, naive, nodes };
  });

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

test("filters let exactly those packets in that a rule allows", () => {
  fc.assert(
    fc.property(tailnet, ({ engine, naive, nodes }) => {
      const own = nodes.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]).filter((text) => text !== null);
      const addresses = [...own, ...INTERESTING].map((text) => parseAddress(text) as Address);
      for (const node of nodes) {
        for (const to of addresses.filter((address) => isForNode(node, address))) {
          for (const from of addresses) {
            for (const [protocol, port] of [
              [6, 22],
              [6, 443],
              [17, 443],
              [1, 0],
            ] as const) {
              const packet = { from, to, protocol, port };
              expect(lets(engine, node.id, packet), `${node.id} ${from}→${to} ${protocol}/${port}`).toBe(
                naive.allows(node, packet),
              );
            }
          }
        }
      }
    }),
    { numRuns: RUNS / 3 },
  );
});
