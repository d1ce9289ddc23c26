// Netmaps on the wire: a whole small one, and the traps of control-protocol.md 10 that lie in it, by number.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { NetmapClient } from "../../test/support/netmap-client.ts";
import { DEPLOYMENT } from "../../test/support/netmap-watchers.ts";
import { DAY, discoKey, MINUTE, machineKey, nodeKey, TestTailnet } from "../../test/support/tailnet-builder.ts";
import { parseHostinfo } from "../protocol/control/hostinfo.ts";
import type { MapResponse } from "../protocol/control/map.ts";
import { approveRoutes, authorizeNode, expireNode } from "../tailnet/commands/nodes/administer-node.ts";
import { setPolicy } from "../tailnet/commands/policy/set-policy.ts";
import type { Node } from "../tailnet/entities/node.ts";
import type { User } from "../tailnet/entities/user.ts";
import { NetmapEncoder } from "./netmap-encoder.ts";

const POLICY = `{
  "tagOwners": { "tag:srv": ["ann@example.com"] },
  "grants": [{ "src": ["autogroup:member"], "dst": ["tag:srv", "10.0.0.0/8"], "ip": ["tcp:22"] }],
}`;

let t: TestTailnet;
let ann: User;
let laptop: Node;
let server: Node;
let encoder: NetmapEncoder;

beforeEach(() => {
  t = new TestTailnet({ policy: POLICY });
  ann = t.user("ann");
  laptop = t.join({ machine: 1, key: 1, authKey: t.authKey(ann), hostinfo: { OS: "macOS", Hostname: "Laptop.local" } });
  const hostinfo = parseHostinfo({ OS: "linux", Hostname: "server", Services: [{ Proto: "peerapi4", Port: 38211 }] });
  server = t.join({ machine: 2, key: 2, version: 130, authKey: t.authKey(ann, { tags: ["tag:srv"] }), hostinfo });
  encoder = new NetmapEncoder(DEPLOYMENT);
});

const text = (node: Node) => encoder.full(t.tailnet, t.node(node), t.now);
const full = (node: Node): MapResponse => JSON.parse(text(node));
const peer = (viewer: Node, id: Node) => full(viewer).Peers?.find(({ ID }) => ID === id.id);

