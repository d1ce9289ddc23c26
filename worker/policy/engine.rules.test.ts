// What acls and grants become in packet filters where no capture shows it: protocols and ports, IPv6, sets of
// addresses, 4via6 routes, sources that are empty, and postures (policy.md 5, 7, 8, 14.4, 18).
import { describe, expect, test } from "vitest";
import type { PolicyEngine, PolicyNode, PolicyUser } from "./engine.ts";
import { parsePolicy } from "./parse.ts";
import { addressesOf, engineOf, type NodeSketch, nodesFrom, policyOf } from "./testing/small-tailnet.ts";

const USERS: readonly PolicyUser[] = [
  { id: 1, loginName: "ann@example.com", role: "member" },
  { id: 2, loginName: "bob@example.com", role: "member" },
];
const DEFINITIONS = {
  tagOwners: { "tag:server": [], "tag:router": [], "tag:spare": [] },
  groups: { "group:empty": [] },
};

function tailnet<Name extends string>(sections: object, sketches: Readonly<Record<Name, NodeSketch>>) {
  const nodes = nodesFrom(sketches);
  return { engine: engineOf(policyOf({ ...DEFINITIONS, ...sections }), USERS, nodes), nodes };
}

function sourcesAt(engine: PolicyEngine, { id }: PolicyNode): (readonly string[])[] {
  return engine.packetFilterOf(id).map(({ SrcIPs }) => SrcIPs);
}

const ports = (First: number, Last = First) => ({ First, Last });
const ALL = ports(0, 65535);

describe("ip entries of grants", () => {
  const grant = (ip: readonly string[]) => ({ grants: [{ src: ["ann@example.com"], dst: ["tag:server"], ip }] });

  test.each([
    ["*", undefined, [ALL]],
    ["22", undefined, [ports(22)]],
    ["443,80-90,22", undefined, [ports(443), ports(80, 90), ports(22)]],
    ["1-65535", undefined, [ports(1, 65535)]],
    ["47", undefined, [ports(47)]], // a port, not GRE
    ["tcp:22,80-90", [6], [ports(22), ports(80, 90)]],
    ["UDP:53", [17], [ports(53)]],
    ["tcp:*", [6], [ALL]],
    ["sctp:5000-6000", [132], [ports(5000, 6000)]],
    ["6:22", [6], [ports(22)]],
    ["icmp:*", [1], [ALL]], // IPv6 has its own
    ["ipv6-icmp:*", [58], [ALL]],
    ["igmp:*", [2], [ALL]],
    ["ipv4:*", [4], [ALL]],
    ["ip-in-ip:*", [4], [ALL]],
    ["egp:*", [8], [ALL]],
    ["igp:*", [9], [ALL]],
    ["gre:*", [47], [ALL]],
    ["esp:*", [50], [ALL]],
    ["ah:*", [51], [ALL]],
    ["255:*", [255], [ALL]],
  ])("%s", (entry, protocols, expected) => {
    const { engine, nodes } = tailnet(grant([entry]), { laptop: {}, server: { tags: ["tag:server"] } });
    const [only, ...others] = engine.packetFilterOf(nodes.server.id);
    expect(others).toEqual([]);
    expect(only?.IPProto).toEqual(protocols);
    const own = only?.DstPorts?.filter(({ IP }) => IP === nodes.server.ipv4);
    expect(own?.map(({ Ports }) => Ports)).toEqual(expected);
  });

  test.each([
    ["icmp:22", "protocol 1 has no ports; use '*'"],
    ["icmp:0", `port range "0": first port must be >0, or use '*' for wildcard`],
    ["gre:1-2", "protocol 47 has no ports; use '*'"],
    ["tcp:", 'port range "": invalid first integer'],
    ["tcp:22-", 'port range "22-": invalid last integer'],
    ["tcp:-22", 'port range "-22": invalid first integer'],
    ["90-80", 'port range "90-80": first port must not be greater than last port'],
    ["65536", 'port range "65536": invalid first integer'],
    ["1-65536", 'port range "1-65536": invalid last integer'],
    ["22,,80", 'port range "": invalid first integer'],
    ["", 'port range "": invalid first integer'],
    ["tcp", 'port range "tcp": invalid first integer'],
    ["tcp:udp:53", 'port range "udp:53": invalid first integer'],
    ...["*", "0", "256", "006", "tpc"].map((name) => [
      `${name}:1`,
      `proto name "${name}" not known; use protocol number 0-255 or protocol name (icmp, tcp, udp, etc.)`,
    ]),
  ])("%s is refused", (entry, message) => {
    const result = parsePolicy(JSON.stringify({ ...DEFINITIONS, ...grant([entry]) }));
    expect(result.ok ? [] : result.problems.map((problem) => problem.message)).toEqual([message]);
  });

  test("become one rule each, and those of one protocol and equal sources merge", () => {
    const { engine, nodes } = tailnet(grant(["tcp:22", "udp:53", "tcp:80", "443"]), {
      laptop: {},
      server: { tags: ["tag:server"] },
    });
    const rules = engine.packetFilterOf(nodes.server.id);
    const starts = rules.map(({ IPProto, DstPorts }) => [IPProto, [...new Set(DstPorts?.map((d) => d.Ports.First))]]);
    expect(starts).toEqual([
      [[6], [22, 80]],
      [[17], [53]],
      [undefined, [443]],
    ]);
  });
});

