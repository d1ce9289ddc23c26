// Who is told what, and that nobody else costs anything (DESIGN.md 3 #8). That deltas add up to the netmap is shown by
// netmap-stream.test.ts.
import { describe, expect, it } from "vitest";
import { NetmapWatchers } from "../../test/support/netmap-watchers.ts";
import { DAY, discoKey, nodeKey, TestTailnet } from "../../test/support/tailnet-builder.ts";
import type { MapResponse } from "../protocol/control/map.ts";
import {
  approveRoutes,
  authorizeNode,
  deleteNode,
  expireNode,
  renameNode,
  tagNode,
} from "../tailnet/commands/nodes/administer-node.ts";
import { setPolicy } from "../tailnet/commands/policy/set-policy.ts";
import type { Node, NodeId } from "../tailnet/entities/node.ts";
import type { User } from "../tailnet/entities/user.ts";
import { netmapDeltas } from "./netmap-delta.ts";

const EVERYBODY = `"grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }]`;
const OWN_DEVICES = `"acls": [{ "action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self:*"] }]`;
const policy = (rules: string) => `{ "tagOwners": { "tag:a": ["ann@example.com"] }, ${rules} }`;

let t: TestTailnet;
let watchers: NetmapWatchers;
let ann: User;
let bob: User;

function start(rules: string): void {
  t = new TestTailnet({ policy: policy(rules) });
  watchers = new NetmapWatchers(t);
  ann = t.user("ann", "admin");
  bob = t.user("bob");
}

let machine = 0;
/** Makes a node with a stream open. */
function node(user: User): Node {
  machine++;
  const { id } = t.join({ machine, key: machine, authKey: t.authKey(user) });
  watchers.deliver();
  watchers.open(id);
  return t.node(id);
}

const told = (viewer: Node | NodeId): MapResponse | undefined => {
  const text = watchers.delivered.get(typeof viewer === "number" ? viewer : viewer.id);
  return text === undefined ? undefined : JSON.parse(text);
};
const whoWasTold = () => [...watchers.delivered.keys()].sort((a, b) => a - b);

describe("an endpoint change", () => {
  it("is told to all who see the node, in one encoding, and not to the node itself", () => {
    start(EVERYBODY);
    const nodes = Array.from({ length: 30 }, () => node(ann));
    const [moved, ...others] = nodes as [Node, ...Node[]];
    t.update(moved, { endpoints: ["198.51.100.9:1"] });
    watchers.deliver();
    expect(whoWasTold()).toEqual(others.map(({ id }) => id));
    expect([...new Set(watchers.delivered.values())]).toEqual([
      `{"PeersChangedPatch":[{"NodeID":${moved.id},"Endpoints":["198.51.100.9:1"]}]}`,
    ]);
  });

  it("is told to nobody who does not see the node", () => {
    start(OWN_DEVICES);
    const [a1, a2, b1] = [node(ann), node(ann), node(bob)];
    t.update(a1, { endpoints: ["198.51.100.9:1"] });
    watchers.deliver();
    expect(whoWasTold()).toEqual([a2.id]);
    t.update(b1, { endpoints: ["198.51.100.9:2"] });
    watchers.deliver();
    expect(whoWasTold()).toEqual([]);
  });

  it("costs nothing for nodes that nobody watches: no delta is made for them", () => {
    start(EVERYBODY);
    const watching = node(ann);
    for (let i = 0; i < 10; i++) t.join({ machine: 500 + i, key: 500 + i, authKey: t.authKey(ann) });
    t.update(t.tailnet.nodes.size, { endpoints: ["198.51.100.9:1"] });
    const asked: NodeId[] = [];
    const streams = {
      has: (id: NodeId) => watchers.streams.has(id),
      keys: () => {
        throw new Error("walked over all streams");
      },
    };
    for (const id of netmapDeltas(t.tailnet, t.effects, streams).keys()) asked.push(id);
    expect(asked).toEqual([watching.id]);
  });
});