describe("the first message of a stream", () => {
  it("is complete", () => {
    t.update(server, { discoKey: discoKey(2), endpoints: ["198.51.100.9:41641"] });
    t.report(server, { NetInfo: { PreferredDERP: 901 } });
    t.connect(server);
    expect(full(laptop)).toEqual({
      Node: {
        ID: 1,
        StableID: laptop.stableId,
        Name: "laptop.tail.example.com.",
        User: ann.id,
        Key: nodeKey(1),
        KeyExpiry: "2026-07-01T03:04:05Z",
        Machine: machineKey(1),
        Addresses: ["100.64.0.1/32", "fd7a:115c:a1e0::1/128"],
        Hostinfo: { OS: "macOS", Hostname: "Laptop.local" },
        Created: "2026-01-02T03:04:05Z",
        Cap: 145,
        Online: true,
        MachineAuthorized: true,
        CapMap: expect.objectContaining({ "https://tailscale.com/cap/ssh": null, "default-auto-update": [false] }),
      },
      Peers: [
        {
          ID: 2,
          StableID: server.stableId,
          Name: "server.tail.example.com.",
          User: 1,
          Key: nodeKey(2),
          Machine: machineKey(2),
          DiscoKey: discoKey(2),
          Addresses: ["100.64.0.2/32", "fd7a:115c:a1e0::2/128"],
          Endpoints: ["198.51.100.9:41641"],
          HomeDERP: 901,
          Hostinfo: { OS: "linux", Hostname: "server", Services: [{ Proto: "peerapi4", Port: 38211 }] },
          Created: "2026-01-02T03:04:05Z",
          Cap: 130,
          Tags: ["tag:srv"],
          Online: true,
          MachineAuthorized: true,
        },
      ],
      UserProfiles: [
        { ID: 1, LoginName: "tagged-devices", DisplayName: "Tagged devices" },
        { ID: ann.id, LoginName: "ann@example.com", DisplayName: "ann" },
      ],
      DERPMap: { HomeParams: { RegionScore: {} }, ...DEPLOYMENT.derpMap },
      DNSConfig: { Routes: { "tail.example.com": null }, Domains: ["tail.example.com"], Proxied: true },
      PacketFilters: { base: [] },
      SSHPolicy: { rules: [] },
      Domain: "example.com",
      CollectServices: false,
      Debug: { DisableLogTail: true },
      ControlTime: "2026-01-02T03:04:05Z",
    });
  });

  it("lists peers by id, whatever changed last", () => {
    t.run(setPolicy(t.tailnet, '{ "grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }] }', "ann", t.now));
    for (let n = 3; n < 8; n++) t.join({ machine: n, key: n, authKey: t.authKey(ann) });
    t.report(server, { OSVersion: "1" });
    expect(full(laptop).Peers?.map(({ ID }) => ID)).toEqual([2, 3, 4, 5, 6, 7]);
  });

  it("has the viewer's own parts side by side when its run of peers is the first or the last", () => {
    t.run(setPolicy(t.tailnet, '{ "grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }] }', "ann", t.now));
    for (let n = 3; n <= 130; n++) t.join({ machine: n, key: n, authKey: t.authKey(ann) });
    const own = (id: number) =>
      encoder
        .segments(t.tailnet, t.node(id), t.now)
        .map(({ isShared }) => (isShared ? "-" : "O"))
        .join("");
    expect(own(1)).toBe("-OO---");
    expect(own(100)).toBe("-O-O--");
    expect(own(130)).toBe("---OO");
    for (const id of [1, 100, 130]) {
      const ids = full(t.node(id)).Peers?.map(({ ID }) => ID);
      expect(ids).toEqual(Array.from({ length: 130 }, (_, i) => i + 1).filter((other) => other !== id));
    }
  });

  it("shows no IPv4 address of anybody under disableIPv4, routes aside", () => {
    t.run(setPolicy(t.tailnet, POLICY.replace("{", '{ "disableIPv4": true,'), "ann", t.now));
    t.report(server, { RoutableIPs: ["10.1.0.0/16"] });
    t.run(approveRoutes(t.node(server), ["10.1.0.0/16"]));
    const { Node: self, Peers, PacketFilters } = full(server);
    expect(self).toMatchObject({
      Addresses: [`${server.ipv6}/128`],
      AllowedIPs: [`${server.ipv6}/128`, "10.1.0.0/16"],
    });
    expect(Peers).toMatchObject([{ Addresses: [`${laptop.ipv6}/128`] }]);
    expect(Peers?.[0]).not.toHaveProperty("AllowedIPs");
    expect(PacketFilters?.base?.map(({ SrcIPs }) => SrcIPs)).toEqual([[laptop.ipv6]]);
    expect(peer(laptop, server)).toMatchObject({
      Addresses: [`${server.ipv6}/128`],
      AllowedIPs: [`${server.ipv6}/128`, "10.1.0.0/16"],
    });
  });

  it("leaves peers out when the client asks for none, and nothing else", () => {
    const { Peers, ...rest } = JSON.parse(encoder.full(t.tailnet, laptop, t.now, true));
    const { Peers: all, UserProfiles, ...others } = full(laptop);
    expect(Peers).toBeUndefined();
    expect(all).toHaveLength(1);
    expect(rest).toEqual({ ...others, UserProfiles: UserProfiles?.slice(1) });
  });
});