describe("sources that stand for nobody", () => {
  const app = { "example.com/cap/notes": [{ shelf: 1 }], "tailscale.com/cap/drive": [] };
  const rules = (src: readonly string[], dst: readonly string[] = ["*"]) => {
    const { engine, nodes } = tailnet({ grants: [{ src, dst, ip: ["22"], app }] }, { laptop: {}, bob: { userId: 2 } });
    return Object.values(nodes).map(({ id }) => engine.packetFilterOf(id));
  };

  test("by name leave the capabilities for whoever comes", () => {
    for (const filter of rules(["group:empty"])) expect(filter).toMatchObject([{ SrcIPs: [], CapGrant: [{}] }]);
  });

  test("because there are none leave nothing, as destinations do", () => {
    expect(rules([])).toEqual([[], []]);
    expect(rules(["ann@example.com"], [])).toEqual([[], []]);
  });
});

describe("sets of addresses", () => {
  test("are destinations range by range: those that concern a node, spelt as address, CIDR or range", () => {
    const sections = {
      hosts: { lab: "10.1.2.3/16" },
      ipsets: {
        "ipset:lab": ["add host:lab", "remove 10.1.255.0/24", "remove 10.1.0.1", "add ipset:more"],
        "ipset:more": ["100.64.1.7", "192.168.0.0/24"],
      },
      grants: [{ src: ["bob@example.com"], dst: ["ipset:lab"], ip: ["443"] }],
    };
    const { engine, nodes } = tailnet(sections, {
      laptop: {},
      bob: { userId: 2 },
      router: { tags: ["tag:router"], routes: ["10.1.0.0/16"] },
      narrow: { tags: ["tag:router"], routes: ["10.1.255.0/24"] },
    });
    const at = ({ id }: PolicyNode) => engine.packetFilterOf(id).flatMap((rule) => rule.DstPorts?.map(({ IP }) => IP));
    expect(at(nodes.laptop)).toEqual(["100.64.1.7"]);
    expect(at(nodes.router)).toEqual(["10.1.0.0", "10.1.0.2-10.1.254.255"]);
    expect(at(nodes.narrow)).toEqual([]); // what is left of the set does not reach into its route
    expect(engine.peerRoutes(nodes.bob.id, nodes.router.id).allowed).toEqual(["10.1.0.0/16"]);
  });

  test("with the internet and without a part of it, on exit nodes", () => {
    const sections = {
      ipsets: { "ipset:web": ["add autogroup:internet", "remove 0.0.0.0/1", "remove 2000::/3", "remove 192.0.0.0/2"] },
      grants: [{ src: ["ann@example.com"], dst: ["ipset:web"], ip: ["443"] }],
    };
    const { engine, nodes } = tailnet(sections, { laptop: {}, exit: { tags: ["tag:router"], routes: ["0.0.0.0/0"] } });
    const addresses = engine.packetFilterOf(nodes.exit.id).flatMap((rule) => rule.DstPorts?.map(({ IP }) => IP));
    expect(addresses).toEqual([
      "128.0.0.0-169.253.255.255",
      "169.255.0.0-172.15.255.255",
      "172.32.0.0-191.255.255.255",
    ]);
    // It is not the whole internet, so that the exit node is no peer for it and offers nothing.
    expect(engine.isVisible(nodes.laptop.id, nodes.exit.id)).toBe(false);
  });
});

