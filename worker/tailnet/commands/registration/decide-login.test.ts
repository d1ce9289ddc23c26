// The person's rows of control-protocol.md 4.6 and the tags of 4.9; the client's rows are in await-login.test.ts.
import { beforeEach, describe, expect, it } from "vitest";
import {
  DAY,
  discoKey,
  nodeKey,
  type RegisterSpec,
  TestTailnet,
  tailnetLockKey,
} from "../../../../test/support/tailnet-builder.ts";
import type { Node } from "../../entities/node.ts";
import { ANSWERED_LIFETIME_MS, PENDING_LIFETIME_MS } from "../../entities/pending-registration.ts";
import type { User } from "../../entities/user.ts";
import { approveLogin, denyLogin } from "./decide-login.ts";

const POLICY = `{
  "tagOwners": { "tag:a": ["ann@example.com"], "tag:b": ["ann@example.com", "bob@example.com"] },
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

/** Asks for a login page. @returns id of the pending registration */
function login(spec: RegisterSpec): string {
  const result = t.register(spec);
  if (result.kind !== "login") throw new Error(`no login page but ${result.kind}`);
  return result.pendingId;
}

/** Asks for a login page and approves it. */
function logIn(user: User, spec: RegisterSpec): Node {
  return t.run(approveLogin(t.tailnet, login(spec), user, t.context));
}

describe("approveLogin", () => {
  it("makes a node of the user who approves", () => {
    const node = logIn(ann, { machine: 1, key: 1, isEphemeral: true, version: 140 });
    expect(node).toMatchObject({
      userId: ann.id,
      tags: [],
      nodeKey: nodeKey(1),
      tailnetLockKey: tailnetLockKey(1),
      isEphemeral: true,
      capabilityVersion: 140,
      authKeyId: null,
      keyExpiresAt: t.now + 180 * DAY,
      name: "host-1",
    });
  });

  it("keeps the answer for a reply that gets lost", () => {
    const id = login({ machine: 1, key: 1 });
    const node = t.run(approveLogin(t.tailnet, id, ann, t.context));
    const answer = { state: "approved", userId: ann.id, nodeId: node.id, expiresAt: t.now + ANSWERED_LIFETIME_MS };
    expect(t.tailnet.pendings.get(id)).toMatchObject(answer);
    t.pass(ANSWERED_LIFETIME_MS);
    expect(t.tailnet.pendings.size).toBe(0);
  });

  it.each(["approved", "denied", "run out", "unknown"])("finds no registration that is %s", (state) => {
    const id = state === "unknown" ? "x" : login({ machine: 1, key: 1 });
    if (state === "approved") t.run(approveLogin(t.tailnet, id, ann, t.context));
    if (state === "denied") t.run(denyLogin(t.tailnet, id, ann, t.context));
    if (state === "run out") t.now += PENDING_LIFETIME_MS;
    const expected = { reason: "not-found", what: "registration" };
    expect(t.refusal(approveLogin(t.tailnet, id, bob, t.context))).toEqual(expected);
    expect(t.refusal(denyLogin(t.tailnet, id, bob, t.context))).toEqual(expected);
  });

  it("refuses a suspended user; the page still waits", () => {
    const id = login({ machine: 1, key: 1 });
    const decision = approveLogin(t.tailnet, id, { ...ann, isSuspended: true }, t.context);
    expect(t.refusal(decision)).toEqual({ reason: "user-suspended" });
    expect(t.tailnet.pendings.get(id)?.state).toBe("waiting");
  });

  it("gives device approval when an administrator approves, and leaves it open otherwise", () => {
    t = new TestTailnet({ settings: { isDeviceApprovalOn: true } });
    expect(logIn(t.user("ann"), { machine: 1, key: 1 }).isAuthorized).toBe(false);
    expect(logIn(t.user("eve", "admin"), { machine: 2, key: 2 }).isAuthorized).toBe(true);
    expect(logIn(t.user("joe", "owner"), { machine: 3, key: 3 }).isAuthorized).toBe(true);
    expect(logIn(t.user("max", "auditor"), { machine: 4, key: 4 }).isAuthorized).toBe(false);
  });
});

describe("logging in again on the same machine", () => {
  it("renews the user's node: id, addresses, name and what it reported stay; key and expiry are new", () => {
    const before = logIn(ann, { machine: 1, key: 1 });
    t.update(before, { discoKey: discoKey(1), endpoints: ["198.51.100.9:41641"] });
    t.now += DAY;
    const after = logIn(ann, { machine: 1, key: 2, replaces: 1 });
    expect(after).toEqual({
      ...before,
      discoKey: discoKey(1),
      endpoints: ["198.51.100.9:41641"],
      nodeKey: nodeKey(2),
      tailnetLockKey: tailnetLockKey(2),
      keyExpiresAt: t.now + 180 * DAY,
    });
  });

  it("leaves the old key in force until the person has approved", () => {
    const before = logIn(ann, { machine: 1, key: 1 });
    const id = login({ machine: 1, key: 2, replaces: 1 });
    expect(t.node(before)).toBe(before);
    t.run(denyLogin(t.tailnet, id, ann, t.context));
    expect(t.node(before)).toBe(before);
  });

  it("finds the node after a logout, with or without the replaced key", () => {
    const before = logIn(ann, { machine: 1, key: 1 });
    t.register({ machine: 1, key: 1, expiresAt: 123_000 });
    expect(logIn(ann, { machine: 1, key: 2 })).toMatchObject({ id: before.id, keyExpiresAt: t.now + 180 * DAY });
  });

  it("makes a second node for another user and leaves the first as it is", () => {
    const annsNode = logIn(ann, { machine: 1, key: 1 });
    const bobsNode = logIn(bob, { machine: 1, key: 2, replaces: 1 });
    expect(bobsNode).toMatchObject({ userId: bob.id, name: "host-1-1" });
    expect(t.node(annsNode)).toBe(annsNode);
    expect(logIn(ann, { machine: 1, key: 3 }).id).toBe(annsNode.id);
  });

  it("never touches a node of another machine that the device names as its predecessor", () => {
    const other = logIn(ann, { machine: 1, key: 1 });
    const node = logIn(ann, { machine: 2, key: 2, replaces: 1 });
    expect(node.id).not.toBe(other.id);
    expect(t.node(other)).toBe(other);
  });

  it("is refused when the very key has joined for another user meanwhile", () => {
    const id = login({ machine: 1, key: 1 });
    const node = t.join({ machine: 1, key: 2, authKey: t.authKey(bob) });
    t.apply([{ type: "node-put", node: { ...node, nodeKey: nodeKey(1) } }]);
    expect(t.refusal(approveLogin(t.tailnet, id, ann, t.context))).toEqual({ reason: "node-key-in-use" });
  });
});

describe("tags asked for", () => {
  const tagged = (...RequestTags: string[]) => ({ hostinfo: { Hostname: "srv", RequestTags } });

  it("are given when the user owns all of them; the node then belongs to nobody and does not expire", () => {
    const node = logIn(ann, { machine: 1, key: 1, ...tagged("tag:b", "tag:a", "tag:b") });
    expect(node).toMatchObject({ userId: null, tags: ["tag:a", "tag:b"], keyExpiresAt: null });
  });

  it("are refused as a whole when the user does not own one, and nothing changes", () => {
    const id = login({ machine: 1, key: 1, ...tagged("tag:b", "tag:a", "tag:none") });
    const refusal = t.refusal(approveLogin(t.tailnet, id, bob, t.context));
    expect(refusal).toEqual({ reason: "tags-not-permitted", tags: ["tag:a", "tag:none"] });
    expect(t.tailnet.pendings.get(id)?.state).toBe("waiting");
    expect(t.tailnet.nodes.size).toBe(0);
  });

  it("convert the user's own node", () => {
    const own = logIn(ann, { machine: 1, key: 1 });
    const node = logIn(ann, { machine: 1, key: 2, replaces: 1, ...tagged("tag:a") });
    expect(node).toMatchObject({ id: own.id, ipv4: own.ipv4, userId: null, tags: ["tag:a"] });
  });

  it("find the machine's node that has them", () => {
    const first = logIn(ann, { machine: 1, key: 1, ...tagged("tag:a") });
    expect(logIn(ann, { machine: 1, key: 2, ...tagged("tag:a") }).id).toBe(first.id);
    expect(logIn(ann, { machine: 1, key: 3, ...tagged("tag:b") }).id).not.toBe(first.id);
  });
});

describe("a tagged node that asks for no tags", () => {
  it("becomes the user's when the login replaces its key and the user owns its tags", () => {
    const server = t.join({ machine: 1, key: 1, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    const node = logIn(ann, { machine: 1, key: 2, replaces: 1 });
    expect(node).toMatchObject({ id: server.id, userId: ann.id, tags: [], keyExpiresAt: t.now + 180 * DAY });
  });

  it("stays tagged when the user does not own its tags, or logs in under a profile of its own", () => {
    const server = t.join({ machine: 1, key: 1, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    expect(logIn(bob, { machine: 1, key: 2, replaces: 1 }).id).not.toBe(server.id);
    expect(logIn(ann, { machine: 1, key: 3 }).id).not.toBe(server.id);
    expect(t.node(server)).toBe(server);
  });
});

describe("denyLogin", () => {
  it("notes who denied and makes no node", () => {
    const id = login({ machine: 1, key: 1 });
    t.run(denyLogin(t.tailnet, id, bob, t.context));
    const answer = { state: "denied", userId: bob.id, nodeId: null, expiresAt: t.now + ANSWERED_LIFETIME_MS };
    expect(t.tailnet.pendings.get(id)).toMatchObject(answer);
    expect(t.tailnet.nodes.size).toBe(0);
    expect(t.effects.decidedLogins).toEqual(new Set([id]));
  });
});
