import { describe, expect, it } from "vitest";
import { HOSTINFO_MAX } from "../limits.ts";
import {
  advertisedRoutes,
  hostinfoForPeers,
  hostnameOf,
  parseHostinfo,
  preferredDerp,
  requestedTags,
} from "./hostinfo.ts";
import { MalformedRequest } from "./json.ts";

/** As a Linux client of 1.102 sends it, shortened. */
const LAPTOP = {
  IPNVersion: "1.102.3-tabc",
  BackendLogID: "5f".repeat(32),
  FrontendLogID: "6f".repeat(32),
  OS: "linux",
  OSVersion: "6.8.0",
  Distro: "debian",
  DeviceModel: "ThinkPad",
  PushDeviceToken: "token",
  Hostname: "laptop",
  GoArch: "amd64",
  RoutableIPs: ["10.1.0.0/16", "0.0.0.0/0", "::/0"],
  RequestTags: ["tag:b", "tag:a"],
  WoLMACs: ["00:00:5e:00:53:01"],
  Services: [
    { Proto: "peerapi4", Port: 38211 },
    { Proto: "peerapi6", Port: 38211 },
    { Proto: "peerapi-dns-proxy", Port: 1 },
    { Proto: "tcp", Port: 22, Description: "sshd" },
  ],
  NetInfo: { PreferredDERP: 901, DERPLatency: { "901-v4": 0.012 }, WorkingUDP: true },
  sshHostKeys: ["ssh-ed25519 AAAA"],
  AppConnector: false,
  PeerRelay: true,
  TPM: { Manufacturer: "x" },
};

describe("parseHostinfo", () => {
  it("keeps what the client sent", () => {
    const kept = parseHostinfo(LAPTOP);
    expect(kept).toMatchObject({ IPNVersion: "1.102.3-tabc", OS: "linux", DeviceModel: "ThinkPad", GoArch: "amd64" });
    expect(hostnameOf(kept)).toBe("laptop");
    expect(requestedTags(kept)).toEqual(["tag:b", "tag:a"]);
    expect(preferredDerp(kept)).toBe(901);
  });

  it("drops identifiers that nothing needs, and nulls", () => {
    const kept = parseHostinfo({ ...LAPTOP, Cloud: null });
    for (const name of ["BackendLogID", "FrontendLogID", "PushDeviceToken", "WoLMACs", "TPM", "Cloud"]) {
      expect(kept).not.toHaveProperty(name);
    }
  });

  it("gives the same text for the same content, wherever NetInfo stood", () => {
    const { NetInfo, ...rest } = LAPTOP;
    expect(JSON.stringify(parseHostinfo({ NetInfo, ...rest }))).toBe(JSON.stringify(parseHostinfo(LAPTOP)));
  });

  it("is empty when none was sent", () => {
    expect(parseHostinfo(undefined)).toEqual({});
    expect([hostnameOf({}), advertisedRoutes({}), requestedTags({}), preferredDerp({})]).toEqual(["", [], [], 0]);
  });

  it("masks advertised routes, spells them canonically and lists each once", () => {
    const RoutableIPs = ["10.0.0.5/8", "10.0.0.0/8", "FD00:0::1/64", "0.0.0.0/0"];
    expect(advertisedRoutes(parseHostinfo({ RoutableIPs }))).toEqual(["10.0.0.0/8", "fd00::/64", "0.0.0.0/0"]);
  });

  it.each(["10.0.0.0", "10.0.0.0/33", "lan", "", "10.0.0.0/08", "fe80::1%eth0/64"])(
    "refuses %j as a route",
    (route) => {
      expect(() => parseHostinfo({ RoutableIPs: [route] })).toThrow(MalformedRequest);
    },
  );

  it("removes NUL characters at any depth, from names too", () => {
    const kept = parseHostinfo({
      Hostname: "a\u0000b",
      Services: [{ Proto: "tcp\u0000", Port: 1 }],
      "X\u0000": { "y\u0000": "z" },
    });
    expect(JSON.stringify(kept)).not.toContain("\\u0000");
    expect(kept).toMatchObject({ Hostname: "ab", Services: [{ Proto: "tcp", Port: 1 }], X: { y: "z" } });
  });

  it("takes a negative home region for none", () => {
    expect(preferredDerp(parseHostinfo({ NetInfo: { PreferredDERP: -1 } }))).toBe(0);
  });

  it("takes what fits and refuses one byte more", () => {
    const room = HOSTINFO_MAX - JSON.stringify({ Hostname: "" }).length;
    expect(parseHostinfo({ Hostname: "h".repeat(room) })).toBeDefined();
    expect(() => parseHostinfo({ Hostname: "h".repeat(room + 1) })).toThrow("Hostinfo is too large");
  });

  it("does not change what it has parsed before", () => {
    const once = parseHostinfo(LAPTOP);
    expect(JSON.stringify(parseHostinfo(once))).toBe(JSON.stringify(once));
  });
});

describe("hostinfoForPeers", () => {
  it("is what peers need and no more", () => {
    expect(hostinfoForPeers(parseHostinfo(LAPTOP))).toEqual({
      OS: "linux",
      Hostname: "laptop",
      sshHostKeys: ["ssh-ed25519 AAAA"],
      AppConnector: false,
      PeerRelay: true,
      Services: [
        { Proto: "peerapi4", Port: 38211 },
        { Proto: "peerapi6", Port: 38211 },
        { Proto: "peerapi-dns-proxy", Port: 1 },
      ],
    });
  });

  it("does not pass on a location that the node claims", () => {
    expect(hostinfoForPeers(parseHostinfo({ Location: { Country: "Atlantis" } }))).toEqual({});
  });
});