describe("IPv6", () => {
  test.each([
    ["[fd7a:115c:a1e0::2:7]:22", "fd7a:115c:a1e0::2:7"],
    ["[FD7A:115C:A1E0:0::2:7]:22", "fd7a:115c:a1e0::2:7"],
    ["fd7a:115c:a1e0::2:7:22", "fd7a:115c:a1e0::2:7"], // the last colon counts
    ["[fd7a:115c:a1e0::]/48:22", "fd7a:115c:a1e0::/48"],
    ["fd7a:115c:a1e0::/48:22", "fd7a:115c:a1e0::/48"],
    ["fd7a:115c:a1e0::1-fd7a:115c:a1e0::3:0:22", "fd7a:115c:a1e0::1-fd7a:115c:a1e0::3:0"],
  ])("acl destination %s", (dst, IP) => {
    const acls = [{ action: "accept", src: ["ann@example.com"], dst: [dst] }];
    const { engine, nodes } = tailnet({ acls }, { laptop: {}, server: { tags: ["tag:server"] } });
    const targets = engine.packetFilterOf(nodes.server.id).flatMap(({ DstPorts }) => DstPorts ?? []);
    expect(targets).toEqual([{ IP, Ports: ports(22) }]);
  });

  test("4via6 routes are IPv6 routes, which rules name in that form, and which via steers like any other", () => {
    // Site 7's 10.1.1.0/24, and the same of site 8.
    const [seven, eight] = ["fd7a:115c:a1e0:b1a:0:7:a01:100/120", "fd7a:115c:a1e0:b1a:0:8:a01:100/120"] as const;
    const sections = {
      grants: [
        { src: ["ann@example.com"], dst: [seven], ip: ["tcp:443"] },
        { src: ["bob@example.com"], dst: ["10.1.1.0/24"], ip: ["*"] },
        { src: ["bob@example.com"], dst: [eight], ip: ["*"], via: ["tag:spare"] },
      ],
      autoApprovers: { routes: { "fd7a:115c:a1e0:b1a::/64": ["tag:router"] } },
    };
    const { engine, nodes } = tailnet(sections, {
      laptop: {},
      bob: { userId: 2 },
      router: { tags: ["tag:router"], routes: [seven, eight] },
      spare: { tags: ["tag:spare"], routes: [eight] },
    });
    expect(engine.packetFilterOf(nodes.router.id)).toEqual([
      { SrcIPs: addressesOf([nodes.laptop]), IPProto: [6], DstPorts: [{ IP: seven, Ports: ports(443) }] },
    ]);
    expect(engine.peerRoutes(nodes.laptop.id, nodes.router.id)).toEqual({ allowed: [seven], primary: [seven] });
    expect(engine.isVisible(nodes.bob.id, nodes.router.id)).toBe(false);
    expect(engine.peerRoutes(nodes.bob.id, nodes.spare.id)).toEqual({ allowed: [eight], primary: [eight] });
    expect(engine.ownRoutes(nodes.router.id).primary).toEqual([eight, seven].sort());
  });
});

