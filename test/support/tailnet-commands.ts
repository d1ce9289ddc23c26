// Random commands for property tests: everything that can happen to a tailnet, as data that fast-check can shrink. A
// command that names a node, user or page by number means the one at that place, modulo how many there are.
import fc from "fast-check";
import type { Hostinfo } from "../../worker/protocol/control/hostinfo.ts";
import { type Decision, decided } from "../../worker/tailnet/change.ts";
import { createAuthKey } from "../../worker/tailnet/commands/credentials/manage-keys.ts";
import {
  approveRoutes,
  authorizeNode,
  deleteNode,
  expireNode,
  renameNode,
  setKeyExpiryDisabled,
  tagNode,
} from "../../worker/tailnet/commands/nodes/administer-node.ts";
import { updateNode } from "../../worker/tailnet/commands/nodes/update-node.ts";
import { setPolicy } from "../../worker/tailnet/commands/policy/set-policy.ts";
import { approveLogin, denyLogin } from "../../worker/tailnet/commands/registration/decide-login.ts";
import { registerNode } from "../../worker/tailnet/commands/registration/register-node.ts";
import type { Node } from "../../worker/tailnet/entities/node.ts";
import type { User } from "../../worker/tailnet/entities/user.ts";
import {
  DAY,
  discoKey,
  MINUTE,
  mapRequest,
  type RegisterSpec,
  registration,
  SECOND,
  type TestTailnet,
} from "./tailnet-builder.ts";

const TAG_OWNERS = `"tagOwners": { "tag:a": ["user0@example.com"], "tag:b": ["tag:a", "user1@example.com"] }`;

/** Policy files of different kinds; the first is in force at the start. */
export const POLICIES = [
  `{ ${TAG_OWNERS}, "grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }] }`,
  `{ ${TAG_OWNERS}, "grants": [] }`,
  `{ ${TAG_OWNERS}, "grants": [
    { "src": ["autogroup:member"], "dst": ["tag:a"], "ip": ["tcp:22"] },
    { "src": ["tag:a"], "dst": ["tag:b", "10.0.0.0/8"], "ip": ["*"] },
  ], "autoApprovers": { "routes": { "10.0.0.0/8": ["tag:a", "user1@example.com"] }, "exitNode": ["tag:b"] } }`,
  `{ ${TAG_OWNERS}, "acls": [
    { "action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self:*"] },
    { "action": "accept", "src": ["user0@example.com"], "dst": ["10.1.0.0/16:443", "tag:b:*"] },
    { "action": "accept", "src": ["user1@example.com"], "dst": ["autogroup:internet:*"] },
  ], "ssh": [{ "action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self"], "users": ["autogroup:nonroot"] }] }`,
  `{ ${TAG_OWNERS}, "groups": { "group:g": ["user0@example.com", "user1@example.com"] },
    "grants": [{ "src": ["group:g"], "dst": ["autogroup:admin", "tag:a"], "ip": ["*"], "app": { "example.com/cap": [{ "x": 1 }] } }],
    "nodeAttrs": [{ "target": ["tag:a"], "attr": ["funnel"] }, { "target": ["autogroup:admin"], "attr": ["example"] }] }`,
];

const small = fc.nat(7);
const tags = fc.subarray(["tag:a", "tag:b", "tag:none"], { maxLength: 2 });
const routes = fc
  .subarray([["10.0.0.0/8"], ["10.1.0.0/16"], ["192.168.0.0/24"], ["fd00::/64"], ["0.0.0.0/0", "::/0"]])
  .map((chosen) => chosen.flat());

const hostinfo: fc.Arbitrary<Hostinfo> = fc.record(
  {
    OS: fc.constantFrom("linux", "windows"),
    Hostname: fc.constantFrom("web", "db", "Laptop"),
    RoutableIPs: routes,
    RequestTags: tags,
    Services: fc.constantFrom([], [{ Proto: "peerapi4", Port: 1 }], [{ Proto: "tcp", Port: 22 }]),
    NetInfo: fc.record({
      PreferredDERP: fc.constantFrom(0, 901, 902),
      DERPLatency: fc.dictionary(fc.constantFrom("901-v4", "901-v6", "902-v4"), fc.constantFrom(0.01, 0.015, 0.2)),
    }),
  },
  { requiredKeys: ["Hostname"] },
);

