// A tailnet of any size as a company would have it: 200 users in 20 groups, 50 tags, 500 rules of every kind, half of the
// nodes people's devices, half tagged, some of them routers. The same for the same size, whatever the machine.
import type { PolicyNode, PolicyUser, Role } from "../../../worker/policy/engine.ts";
import { seededNumbers } from "../../../worker/policy/testing/hostile-text.ts";

const USERS = 200;
const GROUPS = 20;
const TAGS = 50;
const RULES = 500;
/** One node in so many is a subnet router, one in so many an exit node. */
const ROUTERS = 100;
const EXITS = 500;
const OPERATING_SYSTEMS = ["macos", "windows", "linux", "ios"] as const;
const STAFF: readonly Role[] = ["owner", "admin", "network-admin", "it-admin", "auditor"];

/** Everything that an engine starts from, the policy as a file. */
export interface LargeTailnet {
  readonly text: string;
  readonly users: readonly PolicyUser[];
  readonly nodes: readonly PolicyNode[];
}

/** Login name of a user, from 0. */
const login = (user: number) => `user-${user}@example.com`;
const group = (of: number) => `group:team-${of % GROUPS}`;
const tag = (of: number) => `tag:role-${of % TAGS}`;

/** The tailnet with so many nodes. */
export function largeTailnet(count: number): LargeTailnet {
  const users = Array.from({ length: USERS }, (_, i): PolicyUser => {
    return { id: i + 1, loginName: login(i), role: STAFF[i] ?? "member" };
  });
  return { text: policyText(), users, nodes: Array.from({ length: count }, (_, i) => nodeAt(i)) };
}

/** The policy file; `port` is that of its first rule, by which two files may differ. */
export function policyText(port = 22): string {
  const next = seededNumbers(1);
  const grants = Array.from({ length: RULES }, (_, i) => grant(i, next));
  return JSON.stringify({
    groups: Object.fromEntries(Array.from({ length: GROUPS }, (_, i) => [group(i), teamOf(i)])),
    tagOwners: Object.fromEntries(Array.from({ length: TAGS }, (_, i) => [tag(i), [group(i)]])),
    hosts: { office: "10.0.0.0/8", printer: "10.20.0.9" },
    ipsets: { "ipset:sites": ["add 10.1.0.0/16", "add 10.2.0.0/16", "remove 10.2.9.0/24"] },
    postures: { "posture:managed": ["node:os IN ['macos', 'windows']", "custom:managed"] },
    grants: [{ src: [group(0)], dst: [tag(0)], ip: [`tcp:${port}`] }, ...grants.slice(1)],
    ssh: [
      { action: "check", src: ["autogroup:member"], dst: ["autogroup:self"], users: ["autogroup:nonroot", "root"] },
      ...Array.from({ length: GROUPS }, (_, i) => {
        return { action: "accept", src: [group(i)], dst: [tag(i), tag(i + 1)], users: ["ubuntu", "autogroup:nonroot"] };
      }),
    ],
    nodeAttrs: [
      { target: ["autogroup:member"], attr: ["drive:access"] },
      ...Array.from({ length: 10 }, (_, i) => ({ target: [tag(i)], attr: [`custom:role-${i}`] })),
    ],
    autoApprovers: { routes: { "10.0.0.0/8": [tag(1)] }, exitNode: [tag(2)] },
  });
}

function teamOf(of: number): string[] {
  return Array.from({ length: USERS / GROUPS }, (_, i) => login(i * GROUPS + of));
}

/** Mostly a team or a role to a role on a few ports; one rule in ten is of another kind. */
function grant(index: number, next: (below: number) => number): object {
  const ip = [`tcp:${1_000 + next(100)}`, ...(next(4) === 0 ? ["udp:53,123"] : [])];
  const to = { dst: [tag(next(TAGS)), ...(next(3) === 0 ? [tag(next(TAGS))] : [])], ip };
  switch (index % 50) {
    case 5:
      return { src: ["autogroup:member"], dst: ["autogroup:self"], ip: ["*"] };
    case 10:
      return { ...to, src: [login(next(USERS))] };
    case 15:
      return { ...to, src: ["autogroup:member"], srcPosture: ["posture:managed"] };
    case 20:
      return { src: [group(next(GROUPS))], dst: ["office", "ipset:sites"], ip: ["*"] };
    case 25:
      return { src: [group(next(GROUPS))], dst: ["printer"], ip: ["tcp:631"], via: [tag(1)] };
    case 30:
      return {
        src: [group(next(GROUPS))],
        dst: [tag(next(TAGS))],
        app: { "example.com/cap/role": [{ level: index }] },
      };
    case 35:
      return { src: ["autogroup:admin"], dst: [tag(next(TAGS))], ip: ["*"] };
    case 40:
      return { src: [group(next(GROUPS))], dst: ["autogroup:internet"], ip: ["*"] };
    default:
      return { ...to, src: [index % 3 === 0 ? tag(next(TAGS)) : group(next(GROUPS))] };
  }
}

function nodeAt(index: number): PolicyNode {
  const isTagged = index % 2 === 0;
  const role = Math.floor(index / 2);
  const [tags, routes] = tagsAndRoutes(index, role);
  return {
    id: index + 1,
    userId: isTagged ? null : (role % USERS) + 1,
    tags: isTagged ? tags : [],
    ipv4: `100.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`,
    ipv6: `fd7a:115c:a1e0::${(index + 1).toString(16)}`,
    routes: isTagged ? routes : [],
    isOnline: true,
    attributes: {
      "node:os": OPERATING_SYSTEMS[role % OPERATING_SYSTEMS.length] as string,
      "custom:managed": role % 7 !== 0,
    },
  };
}

/** Routers stand in pairs; every tenth tagged node has two tags. */
function tagsAndRoutes(index: number, role: number): readonly [readonly string[], readonly string[]] {
  if (index % EXITS === 0) return [[tag(2)], ["0.0.0.0/0", "::/0"]];
  if (index % ROUTERS === 0) return [[tag(1)], [`10.${Math.floor(index / ROUTERS / 2) % 250}.0.0/16`]];
  return [role % 10 === 0 ? [tag(role), tag(role * 7 + 3)] : [tag(role)], []];
}
