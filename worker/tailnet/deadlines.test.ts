// Presence (control-protocol.md 5.15), ephemeral nodes (4.11), key expiry and pages that run out: all that time does.
import { beforeEach, describe, expect, it } from "vitest";
import { DAY, MINUTE, SECOND, TestTailnet } from "../../test/support/tailnet-builder.ts";
import { authorizeNode, setKeyExpiryDisabled } from "./commands/nodes/administer-node.ts";
import { OFFLINE_GRACE_MS } from "./commands/nodes/presence.ts";
import { deadlineOfChanges, EPHEMERAL_GRACE_MS, nextDeadline } from "./deadlines.ts";
import type { Node } from "./entities/node.ts";
import { PENDING_LIFETIME_MS } from "./entities/pending-registration.ts";
import type { User } from "./entities/user.ts";

let t: TestTailnet;
let ann: User;
let node: Node;

beforeEach(() => {
  t = new TestTailnet();
  ann = t.user("ann");
  node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
});

/** Lets time pass to just before and then to the next deadline. */
function passToDeadline(): void {
  const at = nextDeadline(t.tailnet);
  if (at === undefined) throw new Error("nothing is due ever");
  t.pass(at - t.now - 1);
  expect(t.changes).toEqual([]);
  t.pass(1);
}

describe("a node", () => {
  it("is offline and never seen until it opens a stream", () => {
    expect(node).toMatchObject({ isOnline: false, disconnectedAt: null, lastSeenAt: null });
    expect(nextDeadline(t.tailnet)).toBeUndefined();
  });

  it("is online from then on; another stream changes nothing", () => {
    expect(t.connect(node)).toMatchObject({ isOnline: true, disconnectedAt: null, lastSeenAt: null });
    t.connect(node);
    expect(t.changes).toEqual([]);
  });

  it("stays online for a grace after its last stream, and is then offline since the stream ended", () => {
    t.connect(node);
    const endedAt = t.now;
    t.disconnect(node);
    expect(t.node(node)).toMatchObject({ isOnline: true, disconnectedAt: endedAt });
    expect(nextDeadline(t.tailnet)).toBe(endedAt + OFFLINE_GRACE_MS);
    passToDeadline();
    expect(t.node(node)).toMatchObject({ isOnline: false, disconnectedAt: null, lastSeenAt: endedAt });
    expect(nextDeadline(t.tailnet)).toBeUndefined();
  });

  it("that comes back within the grace has not been away", () => {
    const online = t.connect(node);
    t.disconnect(node);
    t.pass(OFFLINE_GRACE_MS - 1);
    expect(t.connect(node)).toEqual(online);
    t.pass(DAY);
    expect(t.node(node).isOnline).toBe(true);
  });

  it("keeps its first grace when its stream is reported ended twice", () => {
    t.connect(node);
    t.disconnect(node);
    t.now += SECOND;
    t.disconnect(node);
    expect(t.changes).toEqual([]);
  });

  it("starts its grace when it rotates its key: the stream of the old key ends", () => {
    t.connect(node);
    const rotated = t.join({ machine: 1, key: 2, replaces: 1, authKey: t.authKey(ann) });
    expect(rotated).toMatchObject({ isOnline: true, disconnectedAt: t.now });
    expect(t.connect(node)).toMatchObject({ isOnline: true, disconnectedAt: null });
  });

  it("that is unknown cannot connect or disconnect", () => {
    t.apply([{ type: "node-removed", id: node.id }]);
    expect(() => t.connect(node)).toThrow("node is gone");
  });
});

describe("a key that expires", () => {
  it("takes its node offline at that moment, though the stream is open", () => {
    t.connect(node);
    expect(nextDeadline(t.tailnet)).toBe(node.keyExpiresAt);
    passToDeadline();
    expect(t.node(node)).toMatchObject({ isOnline: false, lastSeenAt: t.now });
    expect(nextDeadline(t.tailnet)).toBeUndefined();
  });

  it("keeps its node offline while it polls on, and lets it back after a login", () => {
    t.pass(180 * DAY);
    t.connect(node);
    expect(t.changes).toEqual([]);
    t.join({ machine: 1, key: 2, replaces: 1, authKey: t.authKey(ann) });
    expect(t.connect(node).isOnline).toBe(true);
  });

  it("takes its node offline when that polls before the alarm has come", () => {
    t.connect(node);
    t.now += 180 * DAY;
    expect(t.connect(node)).toMatchObject({ isOnline: false, lastSeenAt: t.now });
  });

  it("does nothing when its expiry is disabled", () => {
    t.connect(node);
    t.run(setKeyExpiryDisabled(t.node(node), true));
    expect(nextDeadline(t.tailnet)).toBeUndefined();
  });

  it("falls due at once when an administrator enables an expiry that has passed", () => {
    t.run(setKeyExpiryDisabled(node, true));
    t.now += 181 * DAY;
    t.connect(node);
    t.run(setKeyExpiryDisabled(t.node(node), false));
    expect(t.node(node).isOnline).toBe(true);
    expect(nextDeadline(t.tailnet)).toBeLessThanOrEqual(t.now);
    t.pass(0);
    expect(t.node(node).isOnline).toBe(false);
  });
});