const device = {
  machine: fc.integer({ min: 1, max: 5 }),
  key: fc.nat(3),
  /** Node keys belong to a machine, but for the odd thief. */
  steals: fc.nat(30).map((n) => n === 0),
  replaces: fc.option(fc.nat(3), { nil: undefined }),
  version: fc.constantFrom(145, 146),
  hostinfo,
  isEphemeral: fc.boolean(),
};

const ofType = <T extends string, R extends object>(type: T, data: fc.Arbitrary<R>) =>
  data.map((fields) => ({ type, ...fields }));

const joins = ofType(
  "join by key",
  fc.record({
    ...device,
    user: small,
    keyTags: tags,
    isKeyEphemeral: fc.boolean(),
    isPreauthorized: fc.boolean(),
  }),
);
const asks = ofType("register", fc.record({ ...device, follows: fc.option(small, { nil: undefined }) }));
const logouts = ofType("log out", fc.record(device));
const approvals = ofType("approve", fc.record({ page: small, user: small }));
const denials = ofType("deny", fc.record({ page: small, user: small }));
const updates = ofType(
  "update",
  fc.record({
    node: small,
    endpoints: fc.subarray(["198.51.100.1:1", "198.51.100.2:2", "[2001:db8::1]:3"]),
    disco: fc.option(small, { nil: null }),
    hostinfo: fc.option(hostinfo, { nil: null }),
    version: fc.constantFrom(145, 146),
  }),
);
const deletions = ofType("delete", fc.record({ node: small }));
const expirations = ofType("expire", fc.record({ node: small }));
const authorizations = ofType("authorize", fc.record({ node: small, isAuthorized: fc.boolean() }));
const expirySwitches = ofType("disable key expiry", fc.record({ node: small, isDisabled: fc.boolean() }));
const renames = ofType("rename", fc.record({ node: small, name: fc.constantFrom("", "web", "chosen") }));
const routings = ofType("approve routes", fc.record({ node: small, routes }));
const taggings = ofType("tag", fc.record({ node: small, user: small, tags }));
const policies = ofType("policy", fc.record({ policy: fc.nat(POLICIES.length - 1) }));
const settings = ofType(
  "settings",
  fc.record({
    changed: fc.record({
      isDeviceApprovalOn: fc.boolean(),
      isMagicDnsOn: fc.boolean(),
      isRegionalRoutingOn: fc.boolean(),
      nameservers: fc.subarray([{ address: "192.0.2.53", useWithExitNode: false }]),
    }),
  }),
);
const users = ofType(
  "user",
  fc.record({
    user: small,
    changed: fc.record({
      role: fc.constantFrom("member" as const, "admin" as const),
      displayName: fc.constantFrom("A", "B"),
      isSuspended: fc.boolean(),
      isApproved: fc.boolean(),
    }),
  }),
);
const opens = ofType("open", fc.record({ node: small }));
const closes = ofType("close", fc.record({ node: small }));
const times = ofType("pass", fc.record({ ms: fc.constantFrom(SECOND, 11 * SECOND, 31 * MINUTE, 100 * DAY) }));

const commands = fc.oneof(
  { weight: 5, arbitrary: joins },
  { weight: 3, arbitrary: asks },
  { weight: 1, arbitrary: logouts },
  { weight: 2, arbitrary: approvals },
  { weight: 1, arbitrary: denials },
  { weight: 6, arbitrary: updates },
  { weight: 1, arbitrary: fc.oneof(deletions, expirations) },
  { weight: 3, arbitrary: fc.oneof(authorizations, expirySwitches, renames, routings, taggings) },
  { weight: 1, arbitrary: fc.oneof(policies, settings, users) },
  { weight: 8, arbitrary: opens },
  { weight: 1, arbitrary: closes },
  { weight: 2, arbitrary: times },
);

/** One command, as data. */
export type Command = typeof commands extends fc.Arbitrary<infer T> ? T : never;
type CommandOf<T extends Command["type"]> = Extract<Command, { type: T }>;

/** Sequences of commands. */
export const commandSequences = (maxLength: number) => fc.array(commands, { maxLength, size: "max" });

/** The node that a command means. */
export function nodeAt(t: TestTailnet, index: number): Node | undefined {
  return at(
    [...t.tailnet.nodes.values()].sort((a, b) => a.id - b.id),
    index,
  );
}