describe("postures", () => {
  const good = { attributes: { "custom:ok": true, "node:os": "linux" } };
  const SKETCHES = {
    good,
    bad: { attributes: { "custom:ok": false } },
    unknown: {},
    server: { tags: ["tag:server"] },
    router: { tags: ["tag:router"], routes: ["10.1.0.0/16"] },
  };
  const under = (sections: object) =>
    tailnet(
      { postures: { "posture:ok": ["custom:ok"], "posture:linux": ["node:os == 'linux'"] }, ...sections },
      SKETCHES,
    );
  const grant = (rule: object) => ({ src: ["ann@example.com"], dst: ["tag:server"], ip: ["22"], ...rule });
  const srcPosture = ["posture:ok"];

  test("leave the nodes that pass; the others are no peers either", () => {
    const { engine, nodes } = under({ grants: [grant({ srcPosture })] });
    expect(sourcesAt(engine, nodes.server)).toEqual([addressesOf([nodes.good])]);
    expect([nodes.good, nodes.bad, nodes.unknown].map(({ id }) => engine.isVisible(id, nodes.server.id))).toEqual([
      true,
      false,
      false,
    ]);
    engine.setNode({ ...nodes.bad, ...good });
    expect(sourcesAt(engine, nodes.server)).toEqual([addressesOf([nodes.bad, nodes.good])]);
  });

  test("stand for the nodes that pass, instead of the tailnet, where the source is *, and for routes", () => {
    const { engine, nodes } = under({ grants: [grant({ src: ["*"], srcPosture })] });
    expect(sourcesAt(engine, nodes.server)).toEqual([["10.1.0.0/16", ...addressesOf([nodes.good])]]);
  });

  test("cut the nodes that fail out of addresses, and nothing else", () => {
    const { engine, nodes } = under({ grants: [grant({ src: ["100.64.0.0/22", "10.1.0.0/16"], srcPosture })] });
    const ranges = ["10.1.0.0/16", "100.64.0.0-100.64.2.6", "100.64.2.8-100.64.3.6", "100.64.3.8-100.64.3.255"];
    expect(sourcesAt(engine, nodes.server)).toEqual([ranges]);
  });

  test("are all asked of a rule in turn: any one suffices", () => {
    const { engine, nodes } = under({ grants: [grant({ srcPosture: ["posture:linux", "posture:ok"] })] });
    expect(sourcesAt(engine, nodes.server)).toEqual([addressesOf([nodes.good])]);
    engine.setNode({ ...nodes.unknown, attributes: { "node:os": "linux" } });
    expect(sourcesAt(engine, nodes.server)).toEqual([addressesOf([nodes.good, nodes.unknown])]);
  });

  test("by default hold for rules of every section that name none of their own", () => {
    const rule = { action: "accept", src: ["ann@example.com"] };
    const { engine, nodes } = under({
      defaultSrcPosture: srcPosture,
      acls: [
        { ...rule, dst: ["tag:server:1"] },
        { ...rule, dst: ["tag:server:2"], srcPosture: ["posture:linux"] },
        { ...rule, dst: ["tag:server:3"], srcPosture: [] },
      ],
      ssh: [{ ...rule, dst: ["tag:server"], users: ["root"] }],
    });
    const own = addressesOf([nodes.good]);
    const everyone = addressesOf([nodes.good, nodes.bad, nodes.unknown]);
    // The first two have the same sources, and merge.
    expect(sourcesAt(engine, nodes.server)).toEqual([own, everyone]);
    expect(
      engine
        .sshPolicyOf(nodes.server.id)
        ?.rules[0]?.principals.map(({ nodeIP }) => nodeIP)
        .sort(),
    ).toEqual(own);
  });
});

describe("network options", () => {
  const capMaps = (sections: object) => {
    const { engine, nodes } = tailnet(sections, { mac: { attributes: { "node:os": "macos" } }, linux: {} });
    return [nodes.mac, nodes.linux].map(({ id }) => engine.capMapOf(id));
  };

  test.each([
    [{ OneCGNATRoute: "mac-always" }, { "one-cgnat?v=true": null }, {}],
    [{ onecgnatroute: "mac-never" }, { "one-cgnat?v=false": null }, {}],
    [{ OneCGNATRoute: "" }, {}, {}],
    [{ randomizeClientPort: true }, { "randomize-client-port": null }, { "randomize-client-port": null }],
    [{ randomizeClientPort: false }, {}, {}],
    [{ disableIPv4: true }, { "disable-ipv4": null }, { "disable-ipv4": null }],
  ])("%j", (sections, mac, linux) => {
    expect(capMaps(sections)).toEqual([mac, linux]);
  });

  test("disableIPv4 leaves every node its IPv6 address alone, in rules as well", () => {
    const { engine, nodes } = tailnet(
      { disableIPv4: true, grants: [{ src: ["ann@example.com"], dst: ["*"], ip: ["*"] }] },
      {
        laptop: {},
        server: { tags: ["tag:server"] },
      },
    );
    expect(engine.addressesOf(nodes.laptop.id, nodes.laptop.id)).toEqual([nodes.laptop.ipv6]);
    expect(engine.addressesOf(nodes.laptop.id, nodes.server.id)).toEqual([nodes.server.ipv6]);
    expect(sourcesAt(engine, nodes.server)).toEqual([[nodes.laptop.ipv6]]);
  });
});