describe("an ephemeral node", () => {
  beforeEach(() => {
    node = t.join({ machine: 2, key: 2, authKey: t.authKey(ann, { isEphemeral: true, tags: [] }) });
  });

  it("is removed when it never comes", () => {
    expect(nextDeadline(t.tailnet)).toBe(t.now + EPHEMERAL_GRACE_MS);
    passToDeadline();
    expect(t.tailnet.nodes.has(node.id)).toBe(false);
  });

  it("is removed when it has been offline for long enough, counted from the end of its stream", () => {
    t.connect(node);
    t.pass(DAY);
    const endedAt = t.now;
    t.disconnect(node);
    passToDeadline();
    expect(nextDeadline(t.tailnet)).toBe(endedAt + EPHEMERAL_GRACE_MS);
    passToDeadline();
    expect(t.tailnet.nodes.has(node.id)).toBe(false);
  });

  it("is kept when it comes back in time", () => {
    t.connect(node);
    t.disconnect(node);
    t.pass(EPHEMERAL_GRACE_MS - SECOND);
    t.connect(node);
    t.pass(DAY);
    expect(t.node(node).isOnline).toBe(true);
  });

  it("is removed in the end although the alarm comes late", () => {
    t.connect(node);
    t.disconnect(node);
    t.pass(DAY);
    t.pass(0);
    expect(t.tailnet.nodes.has(node.id)).toBe(false);
  });

  it("gives back its name and address", () => {
    passToDeadline();
    const { nodeByName, nodeByIpv4, nodeByKey, nodesByMachine } = t.tailnet;
    expect(nodeByName.has(node.name) || nodeByIpv4.has(node.ipv4)).toBe(false);
    expect(nodeByKey.has(node.nodeKey) || nodesByMachine.has(node.machineKey)).toBe(false);
  });

  it("is removed when its key has expired, as it then counts as offline", () => {
    t.connect(node);
    t.pass(180 * DAY);
    t.pass(EPHEMERAL_GRACE_MS);
    expect(t.tailnet.nodes.has(node.id)).toBe(false);
  });
});

describe("a page", () => {
  it("is removed when it has run out", () => {
    const result = t.register({ machine: 3, key: 3 });
    if (result.kind !== "login") throw new Error("expected a login page");
    expect(nextDeadline(t.tailnet)).toBe(t.now + PENDING_LIFETIME_MS);
    passToDeadline();
    expect(t.tailnet.pendings.size).toBe(0);
    expect(t.effects.decidedLogins).toEqual(new Set([result.pendingId]));
  });
});

describe("nextDeadline", () => {
  it("is the earliest of all", () => {
    t.register({ machine: 3, key: 3 });
    t.join({ machine: 2, key: 2, authKey: t.authKey(ann, { isEphemeral: true }) });
    t.now += MINUTE;
    t.connect(node);
    t.disconnect(node);
    expect(nextDeadline(t.tailnet)).toBe(t.now + OFFLINE_GRACE_MS);
    t.pass(OFFLINE_GRACE_MS);
    expect(nextDeadline(t.tailnet)).toBe(t.now - MINUTE - OFFLINE_GRACE_MS + EPHEMERAL_GRACE_MS);
  });

  it("does not count nodes that wait for approval differently", () => {
    t.run(authorizeNode(node, false));
    t.connect(node);
    t.disconnect(node);
    passToDeadline();
    expect(t.node(node).isOnline).toBe(false);
  });
});

describe("deadlineOfChanges", () => {
  it("is the earliest that they bring, so that the object wakes in time without looking at all of the tailnet", () => {
    t.register({ machine: 3, key: 3 });
    expect(deadlineOfChanges(t.changes)).toBe(t.now + PENDING_LIFETIME_MS);
    t.connect(node);
    expect(deadlineOfChanges(t.changes)).toBe(t.node(node).keyExpiresAt);
    t.disconnect(node);
    expect(deadlineOfChanges(t.changes)).toBe(t.now + OFFLINE_GRACE_MS);
    t.apply([{ type: "settings-put", settings: t.tailnet.settings }]);
    expect(deadlineOfChanges(t.changes)).toBe(Number.POSITIVE_INFINITY);
  });
});
