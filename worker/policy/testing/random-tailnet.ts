// Random tailnets, policies and changes for property tests: small enough to collide often, with everything in them that
// the engine treats in a way of its own (routes over node addresses, via, postures, self, hidden addresses).
import fc from "fast-check";
import type { PolicyNode, PolicyUser, RelayDistances, Role } from "../engine.ts";

const LOGINS = ["ann@example.com", "bob@example.com", "eve@example.org"];
const TAGS = ["tag:a", "tag:b", "tag:router", "tag:exit"];
const ROLES: readonly Role[] = ["owner", "admin", "member", "auditor"];
const ROUTES = [
  "10.1.0.0/16",
  "10.1.2.0/24",
  "192.168.0.0/24",
  "0.0.0.0/0",
  "::/0",
  "8.8.8.0/24",
  "100.64.0.4/30",
  "fd7a:115c:a1e0:b1a::/64",
  "2001:db8::/32",
  "fd7a:115c:a1e0::4/126",
];

const SOURCES = [
  "*",
  ...LOGINS,
  "group:g",
  "tag:a",
  "tag:b",
  "tag:router",
  "autogroup:member",
  "autogroup:tagged",
  "autogroup:admin",
  "user:*@example.com",
  "100.64.0.3",
  "fd7a:115c:a1e0::2",
  "net",
  "10.1.2.0/24",
  "100.64.0.0/29",
  "autogroup:danger-all",
  "autogroup:owner",
  "autogroup:auditor",
  "fd7a:115c:a1e0:b1a::7:0/112",
  "100.64.0.2-100.64.0.5",
  "ipset:mix",
  "autogroup:shared",
];
const SELF_SOURCES = [...LOGINS, "group:g", "autogroup:member", "autogroup:admin"];
const DESTINATIONS = [
  "*",
  ...LOGINS,
  "group:g",
  "tag:a",
  "tag:b",
  "tag:exit",
  "autogroup:member",
  "autogroup:tagged",
  "autogroup:internet",
  "100.64.0.2",
  "100.64.0.4/31",
  "net",
  "ipset:mix",
  "10.1.0.0/16",
  "8.8.8.8",
  "user:*@example.com",
  "fd7a:115c:a1e0:b1a::/64",
  "fd7a:115c:a1e0::2-fd7a:115c:a1e0::6",
  "2001:db8:1::/48",
  "ipset:rest",
  "100.64.0.4/30",
];
const ROUTED = [
  "*",
  "ipset:rest",
  "fd7a:115c:a1e0:b1a::/64",
  "100.64.0.4/30",
  "tag:a",
  "10.1.0.0/16",
  "10.1.2.0/24",
  "net",
  "autogroup:internet",
  "192.168.0.0/24",
];
const APP = { "example.com/cap": [{ level: 1 }], "tailscale.com/cap/drive": [{ shares: ["*"] }] };

const some = <T>(values: readonly T[], max = 2) =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: max });
const postures = fc.option(some(["posture:up", "posture:mac"]), { freq: 5, nil: undefined });

const grant = fc.record({
  src: some(SOURCES),
  dst: some(DESTINATIONS),
  ip: some(["*", "tcp:22", "80,443"]),
  srcPosture: postures,
});
const appGrant = fc
  .record({ src: some(SOURCES), dst: some(DESTINATIONS.filter((text) => text !== "autogroup:internet")) })
  .map((rule) => ({ ...rule, app: APP }));
const selfGrant = fc
  .record({ src: some(SELF_SOURCES), dst: some([...DESTINATIONS.slice(1, 6)], 1), srcPosture: postures })
  .map(({ dst, ...rule }) => ({ ...rule, dst: [...dst, "autogroup:self"], ip: ["*"], app: APP }));
const viaGrant = fc
  .record({
    src: some(SOURCES),
    dst: some(ROUTED),
    srcPosture: postures,
    via: some(["tag:router", "tag:exit", "tag:a"]),
  })
  .map((rule) => ({ ...rule, ip: ["tcp:443", "*"] }));
const ssh = fc.record({
  action: fc.constantFrom("accept", "check"),
  src: some(SELF_SOURCES),
  dst: fc.constantFrom(["tag:a"], ["autogroup:self"], ["tag:b", "autogroup:self"]),
  users: some(["root", "autogroup:nonroot", "localpart:*@example.com", "ubuntu"]),
});
const attribute = fc.record({
  target: some(["*", "tag:a", "ann@example.com", "100.64.0.3", "autogroup:admin"]),
  attr: some(["custom:x", "funnel", "disable-ipv4"]),
});