function at<T>(items: Iterable<T>, index: number): T | undefined {
  const list = [...items];
  return list.length === 0 ? undefined : list[index % list.length];
}

/** What a command decides; undefined when there is nothing to do it to, and for those about streams and time. */
export function decide(t: TestTailnet, command: Command): Decision<unknown> | undefined {
  switch (command.type) {
    case "register":
    case "log out":
      return registerNode(t.tailnet, registration(registerSpec(t, command)), t.context);
    case "policy":
      return setPolicy(t.tailnet, POLICIES[command.policy] ?? "", "test", t.now);
    case "settings":
      return decided(null, [{ type: "settings-put", settings: { ...t.tailnet.settings, ...command.changed } }]);
    case "join by key":
    case "user":
    case "approve":
    case "deny":
    case "tag": {
      const user = at(t.tailnet.users.values(), command.user);
      return user && decideAs(t, command, user);
    }
    case "open":
    case "close":
    case "pass":
      return undefined;
    case "update":
    case "delete":
    case "expire":
    case "authorize":
    case "disable key expiry":
    case "rename":
    case "approve routes": {
      const node = nodeAt(t, command.node);
      return node && decideOn(t, command, node);
    }
  }
}

function registerSpec(
  t: TestTailnet,
  command: CommandOf<"register" | "log out" | "join by key">,
  extra: Partial<RegisterSpec> = {},
): RegisterSpec {
  const { machine, key, steals, replaces, version, hostinfo: reported, isEphemeral } = command;
  const number = (n: number) => (steals ? machine + 1 : machine) * 10 + n;
  const page =
    command.type === "register" && command.follows !== undefined
      ? at(t.tailnet.pendings.keys(), command.follows)
      : undefined;
  return {
    machine,
    key: number(key),
    version,
    hostinfo: reported,
    isEphemeral,
    ...(replaces !== undefined && { replaces: number(replaces) }),
    ...(page !== undefined && { followup: `https://control.example.com/a/${page}` }),
    ...(command.type === "log out" && { expiresAt: 123_000 }),
    ...extra,
  };
}

function decideAs(
  t: TestTailnet,
  command: CommandOf<"join by key" | "user" | "approve" | "deny" | "tag">,
  user: User,
): Decision<unknown> | undefined {
  switch (command.type) {
    case "join by key": {
      const { keyTags, isKeyEphemeral, isPreauthorized } = command;
      const spec = {
        isReusable: false,
        isEphemeral: isKeyEphemeral,
        isPreauthorized,
        tags: keyTags,
        lifetimeMs: DAY,
        description: "",
      };
      const made = createAuthKey(t.tailnet, spec, t.contextOf(user));
      if (!made.ok) return made;
      const authKey = t.run(made).text;
      return registerNode(t.tailnet, registration(registerSpec(t, command, { authKey })), t.context);
    }
    case "user":
      return decided(null, [{ type: "user-put", user: { ...user, ...command.changed } }]);
    case "tag": {
      const node = nodeAt(t, command.node);
      return node && tagNode(t.tailnet, node, command.tags, t.contextOf(user));
    }
    case "approve":
      return approveLogin(t.tailnet, at(t.tailnet.pendings.keys(), command.page) ?? "", user, t.context);
    case "deny":
      return denyLogin(t.tailnet, at(t.tailnet.pendings.keys(), command.page) ?? "", user, t.context);
  }
}

function decideOn(
  t: TestTailnet,
  command: CommandOf<"update" | "delete" | "expire" | "authorize" | "disable key expiry" | "rename" | "approve routes">,
  node: Node,
): Decision<unknown> {
  switch (command.type) {
    case "update": {
      const { endpoints, hostinfo: reported, version, disco } = command;
      const key = disco === null ? null : discoKey(disco + 1);
      return updateNode(
        t.tailnet,
        node,
        mapRequest(node, { endpoints, hostinfo: reported, version, discoKey: key }),
        t.now,
      );
    }
    case "delete":
      return deleteNode(node);
    case "expire":
      return expireNode(node, t.now);
    case "authorize":
      return authorizeNode(node, command.isAuthorized);
    case "disable key expiry":
      return setKeyExpiryDisabled(node, command.isDisabled);
    case "rename":
      return renameNode(t.tailnet, node, command.name, "tail.example.com");
    case "approve routes":
      return approveRoutes(node, command.routes);
  }
}