describe("a node that comes", () => {
  it("is told whole, with its owner's profile, to those who see it", () => {
    start(EVERYBODY);
    const viewer = node(ann);
    const joined = t.join({ machine: 900, key: 900, authKey: t.authKey(bob) });
    watchers.deliver();
    expect(told(viewer)).toMatchObject({
      PeersChanged: [{ ID: joined.id, Key: nodeKey(900) }],
      UserProfiles: [{ ID: bob.id, LoginName: "bob@example.com" }],
    });
    expect(told(viewer)).not.toHaveProperty("Node");
  });

  it("is told to nobody before it is approved", () => {
    start(EVERYBODY);
    const viewer = node(ann);
    t.apply([{ type: "settings-put", settings: { ...t.tailnet.settings, isDeviceApprovalOn: true } }]);
    const joined = t.join({ machine: 900, key: 900, authKey: t.authKey(bob) });
    watchers.deliver();
    expect(whoWasTold()).toEqual([]);
    t.run(authorizeNode(joined, true));
    watchers.deliver();
    expect(told(viewer)?.PeersChanged?.[0]?.ID).toBe(joined.id);
  });
});

describe("a node that goes", () => {
  it("is removed at those who saw it; the last peer too (#19)", () => {
    start(EVERYBODY);
    const [viewer, gone] = [node(ann), node(ann)];
    t.run(deleteNode(gone));
    watchers.deliver();
    expect(told(viewer)).toMatchObject({ PeersRemoved: [gone.id] });
    expect(watchers.streams.get(viewer.id)?.client.peerIds).toEqual([]);
    expect(watchers.streams.has(gone.id)).toBe(false);
  });
});

describe("a node that changes", () => {
  it("in several ways at once is told whole, without patches", () => {
    start(EVERYBODY);
    const [viewer, changed] = [node(ann), node(ann)];
    t.update(changed, {
      endpoints: ["198.51.100.9:1"],
      hostinfo: { Hostname: "renamed", RoutableIPs: ["10.0.0.0/8"] },
    });
    watchers.deliver();
    expect(told(viewer)?.PeersChanged?.[0]).toMatchObject({
      Name: "renamed.tail.example.com.",
      Endpoints: ["198.51.100.9:1"],
    });
    expect(told(viewer)).not.toHaveProperty("PeersChangedPatch");
  });

  it("under an administrator's hand is shown itself", () => {
    start(EVERYBODY);
    const changed = node(ann);
    t.run(renameNode(t.tailnet, t.node(changed), "chosen", "tail.example.com"));
    watchers.deliver();
    expect(told(changed)?.Node?.Name).toBe("chosen.tail.example.com.");
    expect(told(changed)).not.toHaveProperty("Peers");
  });

  it("hands is told with the profile of its new owner", () => {
    start(EVERYBODY);
    const [viewer, changed] = [node(bob), node(ann)];
    t.run(tagNode(t.tailnet, t.node(changed), ["tag:a"], t.contextOf(ann)));
    watchers.deliver();
    expect(told(viewer)).toMatchObject({ PeersChanged: [{ User: 1, Tags: ["tag:a"] }], UserProfiles: [{ ID: 1 }] });
  });

  it("its node key is told whole to its peers, and its old stream is not shown the new key", () => {
    start(EVERYBODY);
    const [viewer, rotated] = [node(ann), node(ann)];
    const { machineKey: _m, ...rest } = rotated;
    t.now += DAY;
    t.apply([
      {
        type: "node-put",
        node: { ...rest, machineKey: rotated.machineKey, nodeKey: nodeKey(999), keyExpiresAt: t.now + DAY },
      },
    ]);
    watchers.deliver();
    expect(told(viewer)?.PeersChanged?.[0]).toMatchObject({ ID: rotated.id, Key: nodeKey(999) });
    expect(told(rotated)).toBeUndefined();
    expect(watchers.streams.has(rotated.id)).toBe(false);
  });
});

describe("an exit node", () => {
  it("is told to peers as one that clients may suggest", () => {
    start(EVERYBODY);
    const [viewer, exit] = [node(ann), node(ann)];
    const exitRoutes = ["0.0.0.0/0", "::/0"];
    t.report(exit, { RoutableIPs: exitRoutes });
    t.run(approveRoutes(t.node(exit), exitRoutes));
    watchers.deliver();
    expect(told(viewer)?.PeersChanged?.[0]).toMatchObject({
      AllowedIPs: expect.arrayContaining(exitRoutes),
      CapMap: { "suggest-exit-node": null },
    });
  });
});

