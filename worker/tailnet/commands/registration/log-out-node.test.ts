// Logout (control-protocol.md 4.7). That it comes before an auth key is in register-node.test.ts.
import { beforeEach, describe, expect, it } from "vitest";
import { DAY, TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import type { Node } from "../../entities/node.ts";
import type { User } from "../../entities/user.ts";
import { expireNode, setKeyExpiryDisabled } from "../nodes/administer-node.ts";
import { logOutNode } from "./log-out-node.ts";

let t: TestTailnet;
let ann: User;
let node: Node;

beforeEach(() => {
  t = new TestTailnet();
  ann = t.user("ann");
  node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
});

describe("a logout", () => {
  it("expires the key now and shows the node offline at once", () => {
    t.connect(node);
    t.run(logOutNode(t.node(node), t.now));
    expect(t.node(node)).toEqual({ ...node, keyExpiresAt: t.now, isOnline: false, lastSeenAt: t.now });
  });

  it("ends a key that never expires, or whose expiry was disabled", () => {
    t.run(setKeyExpiryDisabled(node, true));
    t.run(logOutNode(t.node(node), t.now));
    expect(t.node(node)).toMatchObject({ keyExpiresAt: t.now, isKeyExpiryDisabled: false });
    const server = t.join({ machine: 2, key: 2, authKey: t.authKey(t.user("joe", "owner")) });
    t.apply([{ type: "node-put", node: { ...server, keyExpiresAt: null } }]);
    t.run(logOutNode(t.node(server), t.now));
    expect(t.node(server).keyExpiresAt).toBe(t.now);
  });

  it("leaves an expiry that has passed, and when the node was last seen", () => {
    t.connect(node);
    t.run(expireNode(t.node(node), t.now));
    const expired = t.node(node);
    t.now += DAY;
    t.run(logOutNode(expired, t.now));
    expect(t.node(node)).toEqual(expired);
  });

  it("keeps tags, name and addresses for the next login", () => {
    t.run(logOutNode(node, t.now));
    const again = t.join({ machine: 1, key: 2, replaces: 1, authKey: t.authKey(ann) });
    expect(again).toMatchObject({ id: node.id, name: node.name, ipv4: node.ipv4, keyExpiresAt: t.now + 180 * DAY });
  });

  it("removes an ephemeral node at once", () => {
    const pod = t.join({ machine: 2, key: 2, authKey: t.authKey(ann, { isEphemeral: true }) });
    t.run(logOutNode(pod, t.now));
    expect(t.tailnet.nodes.has(pod.id)).toBe(false);
    expect(t.tailnet.nodeByIpv4.has(pod.ipv4)).toBe(false);
  });

  it("of an unknown node is answered the same and changes nothing", () => {
    expect(logOutNode(undefined, t.now)).toEqual({ ok: true, changes: [], result: { kind: "logged-out" } });
  });
});
