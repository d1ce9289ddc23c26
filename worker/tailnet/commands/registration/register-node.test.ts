// The rows of control-protocol.md 4.5, in their order, and "expire sooner" of 4.7.
import { beforeEach, describe, expect, it } from "vitest";
import { DAY, MINUTE, machineKey, nodeKey, SECOND, TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import type { Node } from "../../entities/node.ts";
import { PENDING_LIFETIME_MS } from "../../entities/pending-registration.ts";
import type { User } from "../../entities/user.ts";
import { authorizeNode, setKeyExpiryDisabled, tagNode } from "../nodes/administer-node.ts";
import { approveLogin, denyLogin } from "./decide-login.ts";

const POLICY = `{
  "tagOwners": { "tag:a": [], "tag:b": ["tag:a"], "tag:c": [] },
  "grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }],
}`;

let t: TestTailnet;
let ann: User;
let laptop: Node;

beforeEach(() => {
  t = new TestTailnet({ policy: POLICY });
  ann = t.user("ann", "admin");
  laptop = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
});

describe("step 2: version", () => {
  it("refuses clients older than 1.80, known or not", () => {
    for (const spec of [
      { machine: 1, key: 1 },
      { machine: 2, key: 2 },
    ]) {
      expect(t.refusal(t.decideRegister({ ...spec, version: 112 }))).toEqual({ reason: "client-too-old" });
      expect(t.decideRegister({ ...spec, version: 113 }).ok).toBe(true);
    }
  });
});

describe("the wanted tailnet", () => {
  it.each(["", "example.com", "other.net", "required:example.com", "required:EXAMPLE.com"])("lets %j in", (tailnet) => {
    expect(t.decideRegister({ machine: 1, key: 1, tailnet }).ok).toBe(true);
  });

  it("refuses a device that insists on another one, and names it", () => {
    const refusal = t.refusal(t.decideRegister({ machine: 1, key: 1, tailnet: "required:other.net" }));
    expect(refusal).toEqual({ reason: "wrong-tailnet", tailnet: "other.net" });
  });
});

describe("step 4: a node key of another machine", () => {
  const inUse = { reason: "node-key-in-use" };

  it("is refused, whatever else the request says", () => {
    const authKey = t.authKey(ann, { isReusable: true });
    for (const extra of [
      {},
      { authKey },
      { expiresAt: 123_000 },
      { expiresAt: t.now + DAY },
      { followup: "https://x/a/y" },
    ]) {
      expect(t.refusal(t.decideRegister({ machine: 2, key: 1, ...extra }))).toEqual(inUse);
    }
    expect(t.node(laptop)).toBe(laptop);
  });

  it("is refused while the other machine waits for approval of it", () => {
    t.register({ machine: 2, key: 2 });
    expect(t.refusal(t.decideRegister({ machine: 3, key: 2 }))).toEqual(inUse);
  });

  it("is free again when the other machine's registration was denied or has run out", () => {
    const denied = t.register({ machine: 2, key: 2 });
    if (denied.kind !== "login") throw new Error("expected a login page");
    t.run(denyLogin(t.tailnet, denied.pendingId, ann, t.context));
    expect(t.register({ machine: 3, key: 2 }).kind).toBe("login");
    t.now += PENDING_LIFETIME_MS;
    expect(t.register({ machine: 4, key: 2 }).kind).toBe("login");
  });
});

describe("step 5: an expiry in the past", () => {
  it("is a logout, also when an auth key is there", () => {
    expect(t.register({ machine: 1, key: 1, expiresAt: 123_000, authKey: t.authKey(ann) })).toEqual({
      kind: "logged-out",
    });
    expect(t.node(laptop)).toMatchObject({ keyExpiresAt: t.now });
    expect(t.tailnet.nodes.size).toBe(1);
  });

  it("makes nothing when the node key is unknown, and uses up no auth key", () => {
    expect(t.register({ machine: 2, key: 2, expiresAt: 123_000, authKey: t.authKey(ann) })).toEqual({
      kind: "logged-out",
    });
    expect(t.changes).toEqual([]);
  });
});

describe("step 6: an expiry in the future", () => {
  it("moves the expiry to an earlier time", () => {
    const node = t.join({ machine: 1, key: 1, expiresAt: t.now + DAY });
    expect(node).toEqual({ ...laptop, keyExpiresAt: t.now + DAY });
    expect(t.node(laptop)).toEqual(node);
  });

  it("does not move it to a later time, nor bring an expired key back to life", () => {
    const later = { machine: 1, key: 1, expiresAt: t.now + 181 * DAY };
    expect(t.refusal(t.decideRegister(later))).toEqual({ reason: "expiry-not-sooner" });
    t.register({ machine: 1, key: 1, expiresAt: 123_000 });
    expect(t.refusal(t.decideRegister({ machine: 1, key: 1, expiresAt: t.now + 1 }))).toEqual({
      reason: "expiry-not-sooner",
    });
  });

  it("gives an expiry to a key that had none in force", () => {
    t.now += 10 * DAY;
    t.run(setKeyExpiryDisabled(laptop, true));
    const expiresAt = t.now + 300 * DAY;
    expect(t.join({ machine: 1, key: 1, expiresAt })).toMatchObject({
      keyExpiresAt: expiresAt,
      isKeyExpiryDisabled: false,
    });
  });

  it("is no wish that counts for an unknown node key", () => {
    expect(t.register({ machine: 2, key: 2, expiresAt: t.now + DAY }).kind).toBe("login");
  });
});

describe("step 8: a valid node key", () => {
  it("is answered with success as it is, and nothing is stored", () => {
    expect(t.register({ machine: 1, key: 1 })).toEqual({ kind: "registered", node: laptop });
    expect(t.changes).toEqual([]);
  });

  it.each([
    ["a used one-off key", () => t.authKey(ann, { isReusable: false })],
    ["an unknown key", () => `tskey-auth-k${"A".repeat(11)}CNTRL-${"b".repeat(32)}`],
    ["text that is no key", () => "hunter2"],
  ])("works with %s in the configuration, which is not even looked at", (_name, authKeyOf) => {
    expect(t.register({ machine: 1, key: 1, authKey: authKeyOf() })).toEqual({ kind: "registered", node: laptop });
    expect(t.changes).toEqual([]);
  });

  it("takes over what the device says of itself", () => {
    const node = t.join({ machine: 1, key: 1, version: 146, hostinfo: { OS: "linux", Hostname: "renamed" } });
    expect(node).toMatchObject({ name: "renamed", capabilityVersion: 146 });
    expect(t.node(laptop)).toEqual(node);
  });

  it("keeps the home region and NetInfo when the request has none", () => {
    const NetInfo = { PreferredDERP: 901 };
    t.report(laptop, { NetInfo });
    t.join({ machine: 1, key: 1 });
    expect(t.node(laptop)).toMatchObject({ homeDerp: 901, hostinfo: { NetInfo } });
  });

  it("keeps tags that an administrator set, whatever the node always asked for", () => {
    const tagged = t.join({
      machine: 2,
      key: 2,
      authKey: t.authKey(ann, { tags: ["tag:a"] }),
      hostinfo: { RequestTags: ["tag:a"] },
    });
    t.run(tagNode(t.tailnet, tagged, ["tag:c"], t.contextOf(ann)));
    expect(t.join({ machine: 2, key: 2, hostinfo: { RequestTags: ["tag:a"] } }).tags).toEqual(["tag:c"]);
  });

  it("retags a node whose present tags own those that it now asks for", () => {
    t.join({ machine: 2, key: 2, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
    expect(t.join({ machine: 2, key: 2, hostinfo: { RequestTags: ["tag:b"] } }).tags).toEqual(["tag:b"]);
  });

  it("is not enough for tags that need a login: the device must come with a new key", () => {
    expect(t.register({ machine: 1, key: 1, hostinfo: { RequestTags: ["tag:a"] } })).toEqual({ kind: "key-expired" });
    expect(t.register({ machine: 1, key: 11, replaces: 1, hostinfo: { RequestTags: ["tag:a"] } }).kind).toBe("login");
    expect(t.node(laptop)).toBe(laptop);
  });

  it("takes tags that need a login from an auth key", () => {
    const authKey = t.authKey(ann, { tags: ["tag:a"] });
    expect(t.join({ machine: 1, key: 1, authKey, hostinfo: { RequestTags: ["tag:a"] } })).toMatchObject({
      id: laptop.id,
      tags: ["tag:a"],
    });
  });

  it("works for a node that waits for device approval", () => {
    t.run(authorizeNode(laptop, false));
    expect(t.join({ machine: 1, key: 1 }).isAuthorized).toBe(false);
  });
});

describe("step 9: an expired node key without an auth key", () => {
  it("must be replaced by a new one", () => {
    t.pass(180 * DAY);
    expect(t.register({ machine: 1, key: 1 })).toEqual({ kind: "key-expired" });
    expect(t.changes).toEqual([]);
  });

  it("goes on when its expiry is disabled", () => {
    t.run(setKeyExpiryDisabled(laptop, true));
    t.pass(180 * DAY);
    expect(t.register({ machine: 1, key: 1 }).kind).toBe("registered");
  });
});

describe("step 10: an auth key", () => {
  it("renews an expired node under the same or a new node key", () => {
    t.pass(180 * DAY);
    const again = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
    expect(again).toMatchObject({ id: laptop.id, nodeKey: nodeKey(1), keyExpiresAt: t.now + 180 * DAY });
    t.pass(180 * DAY);
    const renewed = t.join({ machine: 1, key: 2, replaces: 1, authKey: t.authKey(ann) });
    expect(renewed).toMatchObject({ id: laptop.id, nodeKey: nodeKey(2), ipv4: laptop.ipv4, name: laptop.name });
  });
});

describe("step 11: anything else", () => {
  it("makes a pending registration bound to what asked", () => {
    const result = t.register({ machine: 2, key: 2, replaces: 9, isEphemeral: true, version: 140 });
    if (result.kind !== "login") throw new Error("expected a login page");
    expect(t.tailnet.pendings.get(result.pendingId)).toMatchObject({
      machineKey: machineKey(2),
      nodeKey: nodeKey(2),
      oldNodeKey: nodeKey(9),
      hostinfo: { Hostname: "host-2" },
      capabilityVersion: 140,
      isEphemeral: true,
      remoteAddress: "203.0.113.7",
      expiresAt: t.now + PENDING_LIFETIME_MS,
      state: "waiting",
    });
  });

  it("changes no node, even when the request names its key as the one that it replaces", () => {
    t.register({ machine: 1, key: 2, replaces: 1 });
    t.register({ machine: 2, key: 3, replaces: 1 });
    expect(t.node(laptop)).toBe(laptop);
  });

  it("is where a node lands that an administrator deleted", () => {
    t.apply([{ type: "node-removed", id: laptop.id }]);
    expect(t.register({ machine: 1, key: 1 }).kind).toBe("login");
  });
});

describe("an ephemeral node that registers", () => {
  it("is not removed before it can poll", () => {
    const pod = t.join({ machine: 2, key: 2, authKey: t.authKey(ann, { isEphemeral: true }) });
    t.pass(30 * MINUTE - SECOND);
    t.join({ machine: 2, key: 2 });
    t.pass(2 * SECOND);
    expect(t.node(pod).id).toBe(pod.id);
  });
});

describe("a page that was approved", () => {
  it("has made the node that a restart then finds", () => {
    const result = t.register({ machine: 2, key: 2 });
    if (result.kind !== "login") throw new Error("expected a login page");
    const node = t.run(approveLogin(t.tailnet, result.pendingId, ann, t.context));
    expect(t.register({ machine: 2, key: 2 })).toEqual({ kind: "registered", node });
  });
});

describe("a node whose user is suspended", () => {
  const t = new TestTailnet({ policy: `{ "tagOwners": { "tag:a": ["ann@example.com"] } }` });
  const [ann, bob] = [t.user("ann"), t.user("bob")];
  const toOwner = t.authKey(ann);
  t.join({ machine: 1, key: 1, authKey: toOwner });
  t.apply([{ type: "user-put", user: { ...ann, isSuspended: true } }]);

  it.each([
    ["as it is", {}],
    ["with its used-up auth key", { authKey: toOwner }],
  ])("is told so when it registers %s", (_, more) => {
    const reason = "authKey" in more ? "auth-key-used" : "user-suspended";
    expect(t.refusal(t.decideRegister({ machine: 1, key: 1, ...more }))).toEqual({ reason });
  });

  it("may log out, and its device may join for another user", () => {
    expect(t.register({ machine: 1, key: 2, authKey: t.authKey(bob) }).kind).toBe("registered");
    expect(t.register({ machine: 1, key: 1, expiresAt: 123_000 }).kind).toBe("logged-out");
  });
});