describe("a key that expires", () => {
  it("is told to its node before the stream ends, and to peers as an offline node", () => {
    start(EVERYBODY);
    const [viewer, expired] = [node(ann), node(ann)];
    t.run(expireNode(t.node(expired), t.now));
    watchers.deliver();
    expect(told(expired)?.Node?.KeyExpiry).toBe("2026-01-02T03:04:05Z");
    expect(told(expired)).not.toHaveProperty("PeersChanged");
    expect(told(viewer)?.PeersChangedPatch).toEqual([
      { NodeID: expired.id, Online: false, LastSeen: "2026-01-02T03:04:05Z", KeyExpiry: "2026-01-02T03:04:05Z" },
    ]);
    expect(watchers.streams.has(expired.id)).toBe(false);
  });

  it("by time ends the stream and takes the node offline", () => {
    start(EVERYBODY);
    const expired = node(ann);
    t.pass(180 * DAY);
    watchers.deliver();
    expect(t.node(expired).isOnline).toBe(false);
    expect(watchers.streams.size).toBe(0);
  });

  it("leaves a node that polls on without news of peers and rules", () => {
    start(EVERYBODY);
    const [viewer, expired] = [node(ann), node(ann)];
    t.run(expireNode(t.node(expired), t.now));
    watchers.deliver();
    watchers.open(expired);
    t.update(viewer, { endpoints: ["198.51.100.9:1"], discoKey: discoKey(7) });
    watchers.deliver();
    t.run(setPolicy(t.tailnet, policy(OWN_DEVICES), "ann", t.now));
    watchers.deliver();
    expect(told(expired)).toBeUndefined();
  });
});

describe("a user that changes", () => {
  it("is told to the user's nodes and to those who see one, and to nobody else", () => {
    start(OWN_DEVICES);
    const [a1, a2] = [node(ann), node(ann)];
    node(bob);
    t.apply([{ type: "user-put", user: { ...ann, displayName: "Ann" } }]);
    watchers.deliver();
    expect(whoWasTold()).toEqual([a1.id, a2.id]);
    expect(told(a1)?.UserProfiles).toEqual([{ ID: ann.id, LoginName: "ann@example.com", DisplayName: "Ann" }]);
  });

  it("is told to nobody while the user has no node", () => {
    start(EVERYBODY);
    node(ann);
    t.user("eve");
    watchers.deliver();
    expect(whoWasTold()).toEqual([]);
  });

  it("brings the capabilities of its role to its own nodes", () => {
    start(EVERYBODY);
    const bobs = node(bob);
    t.apply([{ type: "user-put", user: { ...bob, role: "admin" } }]);
    watchers.deliver();
    expect(told(bobs)?.Node?.CapMap).toHaveProperty(["https://tailscale.com/cap/is-admin"], null);
  });
});

describe("settings", () => {
  it("that change DNS are told to every stream, in one encoding", () => {
    start(OWN_DEVICES);
    const nodes = [node(ann), node(bob)];
    t.apply([
      {
        type: "settings-put",
        settings: { ...t.tailnet.settings, nameservers: [{ address: "192.0.2.53", useWithExitNode: false }] },
      },
    ]);
    watchers.deliver();
    expect(whoWasTold()).toEqual(nodes.map(({ id }) => id));
    expect(new Set(watchers.delivered.values()).size).toBe(1);
    expect(told(nodes[0] as Node)?.DNSConfig?.Resolvers).toEqual([{ Addr: "192.0.2.53" }]);
  });

  it("that do not change DNS are told to nobody", () => {
    start(EVERYBODY);
    node(ann);
    t.apply([{ type: "settings-put", settings: { ...t.tailnet.settings, keyDurationMs: DAY } }]);
    watchers.deliver();
    expect(whoWasTold()).toEqual([]);
  });
});

