import { beforeEach, describe, expect, it } from "vitest";
import { discoKey, machineKey, nodeKey, TestTailnet } from "../../test/support/tailnet-builder.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { diffPeer, needsNewSelf } from "./peer-change.ts";

const AT = Date.UTC(2026, 0, 2, 3, 4, 5);

let node: Node;

beforeEach(() => {
  const t = new TestTailnet();
  node = {
    ...t.join({ machine: 1, key: 1, authKey: t.authKey(t.user("ann")) }),
    isOnline: true,
    discoKey: discoKey(1),
    homeDerp: 1,
  };
});

describe("diffPeer", () => {
  it.each<[string, Partial<Node>, object]>([
    ["endpoints", { endpoints: ["198.51.100.9:1"] }, { Endpoints: ["198.51.100.9:1"] }],
    ["a home region", { homeDerp: 901 }, { DERPRegion: 901 }],
    ["a disco key, with Online so that it counts", { discoKey: discoKey(2) }, { DiscoKey: discoKey(2), Online: true }],
    ["an earlier expiry", { keyExpiresAt: AT }, { KeyExpiry: "2026-01-02T03:04:05Z" }],
    ["a version", { capabilityVersion: 146 }, { Cap: 146 }],
    [
      "going offline, with the time",
      { isOnline: false, lastSeenAt: AT },
      { Online: false, LastSeen: "2026-01-02T03:04:05Z" },
    ],
  ])("makes a patch of %s", (_what, changed, patch) => {
    expect(diffPeer(node, { ...node, ...changed })).toEqual({ NodeID: node.id, ...patch });
  });

  it("makes a patch of coming online, without a time", () => {
    const away: Node = { ...node, isOnline: false, lastSeenAt: AT };
    expect(diffPeer(away, { ...away, isOnline: true, lastSeenAt: null })).toEqual({ NodeID: node.id, Online: true });
  });

  it("makes a patch of being seen again while offline, and of a disco key without Online", () => {
    const away: Node = { ...node, isOnline: false, lastSeenAt: AT };
    const after = { ...away, lastSeenAt: AT + 1_000, discoKey: discoKey(2) };
    expect(diffPeer(away, after)).toEqual({ NodeID: node.id, LastSeen: "2026-01-02T03:04:06Z", DiscoKey: discoKey(2) });
  });

  it("clears endpoints with an empty list", () => {
    const before = { ...node, endpoints: ["198.51.100.9:1"] };
    expect(diffPeer(before, { ...before, endpoints: [] })).toEqual({ NodeID: node.id, Endpoints: [] });
  });

  it("puts several cheap fields into one patch", () => {
    expect(diffPeer(node, { ...node, homeDerp: 2, endpoints: ["198.51.100.9:1"] })).toEqual({
      NodeID: node.id,
      DERPRegion: 2,
      Endpoints: ["198.51.100.9:1"],
    });
  });

  it.each<[string, Partial<Node>]>([
    ["the node key", { nodeKey: nodeKey(2) }],
    ["the machine key", { machineKey: machineKey(2) }],
    ["the name", { name: "other" }],
    ["the owner", { userId: null, tags: ["tag:a"] }],
    ["the addresses", { ipv4: "100.64.9.9" }],
    ["an expiry that goes", { keyExpiresAt: null }],
    ["an expiry that is disabled", { isKeyExpiryDisabled: true }],
    ["a disco key that goes", { discoKey: null }],
    ["a home region that goes", { homeDerp: 0 }],
    ["a service that peers use", { hostinfo: { Services: [{ Proto: "peerapi4", Port: 1 }] } }],
    ["approval", { isAuthorized: false }],
  ])("sends the whole node for %s, which no patch can carry", (_what, changed) => {
    expect(diffPeer(node, { ...node, ...changed })).toBe("whole");
  });

  it.each<[string, Partial<Node>]>([
    ["nothing", {}],
    ["an equal list", { endpoints: [] }],
    [
      "Hostinfo that peers do not get",
      { hostinfo: { OS: "linux", Hostname: "host-1", NetInfo: { PreferredDERP: 1 } } },
    ],
    ["a stream that was lost so recently that the node counts as online", { disconnectedAt: AT }],
    ["approved routes, which the policy engine reports", { approvedRoutes: ["10.0.0.0/8"] }],
    ["the auth key", { authKeyId: "k" }],
    ["the tailnet-lock key", { tailnetLockKey: null }],
    ["whether the name is fixed", { isNameFixed: true }],
  ])("tells nobody of %s", (_what, changed) => {
    expect(diffPeer(node, { ...node, ...changed })).toBe("none");
  });
});

describe("needsNewSelf", () => {
  it.each<[string, Partial<Node>]>([
    ["its name", { name: "other" }],
    ["its owner", { userId: null, tags: ["tag:a"] }],
    ["its tags", { tags: ["tag:a"] }],
    ["its addresses", { ipv4: "100.64.9.9" }],
    ["its approval", { isAuthorized: false }],
    ["its expiry", { keyExpiresAt: AT }],
    ["whether it expires", { isKeyExpiryDisabled: true }],
  ])("shows a node %s", (_what, changed) => {
    expect(needsNewSelf(node, { ...node, ...changed })).toBe(true);
  });

  it.each<[string, Partial<Node>]>([
    ["endpoints", { endpoints: ["198.51.100.9:1"] }],
    ["its home region", { homeDerp: 9 }],
    ["its disco key", { discoKey: discoKey(2) }],
    ["its Hostinfo", { hostinfo: {} }],
    ["that it is online", { isOnline: false }],
    ["a key that it made itself", { nodeKey: nodeKey(2) }],
  ])("does not show a node %s, which it knows", (_what, changed) => {
    expect(needsNewSelf(node, { ...node, ...changed })).toBe(false);
  });
});