describe("a node that may not be served", () => {
  it("is shown itself with an expiry in the past, no peers and no rules", () => {
    t.run(expireNode(server, t.now));
    t.now += MINUTE;
    const message = full(server);
    expect(message).toMatchObject({ PacketFilters: { base: [] }, SSHPolicy: { rules: [] } });
    expect(Date.parse(message.Node?.KeyExpiry ?? "")).toBeLessThan(t.now);
    expect(message.Peers).toBeUndefined();
    expect(message.UserProfiles?.map(({ ID }) => ID)).toEqual([1]);
  });

  it("is told that it waits for approval, with its addresses", () => {
    t.run(authorizeNode(laptop, false));
    const message = full(laptop);
    expect(message.Node).toMatchObject({
      MachineAuthorized: false,
      Addresses: ["100.64.0.1/32", "fd7a:115c:a1e0::1/128"],
    });
    expect(message.Peers).toBeUndefined();
    expect(peer(server, laptop)).toBeUndefined();
  });

  it("gets a farewell when it was deleted: itself, with an expiry in the past (#37)", () => {
    t.apply([{ type: "node-removed", id: server.id }]);
    const message: MapResponse = JSON.parse(encoder.farewell(t.tailnet, server, t.now));
    expect(Object.keys(message)).toEqual(["Node"]);
    expect(message.Node).toMatchObject({ ID: server.id, Key: server.nodeKey, KeyExpiry: "2026-01-02T03:04:04Z" });
    expect(message.Node?.Addresses).toHaveLength(2);
  });

  it("keeps an expiry that is further in the past in its farewell, and loses a disabled one", () => {
    const old = { ...laptop, keyExpiresAt: t.now - DAY, isKeyExpiryDisabled: true };
    expect(JSON.parse(encoder.farewell(t.tailnet, old, t.now)).Node.KeyExpiry).toBe("2026-01-01T03:04:04Z");
  });
});

describe("traps", () => {
  it("#19: no empty list of peers", () => {
    t.apply([{ type: "node-removed", id: server.id }]);
    expect(full(laptop)).not.toHaveProperty("Peers");
  });

  it("#20: a node that nobody may reach has an empty filter, not none", () => {
    expect(full(laptop).PacketFilters).toEqual({ base: [] });
    expect(full(server).PacketFilters?.base).toHaveLength(1);
  });

  it("#21: prefixes are masked, and neither Bits nor SrcBits is ever sent", () => {
    t.report(server, parseHostinfo({ RoutableIPs: ["10.1.2.3/16"] }));
    t.run(approveRoutes(t.node(server), ["10.1.0.0/16"]));
    expect(peer(laptop, server)).toMatchObject({
      AllowedIPs: ["100.64.0.2/32", "fd7a:115c:a1e0::2/128", "10.1.0.0/16"],
      PrimaryRoutes: ["10.1.0.0/16"],
    });
    expect(full(server).Node?.AllowedIPs).toContain("10.1.0.0/16");
    for (const message of [text(laptop), text(server)]) expect(message).not.toMatch(/Bits/);
  });

  it("#23: no zero disco key; one that is not known is left out", () => {
    expect(peer(laptop, server)).not.toHaveProperty("DiscoKey");
    expect(text(laptop)).not.toContain("0".repeat(64));
  });

  it("#24: no home region of 0", () => {
    expect(text(laptop)).not.toContain("HomeDERP");
  });

  it("#28: Cap is the node's own version", () => {
    expect(peer(laptop, server)?.Cap).toBe(130);
    expect(peer(server, laptop)?.Cap).toBe(145);
  });

  it("#29: peers get the services that locate the PeerAPI", () => {
    expect(peer(laptop, server)?.Hostinfo.Services).toEqual([{ Proto: "peerapi4", Port: 38211 }]);
  });

  it("#30: names are full, in lower case and end with a dot", () => {
    expect(full(laptop).Node?.Name).toBe("laptop.tail.example.com.");
    expect(peer(server, laptop)?.Name).toBe("laptop.tail.example.com.");
  });

  it("#31: every owner that is named has a profile with a login name", () => {
    for (const viewer of [laptop, server]) {
      const message = full(viewer);
      const profiles = new Map(message.UserProfiles?.map((profile) => [profile.ID, profile]));
      for (const node of [...(message.Peers ?? []), message.Node])
        expect(profiles.get(node?.User ?? 0)?.LoginName).toBeTruthy();
    }
  });

  it("a key that never expires has no KeyExpiry", () => {
    expect(peer(laptop, server)).not.toHaveProperty("KeyExpiry");
    expect(peer(server, laptop)).toHaveProperty("KeyExpiry", "2026-07-01T03:04:05Z");
  });

  it("LastSeen is left out while a peer is online, and when it was never seen", () => {
    expect(peer(laptop, server)).not.toHaveProperty("LastSeen");
    t.connect(server);
    expect(peer(laptop, server)).toMatchObject({ Online: true });
    expect(peer(laptop, server)).not.toHaveProperty("LastSeen");
    t.disconnect(server);
    t.pass(MINUTE);
    expect(peer(laptop, server)).toMatchObject({ Online: false, LastSeen: "2026-01-02T03:04:05Z" });
  });

  it("regions are keyed by strings", () => {
    expect(text(laptop)).toContain('"Regions":{"901":{"RegionID":901,');
  });

  it("omitDefaultRegions begins with a small letter", () => {
    expect(text(laptop)).toContain('"omitDefaultRegions":true');
  });

  it("there is no NUL, whatever a node sends", () => {
    const dirty = {
      Hostname: "a\u0000b",
      OS: "l\u0000",
      Services: [{ Proto: "peerapi4\u0000", Port: 1 }],
      "X\u0000": "\u0000",
    };
    t.update(server, { hostinfo: parseHostinfo(dirty) });
    for (const message of [text(laptop), text(server)]) expect(message).not.toContain("\\u0000");
  });
});

