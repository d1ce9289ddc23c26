import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAddress, parseRange } from "../protocol/ip.ts";
import { PolicyEngine, type PolicyNode, type PolicyUser } from "./engine.ts";
import { contains, EVERYTHING, prefixSet } from "./prefix-set.ts";
import { type Access, ReachQuestions } from "./reach.ts";
import { NaiveTailnet } from "./testing/naive-tailnet.ts";
import { policyText, node as randomNode, user as randomUser } from "./testing/random-tailnet.ts";
import { engineOf, nodesFrom, policyOf } from "./testing/small-tailnet.ts";

const USERS: readonly PolicyUser[] = [
  { id: 1, loginName: "ann@example.com", role: "member" },
  { id: 2, loginName: "bob@example.com", role: "member" },
];

const nodes = nodesFrom({
  laptop: { attributes: { "node:os": "linux" } },
  phone: {},
  other: { userId: 2 },
  db: { tags: ["tag:db"] },
  router: { tags: ["tag:router"], routes: ["10.1.0.0/16"] },
});
const { laptop, phone, other, db, router } = nodes;
const tagOwners = { "tag:db": [], "tag:router": [] };

function reachUnder(sections: object) {
  return new ReachQuestions(engineOf(policyOf({ tagOwners, ...sections }, ["example.com"]), USERS, nodes));
}

const both = ({ ipv4, ipv6 }: PolicyNode) => [ipv4, ipv6];
const port = (first: number, last = first) => ({ First: first, Last: last });

describe("who may reach what", () => {
  it("is told by protocol, with the ports that are open at the same addresses together", () => {
    const reach = reachUnder({
      grants: [
        { src: ["ann@example.com"], dst: ["tag:db"], ip: ["tcp:22", "tcp:80-90", "53"] },
        { src: ["ann@example.com"], dst: [db.ipv4], ip: ["tcp:5432"] },
      ],
    });
    const access: Access[] = [
      { protocol: 6, ports: [port(22), port(80, 90)], destinations: both(db) as string[] },
      { protocol: 6, ports: [port(5432)], destinations: [db.ipv4 as string] },
      { protocol: null, ports: [port(53)], destinations: both(db) as string[] },
    ];
    expect(reach.peersOf(laptop.id, "from")).toEqual([{ peer: db.id, access }]);
    expect(reach.peersOf(db.id, "to").map(({ peer }) => peer)).toEqual([laptop.id, phone.id]);
    expect(reach.peersOf(db.id, "from")).toEqual([]);
    expect(reach.peersOf(laptop.id, "to")).toEqual([]);
    expect(reach.between(other.id, db.id)).toEqual([]);
  });

  it("follows postures, rules to autogroup:self, and routes", () => {
    const reach = reachUnder({
      postures: { "posture:linux": ["node:os == 'linux'"] },
      grants: [
        { src: ["autogroup:member"], dst: ["tag:db"], ip: ["22"], srcPosture: ["posture:linux"] },
        { src: ["autogroup:member"], dst: ["autogroup:self"], ip: ["*"] },
        { src: ["bob@example.com"], dst: ["10.1.2.0/24"], ip: ["tcp:443"], via: ["tag:router"] },
      ],
    });
    const peers = (node: PolicyNode) => reach.peersOf(node.id, "from").map(({ peer }) => peer);
    expect(peers(laptop)).toEqual([phone.id, db.id]);
    expect(peers(phone)).toEqual([laptop.id]);
    const access = [{ protocol: 6, ports: [port(443)], destinations: ["10.1.2.0/24"] }];
    expect(reach.peersOf(other.id, "from")).toEqual([{ peer: router.id, access }]);
  });

  it("leaves out destinations of a family in which the sender is not let through", () => {
    const reach = reachUnder({ grants: [{ src: [laptop.ipv4], dst: ["tag:db"], ip: ["*"] }] });
    expect(reach.between(laptop.id, db.id)).toEqual([
      { protocol: null, ports: [port(0, 65535)], destinations: [db.ipv4] },
    ]);
  });

  it("is everything where everything is allowed", () => {
    expect(reachUnder({}).between(other.id, db.id)).toEqual([
      { protocol: null, ports: [port(0, 65535)], destinations: ["*"] },
    ]);
  });
});

/** Addresses of two nodes that a packet may go between. */
function waysBetween(sender: PolicyNode, receiver: PolicyNode) {
  const pairs = [
    [sender.ipv4, receiver.ipv4],
    [sender.ipv6, receiver.ipv6],
  ] as const;
  return pairs.flatMap(([from, to]) => {
    return from === null || to === null ? [] : [{ from: parseAddress(from) as bigint, to: parseAddress(to) as bigint }];
  });
}

it("agrees with the rules packet by packet, whatever the policy", () => {
  const users = fc.uniqueArray(randomUser, { selector: ({ id }) => id, maxLength: 3 });
  const tailnet = fc.uniqueArray(randomNode, { selector: ({ id }) => id, minLength: 2, maxLength: 6 });
  // Postured `*` over node addresses and hidden addresses are what the readable twin knows nothing of.
  const file = policyText.filter((text) => !text.includes("srcPosture"));
  fc.assert(
    fc.property(file, users, tailnet, (text, people, all) => {
      const policy = policyOf(JSON.parse(text.replaceAll("disable-ipv4", "custom:y")) as object, ["example.com"]);
      const engine = new PolicyEngine({ policy, users: people, nodes: all });
      const byId = <T extends { readonly id: number }>(some: readonly T[]) => new Map(some.map((one) => [one.id, one]));
      const naive = new NaiveTailnet({ policy, users: byId(people), nodes: byId(all), primaries: engine.primaries() });
      const reach = new ReachQuestions(engine);
      const pairs = all.flatMap((sender) => all.map((receiver) => [sender, receiver] as const));
      for (const [sender, receiver] of pairs.filter(([a, b]) => a !== b)) {
        const access = reach.between(sender.id, receiver.id);
        for (const way of waysBetween(sender, receiver)) {
          for (const port of [22, 443, 8080]) {
            const isAllowed = naive.allows(receiver, { ...way, protocol: 6, port });
            // An answer does not tell from which of two addresses.
            if (isAllowed || sender.ipv6 === null) expect(isOpen(access, way.to, port)).toBe(isAllowed);
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});

function isOpen(access: readonly Access[], to: bigint, wanted: number): boolean {
  return access.some(({ protocol, ports, destinations }) => {
    const set = destinations.includes("*")
      ? EVERYTHING
      : prefixSet(destinations.flatMap((text) => parseRange(text) ?? []));
    if ((protocol ?? 6) !== 6 || !contains(set, to)) return false;
    return ports.some(({ First, Last }) => First <= wanted && wanted <= Last);
  });
}