describe("a policy", () => {
  it("that denies all sends an empty filter and removes peers; one that allows brings both back (#20)", () => {
    start(EVERYBODY);
    const [a, b] = [node(ann), node(bob)];
    t.run(setPolicy(t.tailnet, policy('"grants": []'), "ann", t.now));
    watchers.deliver();
    expect(told(a)).toEqual({ PeersRemoved: [b.id], PacketFilters: { base: [] } });
    t.run(setPolicy(t.tailnet, policy(EVERYBODY), "ann", t.now));
    watchers.deliver();
    expect(told(a)).toMatchObject({ PeersChanged: [{ ID: b.id }], PacketFilters: { base: [{}] } });
  });

  it("that changes who may use SSH where is told to those who are logged in to, as a whole", () => {
    start(EVERYBODY);
    const [a, a2, b] = [node(ann), node(ann), node(bob)];
    const ssh = (user: string) =>
      `"ssh": [{ "action": "accept", "src": ["${user}"], "dst": ["${user}"], "users": ["root"] }]`;
    t.run(setPolicy(t.tailnet, policy(`${EVERYBODY}, ${ssh("ann@example.com")}`), "ann", t.now));
    watchers.deliver();
    expect(whoWasTold()).toEqual([a.id, a2.id]);
    expect(told(a)).toMatchObject({ SSHPolicy: { rules: [{ sshUsers: { root: "root" } }] } });
    t.run(setPolicy(t.tailnet, policy(`${EVERYBODY}, ${ssh("bob@example.com")}`), "ann", t.now));
    watchers.deliver();
    expect(told(a)?.SSHPolicy).toEqual({ rules: [] });
    expect(told(b)?.SSHPolicy?.rules).toHaveLength(1);
  });

  it("that gives a device attributes is told to that device alone", () => {
    start(EVERYBODY);
    const [a, b] = [node(ann), node(bob)];
    const attributes = `"nodeAttrs": [{ "target": ["bob@example.com"], "attr": ["funnel"] }]`;
    t.run(setPolicy(t.tailnet, policy(`${EVERYBODY}, ${attributes}`), "ann", t.now));
    watchers.deliver();
    expect(whoWasTold()).toEqual([b.id]);
    expect(told(b)?.Node?.CapMap).toMatchObject({ funnel: null });
    expect(told(a)).toBeUndefined();
  });

  it("that says the same in other words is told to nobody", () => {
    start(EVERYBODY);
    node(ann);
    t.run(setPolicy(t.tailnet, `// a comment\n${policy(EVERYBODY)}`, "ann", t.now));
    watchers.deliver();
    expect(whoWasTold()).toEqual([]);
  });
});

describe("the relays of a policy", () => {
  const REGION = '{ "regionID": 905, "nodes": [{ "name": "x", "regionID": 905, "hostName": "derp5.example.com" }] }';
  const withRelays = policy(`"grants": [], "derpMap": { "regions": { "905": ${REGION}, "901": null } }`);

  const regionsTold = (viewer: Node) => Object.keys(told(viewer)?.DERPMap?.Regions ?? {});

  it("reach every open stream as a whole map, once, and leave it again", () => {
    start('"grants": []');
    const [a, b] = [node(ann), node(bob)];
    t.run(setPolicy(t.tailnet, withRelays, "ann", t.now));
    watchers.deliver();
    expect(whoWasTold()).toEqual([a.id, b.id]);
    expect(regionsTold(a)).toEqual(["905"]);
    expect(told(b)).toEqual(told(a));

    t.run(setPolicy(t.tailnet, `${withRelays} // the same`, "ann", t.now));
    watchers.deliver();
    expect(whoWasTold()).toEqual([]);

    t.run(setPolicy(t.tailnet, policy('"grants": []'), "ann", t.now));
    watchers.deliver();
    expect(regionsTold(b)).toEqual(["901"]);
  });
});

describe("a command that changes nothing", () => {
  it("tells nobody anything", () => {
    start(EVERYBODY);
    const [a] = [node(ann), node(bob)];
    t.update(a, {});
    watchers.deliver();
    expect(whoWasTold()).toEqual([]);
  });
});