describe("encoding", () => {
  it("writes a peer once for all who see it, and again when it changed", () => {
    const viewers = Array.from({ length: 20 }, (_, i) =>
      t.join({ machine: 10 + i, key: 10 + i, authKey: t.authKey(ann) }),
    );
    expect(encodingsOf(server, () => viewers.map(text))).toBe(1);
    expect(encodingsOf(server, () => viewers.map(text))).toBe(0);
    t.connect(server);
    expect(encodingsOf(server, () => viewers.map(text))).toBe(1);
  });

  it("writes it again for those to whom the policy shows other routes", () => {
    const bob = t.user("bob");
    const grants = `[{ "src": ["*"], "dst": ["tag:srv"], "ip": ["*"] }, { "src": ["bob@example.com"], "dst": ["10.1.0.0/16"], "ip": ["*"] }]`;
    t.run(setPolicy(t.tailnet, `{ "tagOwners": { "tag:srv": [] }, "grants": ${grants} }`, "ann", t.now));
    const bobs = t.join({ machine: 9, key: 9, authKey: t.authKey(bob) });
    t.report(server, { RoutableIPs: ["10.1.0.0/16"] });
    t.run(approveRoutes(t.node(server), ["10.1.0.0/16"]));
    expect(peer(bobs, server)?.AllowedIPs).toContain("10.1.0.0/16");
    expect(peer(laptop, server)).not.toHaveProperty("AllowedIPs");
    expect(peer(bobs, server)?.AllowedIPs).toContain("10.1.0.0/16");
  });
});

/** How often a node is turned into JSON while `work` runs. */
function encodingsOf(node: Node, work: () => void): number {
  const spy = vi.spyOn(JSON, "stringify");
  try {
    work();
    return spy.mock.calls.filter(([value]) => (value as { StableID?: string })?.StableID === node.stableId).length;
  } finally {
    spy.mockRestore();
  }
}

describe("the twin client", () => {
  it("refuses a first message without a node, two nodes with one key, and one route on two peers", () => {
    const message = full(laptop);
    const send = (changed: object) => () => new NetmapClient().apply(JSON.stringify({ ...message, ...changed }));
    expect(send({})).not.toThrow();
    expect(send({ Node: undefined })).toThrow("lacked node");
    const first = message.Peers?.[0];
    expect(send({ Peers: [{ ...first, Key: laptop.nodeKey }] })).toThrow("the same key");
    const routed = { ...first, AllowedIPs: ["10.0.0.0/8"] };
    expect(send({ Peers: [routed, { ...routed, ID: 3, Key: nodeKey(3) }] })).toThrow("the same subnet route");
  });
});