/** A policy file. */
export const policyText: fc.Arbitrary<string> = fc
  .record({
    grants: fc.array(fc.oneof({ weight: 3, arbitrary: grant }, appGrant, selfGrant, viaGrant), { maxLength: 4 }),
    ssh: fc.array(ssh, { maxLength: 2 }),
    nodeAttrs: fc.option(fc.array(attribute, { maxLength: 2 }), { freq: 3, nil: [] }),
    group: fc.subarray(LOGINS),
  })
  .map(({ group, ...sections }) =>
    JSON.stringify({
      ...sections,
      groups: { "group:g": group },
      hosts: { net: "192.168.0.0/24" },
      ipsets: {
        "ipset:rest": ["add autogroup:internet", "add 10.0.0.0/8", "remove 10.1.2.0/25", "remove 8.8.8.8"],
        "ipset:mix": ["100.64.0.2", "10.1.2.0/24", "100.64.0.5"],
      },
      tagOwners: Object.fromEntries(TAGS.map((tag) => [tag, []])),
      postures: { "posture:up": ["custom:up"], "posture:mac": ["node:os == 'macos'"] },
    }),
  );

/** A user; ids 1 to 3. */
export const user: fc.Arbitrary<PolicyUser> = fc.record({
  id: fc.integer({ min: 1, max: 3 }),
  loginName: fc.constantFrom(...LOGINS),
  role: fc.constantFrom(...ROLES),
});

const tags = fc.oneof(fc.constant([]), some(TAGS));
const routes = fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, some(ROUTES, 3));
/** How far a node is from three regions. In a real tailnet all nodes tell, or none does. */
const distances: fc.Arbitrary<RelayDistances> = fc
  .record({
    home: fc.nat(3),
    latencies: fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })), {
      selector: ([region]) => region,
    }),
  })
  .map(({ home, latencies }) => ({ home, latencies: new Map(latencies) }));
const attributes = fc.record({ "custom:up": fc.boolean(), "node:os": fc.constantFrom("macos", "linux") });

/** A node; ids 1 to 8, addresses by id so that no two nodes share one. */
export const node: fc.Arbitrary<PolicyNode> = fc
  .record({
    id: fc.integer({ min: 1, max: 8 }),
    userId: fc.integer({ min: 1, max: 3 }),
    tags,
    hasIPv6: fc.boolean(),
    routes,
    isOnline: fc.boolean(),
    attributes,
    distances: fc.option(distances, { nil: undefined, freq: 2 }),
  })
  .map(({ hasIPv6, ...node }) => ({
    ...node,
    userId: node.tags.length > 0 ? null : node.userId,
    ipv4: `100.64.0.${node.id}`,
    ipv6: hasIPv6 ? `fd7a:115c:a1e0::${node.id}` : null,
  }));

/** A node of a tailnet in which many serve the same two prefixes, and all tell how far they are. */
export const nodeWithDistances: fc.Arbitrary<PolicyNode> = fc
  .record({
    node,
    distances,
    routes: fc.subarray(["10.1.0.0/16", "192.168.0.0/24"]),
    isOnline: fc.nat(3).map((n) => n > 0),
  })
  .map(({ node, ...more }) => ({ ...node, ...more }));

/** One change of a tailnet. */
export type Change =
  | { readonly kind: "set-node"; readonly node: PolicyNode }
  /** One thing about a node that exists: its tags, routes, user, addresses, posture attributes or distances. */
  | { readonly kind: "alter-node"; readonly id: number; readonly to: Partial<PolicyNode> }
  | { readonly kind: "flip-online"; readonly id: number }
  | { readonly kind: "remove-node"; readonly id: number }
  | { readonly kind: "set-user"; readonly user: PolicyUser }
  | { readonly kind: "remove-user"; readonly id: number }
  | { readonly kind: "set-policy"; readonly text: string };

const alteration: fc.Arbitrary<Partial<PolicyNode>> = fc.oneof(
  some(TAGS).map((some) => ({ tags: some, userId: null })),
  fc.integer({ min: 1, max: 3 }).map((userId) => ({ userId, tags: [] })),
  routes.map((some) => ({ routes: some })),
  attributes.map((some) => ({ attributes: some })),
  distances.map((some) => ({ distances: some })),
  fc.constant({ distances: undefined }),
  fc.integer({ min: 9, max: 12 }).map((host) => ({ ipv4: `100.64.0.${host}` })),
);

/** Any change. */
export const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("set-node" as const), node }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("alter-node" as const),
      id: fc.integer({ min: 1, max: 8 }),
      to: alteration,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("flip-online" as const), id: fc.integer({ min: 1, max: 8 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("remove-node" as const), id: fc.integer({ min: 1, max: 8 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("set-user" as const), user }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("remove-user" as const), id: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("set-policy" as const), text: policyText }) },
);

/** A change of a tailnet of {@link nodeWithDistances}. */
export const changeByDistance: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant("set-node" as const), node: nodeWithDistances }),
  fc.record({ kind: fc.constant("flip-online" as const), id: fc.integer({ min: 1, max: 8 }) }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("alter-node" as const),
      id: fc.integer({ min: 1, max: 8 }),
      to: fc.oneof(
        { weight: 4, arbitrary: distances.map((some) => ({ distances: some })) },
        fc.constant({ distances: undefined }),
      ),
    }),
  },
  { weight: 2, arbitrary: change },
);
