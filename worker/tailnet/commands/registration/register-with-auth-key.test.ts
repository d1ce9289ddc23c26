// The rows of control-protocol.md 4.8, and what 4.9 says of tags asked for with a key.
import { beforeEach, describe, expect, it } from "vitest";
import { DAY, MINUTE, nodeKey, TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import type { User } from "../../entities/user.ts";
import { revokeKey } from "../credentials/manage-keys.ts";
import { setPolicy } from "../policy/set-policy.ts";
import { approveLogin } from "./decide-login.ts";

const POLICY = `{
  "tagOwners": { "tag:a": ["ann@example.com"], "tag:b": ["tag:a", "ann@example.com"], "tag:c": [] },
  "grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }],
}`;

let t: TestTailnet;
let ann: User;
let bob: User;

beforeEach(() => {
  t = new TestTailnet({ policy: POLICY });
  ann = t.user("ann");
  bob = t.user("bob");
});

const idOf = (text: string) => text.split("-")[2] ?? "";

describe("a key that is no good", () => {
  it.each(["", "tskey-auth-x", `tskey-auth-k${"A".repeat(11)}CNTRL-${"b".repeat(32)}`])("is refused: %j", (text) => {
    const decision = t.decideRegister({ machine: 1, key: 1, authKey: text === "" ? "no-key" : text });
    expect(t.refusal(decision)).toEqual({ reason: "auth-key-invalid" });
  });

  it("is refused with the right id and a wrong secret", () => {
    const text = t.authKey(ann);
    const wrong = text.slice(0, -1) + (text.endsWith("A") ? "B" : "A");
    expect(t.refusal(t.decideRegister({ machine: 1, key: 1, authKey: wrong }))).toEqual({ reason: "auth-key-invalid" });
  });

  it("is refused as an API token's text", () => {
    const text = t.authKey(ann).replace("tskey-auth-", "tskey-api-");
    expect(t.refusal(t.decideRegister({ machine: 1, key: 1, authKey: text }))).toEqual({ reason: "auth-key-invalid" });
  });

  it("is refused from the moment at which it expires", () => {
    const authKey = t.authKey(ann, { lifetimeMs: 1_000, isReusable: true });
    t.now += 999;
    expect(t.decideRegister({ machine: 1, key: 1, authKey }).ok).toBe(true);
    t.now += 1;
    expect(t.refusal(t.decideRegister({ machine: 1, key: 1, authKey }))).toEqual({ reason: "auth-key-expired" });
  });

  it("is refused once revoked, while nodes that joined by it stay", () => {
    const authKey = t.authKey(ann, { isReusable: true });
    const node = t.join({ machine: 1, key: 1, authKey });
    t.run(revokeKey(t.tailnet, idOf(authKey), t.now));
    expect(t.refusal(t.decideRegister({ machine: 2, key: 2, authKey }))).toEqual({ reason: "auth-key-revoked" });
    expect(t.join({ machine: 1, key: 1, authKey })).toBe(node);
  });

  it("is refused while its user is suspended, with tags too", () => {
    const plain = t.authKey(ann);
    const tagged = t.authKey(ann, { tags: ["tag:a"] });
    t.apply([{ type: "user-put", user: { ...ann, isSuspended: true } }]);
    for (const authKey of [plain, tagged]) {
      expect(t.refusal(t.decideRegister({ machine: 1, key: 1, authKey }))).toEqual({ reason: "user-suspended" });
    }
  });
});

describe("a one-off key", () => {
  it("makes one node and is used up by the same changes", () => {
    const authKey = t.authKey(ann);
    const node = t.join({ machine: 1, key: 1, authKey });
    expect(t.changes.map(({ type }) => type)).toEqual(["auth-key-put", "counters-put", "node-put"]);
    expect(t.tailnet.authKeys.get(idOf(authKey))?.usedAt).toBe(t.now);
    expect(node).toMatchObject({ userId: ann.id, tags: [], authKeyId: idOf(authKey), keyExpiresAt: t.now + 180 * DAY });
  });

  it("is refused for a second node", () => {
    const authKey = t.authKey(ann);
    t.join({ machine: 1, key: 1, authKey });
    expect(t.refusal(t.decideRegister({ machine: 2, key: 2, authKey }))).toEqual({ reason: "auth-key-used" });
  });

  it("is refused for a new node key of the same machine", () => {
    const authKey = t.authKey(ann);
    t.join({ machine: 1, key: 1, authKey });
    expect(t.refusal(t.decideRegister({ machine: 1, key: 2, replaces: 1, authKey }))).toEqual({
      reason: "auth-key-used",
    });
  });

  it("succeeds again for the device that lost the reply", () => {
    const authKey = t.authKey(ann, { tags: ["tag:a"] });
    const spec = { machine: 1, key: 1, authKey, hostinfo: { Hostname: "pod", RequestTags: ["tag:b"] } };
    const node = t.join(spec);
    expect(t.join(spec)).toBe(node);
    expect(t.changes).toEqual([]);
  });

  it("is not used up by a registration that is refused", () => {
    const authKey = t.authKey(ann, { tags: ["tag:a"] });
    t.refusal(t.decideRegister({ machine: 1, key: 1, authKey, hostinfo: { RequestTags: ["tag:c"] } }));
    expect(t.join({ machine: 1, key: 1, authKey }).tags).toEqual(["tag:a"]);
  });
});

describe("a reusable key", () => {
  it("makes a node per machine and stays unused", () => {
    const authKey = t.authKey(ann, { isReusable: true });
    const nodes = [1, 2, 3].map((n) => t.join({ machine: n, key: n, authKey }));
    expect(new Set(nodes.map(({ ipv4 }) => ipv4)).size).toBe(3);
    expect(new Set(nodes.map(({ stableId }) => stableId)).size).toBe(3);
    for (const { stableId } of nodes) expect(stableId).toMatch(/^n[0-9a-f]{12}CNTRL$/);
    expect(t.tailnet.authKeys.get(idOf(authKey))?.usedAt).toBeNull();
  });
});

describe("an untagged key", () => {
  it("renews the node of the same user on the machine: id, addresses and name stay, the key and its expiry are new", () => {
    const before = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    t.connect(before);
    t.now += DAY;
    const after = t.join({ machine: 1, key: 2, authKey: t.authKey(ann) });
    const { id, stableId, ipv4, ipv6, name, createdAt } = before;
    expect(after).toMatchObject({
      id,
      stableId,
      ipv4,
      ipv6,
      name,
      createdAt,
      nodeKey: nodeKey(2),
      keyExpiresAt: t.now + 180 * DAY,
    });
    expect(t.tailnet.nodeByKey.has(nodeKey(1))).toBe(false);
  });

  it("makes a second node for another user on the same machine", () => {
    const annsNode = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    const bobsNode = t.join({ machine: 1, key: 2, replaces: 1, authKey: t.authKey(bob) });
    expect(bobsNode.id).not.toBe(annsNode.id);
    expect(t.node(annsNode)).toBe(annsNode);
  });

  it("asks for a new node key when another user's node on the machine has this one", () => {
    const annsNode = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    t.pass(180 * DAY);
    const authKey = t.authKey(bob);
    expect(t.register({ machine: 1, key: 1, authKey })).toEqual({ kind: "key-expired" });
    expect(t.join({ machine: 1, key: 2, replaces: 1, authKey }).userId).toBe(bob.id);
    expect(t.node(annsNode).userId).toBe(ann.id);
  });

  it("finds the node by the key that it replaces among several of one user", () => {
    const first = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    const second = {
      ...first,
      id: 50,
      stableId: "nSecondCNTRL",
      nodeKey: nodeKey(9),
      name: "second",
      ipv4: "100.64.9.9",
      ipv6: "fd7a:115c:a1e0::909",
    };
    t.apply([
      { type: "counters-put", counters: { ...t.tailnet.counters, nextNodeId: 51 } },
      { type: "node-put", node: second },
    ]);
    expect(t.join({ machine: 1, key: 2, replaces: 1, authKey: t.authKey(ann) }).id).toBe(first.id);
    expect(t.join({ machine: 1, key: 3, authKey: t.authKey(ann) }).id).toBe(second.id);
  });

  it("ignores a replaced key that is another machine's", () => {
    const other = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    const node = t.join({ machine: 2, key: 2, replaces: 1, authKey: t.authKey(ann) });
    expect(node.id).not.toBe(other.id);
    expect(t.node(other)).toBe(other);
  });

  it("leaves a tagged node of the machine tagged and makes a node of its user beside it", () => {
    const server = t.join({ machine: 1, key: 1, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    const node = t.join({ machine: 1, key: 2, replaces: 1, authKey: t.authKey(ann) });
    expect(node).toMatchObject({ userId: ann.id, tags: [] });
    expect(node.id).not.toBe(server.id);
  });

  it("tags the node when its user owns all tags asked for, and refuses those that it does not own", () => {
    const authKey = t.authKey(ann);
    const node = t.join({ machine: 1, key: 1, authKey, hostinfo: { RequestTags: ["tag:a", "tag:a"] } });
    expect(node).toMatchObject({ userId: null, tags: ["tag:a"], keyExpiresAt: null });
    const decision = t.decideRegister({
      machine: 2,
      key: 2,
      authKey: t.authKey(bob),
      hostinfo: { RequestTags: ["tag:c", "tag:a", "x"] },
    });
    expect(t.refusal(decision)).toEqual({ reason: "tags-not-permitted", tags: ["tag:a", "tag:c", "x"] });
  });
});

describe("a key with tags", () => {
  it("makes a tagged node without user and expiry", () => {
    const node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    expect(node).toMatchObject({ userId: null, tags: ["tag:a"], keyExpiresAt: null });
  });

  it("gives the tags asked for when they are its own or owned by them", () => {
    const authKey = t.authKey(ann, { tags: ["tag:a"], isReusable: true });
    expect(t.join({ machine: 1, key: 1, authKey, hostinfo: { RequestTags: ["tag:b"] } }).tags).toEqual(["tag:b"]);
    expect(t.join({ machine: 2, key: 2, authKey, hostinfo: { RequestTags: ["tag:b", "tag:a"] } }).tags).toEqual([
      "tag:a",
      "tag:b",
    ]);
    const denied = t.decideRegister({ machine: 3, key: 3, authKey, hostinfo: { RequestTags: ["tag:a", "tag:c"] } });
    expect(t.refusal(denied)).toEqual({ reason: "tags-not-permitted", tags: ["tag:c"] });
  });

  it("keeps its own tags when the policy no longer has them", () => {
    const authKey = t.authKey(ann, { tags: ["tag:a"] });
    t.run(setPolicy(t.tailnet, "{}", "ann", t.now));
    expect(t.join({ machine: 1, key: 1, authKey }).tags).toEqual(["tag:a"]);
  });

  it("renews the node of the machine that has the same tags", () => {
    const before = t.join({ machine: 1, key: 1, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    const after = t.join({ machine: 1, key: 2, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    expect(after).toMatchObject({ id: before.id, ipv4: before.ipv4, nodeKey: nodeKey(2) });
  });

  it("converts the node whose key it replaces: of the key's user, or with other tags", () => {
    const own = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    const tagged = t.join({ machine: 1, key: 2, replaces: 1, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    expect(tagged).toMatchObject({ id: own.id, ipv4: own.ipv4, userId: null, tags: ["tag:a"], keyExpiresAt: null });
    const retagged = t.join({ machine: 1, key: 3, replaces: 2, authKey: t.authKey(ann, { tags: ["tag:b"] }) });
    expect(retagged).toMatchObject({ id: own.id, tags: ["tag:b"] });
  });

  it("leaves nodes alone that belong to another profile or user of the machine", () => {
    const annsNode = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    const bobsNode = t.join({ machine: 1, key: 2, authKey: t.authKey(bob) });
    const server = t.join({ machine: 1, key: 3, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    const other = t.join({ machine: 1, key: 4, replaces: 2, authKey: t.authKey(ann, { tags: ["tag:b"] }) });
    expect(new Set([annsNode.id, bobsNode.id, server.id, other.id]).size).toBe(4);
    for (const node of [annsNode, bobsNode, server]) expect(t.node(node)).toBe(node);
  });

  it("is refused without tags and without a user", () => {
    const authKey = t.authKey(ann);
    const key = t.tailnet.authKeys.get(idOf(authKey));
    if (key === undefined) throw new Error("key is gone");
    t.apply([{ type: "auth-key-put", key: { ...key, userId: null } }]);
    expect(t.refusal(t.decideRegister({ machine: 1, key: 1, authKey }))).toEqual({
      reason: "tags-not-permitted",
      tags: [],
    });
  });
});

describe("ephemeral nodes", () => {
  it.each([
    [true, false, true],
    [false, true, true],
    [false, false, false],
  ])("come of a key (%s) or of the device's own wish (%s)", (isEphemeral, wish, expected) => {
    const authKey = t.authKey(ann, { isEphemeral });
    expect(t.join({ machine: 1, key: 1, authKey, isEphemeral: wish }).isEphemeral).toBe(expected);
  });
});

describe("device approval", () => {
  beforeEach(() => {
    t = new TestTailnet({ policy: POLICY, settings: { isDeviceApprovalOn: true } });
    ann = t.user("ann");
  });

  it("keeps a new node out, unless its key is pre-approved", () => {
    expect(t.join({ machine: 1, key: 1, authKey: t.authKey(ann) }).isAuthorized).toBe(false);
    expect(t.join({ machine: 2, key: 2, authKey: t.authKey(ann, { isPreauthorized: true }) }).isAuthorized).toBe(true);
  });

  it("stays given when the node is renewed, and is given when a pre-approved key renews it", () => {
    const node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    const renewed = t.join({ machine: 1, key: 2, authKey: t.authKey(ann, { isPreauthorized: true }) });
    expect(renewed).toMatchObject({ id: node.id, isAuthorized: true });
    expect(t.join({ machine: 1, key: 3, authKey: t.authKey(ann) }).isAuthorized).toBe(true);
  });
});

describe("a login page that still waits", () => {
  it("stays withdrawn through a new login, though new devices need no approval", () => {
    t = new TestTailnet({ policy: POLICY });
    ann = t.user("ann");
    const node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    t.apply([{ type: "node-put", node: { ...node, isAuthorized: false } }]);
    expect(t.join({ machine: 1, key: 2, replaces: 1, authKey: t.authKey(ann) }).isAuthorized).toBe(false);
  });

  it("cannot be approved any more once the device has joined by a key", () => {
    const page = t.register({ machine: 1, key: 1 });
    if (page.kind !== "login") throw new Error("expected a login page");
    const node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    const late = approveLogin(t.tailnet, page.pendingId, bob, t.context);
    expect(t.refusal(late)).toEqual({ reason: "not-found", what: "registration" });
    expect(t.effects.decidedLogins).toEqual(new Set([page.pendingId]));
    expect(t.node(node)).toBe(node);
  });
});

describe("the same machine as before deletion", () => {
  it("becomes a new node with new ids by a reusable key", () => {
    const authKey = t.authKey(ann, { isReusable: true, isEphemeral: true });
    const gone = t.join({ machine: 1, key: 1, authKey });
    t.pass(30 * MINUTE);
    expect(t.tailnet.nodes.size).toBe(0);
    const back = t.join({ machine: 1, key: 1, authKey });
    expect([back.id, back.stableId, back.ipv4]).not.toEqual([gone.id, gone.stableId, gone.ipv4]);
    expect(back.id).toBeGreaterThan(gone.id);
    expect(back.name).toBe(gone.name);
  });
});

describe("an address", () => {
  it("comes from the pool that the policy prescribes for the node, and is refused when that is full", () => {
    const policy = `{
      "tagOwners": { "tag:a": ["ann@example.com"] },
      "nodeAttrs": [
        { "target": ["ann@example.com", "tag:a"], "ipPool": ["100.81.0.0/31"] },
        { "target": ["tag:a"], "ipPool": ["100.90.0.0/31"] },
      ],
    }`;
    const decided = setPolicy(t.tailnet, policy, "ann@example.com", t.now);
    if (!decided.ok) throw new Error(JSON.stringify(decided.refusal));
    t.apply(decided.changes);
    const register = (n: number, owner: User, tags: string[] = []) =>
      t.decideRegister({ machine: n, key: n, authKey: t.authKey(owner, { tags }) });
    t.register({ machine: 1, key: 1, authKey: t.authKey(ann) });
    t.register({ machine: 2, key: 2, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    t.register({ machine: 3, key: 3, authKey: t.authKey(bob) });
    const addresses = [...t.tailnet.nodes.values()].map(({ ipv4 }) => ipv4);
    expect(addresses).toEqual(["100.81.0.1", "100.90.0.1", "100.64.0.1"]);
    expect(t.refusal(register(4, ann))).toEqual({ reason: "addresses-exhausted" });
  });
});
