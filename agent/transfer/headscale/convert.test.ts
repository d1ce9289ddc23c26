// Conversion of databases: rows as headscale writes them. A whole database that a real headscale wrote is in
// real-database.test.ts.
import { describe, expect, it } from "vitest";
import { parseTransfer, type TransferKind } from "../../../worker/protocol/transfer/document.ts";
import { type ConversionOptions, convertHeadscale } from "./convert.ts";
import type { HeadscaleRows, Row } from "./read-database.ts";
import { instant } from "./row-values.ts";

const NOW = Date.UTC(2026, 0, 2);
const digits = (c: string) => c.repeat(64);
const options: ConversionOptions = {
  noiseKey: `privkey:${digits("a")}\n`,
  owner: "ann",
  loginDomain: "example.net",
  now: NOW,
};

const ann: Row = {
  id: 1,
  name: "ann",
  email: "Ann@Example.com",
  display_name: "Ann A.",
  created_at: "2025-01-02 03:04:05.678901234+00:00",
};
const bob: Row = { id: 2, name: "bob", email: null, display_name: "", created_at: "2025-01-02T03:04:05Z" };
const laptop: Row = {
  id: 7,
  machine_key: `mkey:${digits("1")}`,
  node_key: `nodekey:${digits("2")}`,
  disco_key: `discokey:${digits("3")}`,
  endpoints: '["192.0.2.1:41641"]',
  host_info: '{"OS":"linux","Hostname":"laptop","NetInfo":{"PreferredDERP":3},"RoutableIPs":["10.20.0.0/16"]}',
  ipv4: "100.64.0.7",
  ipv6: "fd7a:115c:a1e0::7",
  hostname: "laptop",
  given_name: "laptop-1",
  user_id: 2,
  tags: "[]",
  auth_key_id: null,
  expiry: "2026-06-01 00:00:00+00:00",
  last_seen: "2026-01-01 00:00:00+00:00",
  approved_routes: '["10.20.0.0/16","10.3.0.0/16","::/0"]',
  created_at: "2025-05-05 05:05:05+00:00",
};
const key: Row = {
  id: 4,
  prefix: "abcdef123456",
  user_id: 1,
  reusable: 1,
  ephemeral: 0,
  used: 1,
  tags: "[]",
  expiration: "2026-03-01 00:00:00+00:00",
  revoked: null,
};

const rows = (more: Partial<HeadscaleRows> = {}): HeadscaleRows => ({
  users: [ann, bob],
  nodes: [laptop],
  preAuthKeys: [key],
  policy: null,
  ...more,
});
const recordsOf = (given: HeadscaleRows, kind: TransferKind, more: Partial<ConversionOptions> = {}) =>
  parseTransfer(convertHeadscale(given, { ...options, ...more }).text)
    .lines.filter((line) => line.kind === kind)
    .map(({ record }) => record);

describe("a database", () => {
  it("gives its users, of whom one is the owner", () => {
    expect(recordsOf(rows(), "user")).toMatchObject([
      { id: 101, loginName: "ann@example.com", displayName: "Ann A.", role: "owner", isApproved: true },
      { id: 102, loginName: "bob@example.net", displayName: "bob", role: "member" },
    ]);
    expect(recordsOf(rows(), "user", { owner: undefined }).map((user) => user.role)).toEqual(["member", "member"]);
    expect(recordsOf(rows(), "counters")).toEqual([{ nextNodeId: 8, nextUserId: 103, nextAddress: 1 }]);
  });

  it("gives its nodes with keys, addresses, names and approved routes", () => {
    expect(recordsOf(rows(), "node")).toEqual([
      {
        id: 7,
        stableId: expect.stringMatching(/^n[0-9a-f]{12}CNTRL$/),
        machineKey: laptop.machine_key,
        nodeKey: laptop.node_key,
        discoKey: laptop.disco_key,
        tailnetLockKey: null,
        userId: 102,
        tags: [],
        name: "laptop-1",
        isNameFixed: false,
        ipv4: "100.64.0.7",
        ipv6: "fd7a:115c:a1e0::7",
        hostinfo: { OS: "linux", Hostname: "laptop", RoutableIPs: ["10.20.0.0/16"], NetInfo: { PreferredDERP: 3 } },
        endpoints: ["192.0.2.1:41641"],
        homeDerp: 3,
        capabilityVersion: expect.any(Number),
        createdAt: Date.UTC(2025, 4, 5, 5, 5, 5),
        keyExpiresAt: Date.UTC(2026, 5, 1),
        isKeyExpiryDisabled: false,
        isAuthorized: true,
        isEphemeral: false,
        approvedRoutes: ["10.3.0.0/16", "10.20.0.0/16", "::/0"],
        lastSeenAt: Date.UTC(2026, 0, 1),
        authKeyId: null,
        attributes: {},
      },
    ]);
  });

  it("gives tagged nodes to nobody, renamed ones their name, ephemeral ones their end, and IPv6 to those without", () => {
    const more = {
      tags: '["tag:b","tag:a"]',
      given_name: "web",
      ipv6: null,
      disco_key: "",
      auth_key_id: 5,
      expiry: "0001-01-01 00:00:00+00:00",
    };
    const [node] = recordsOf(
      rows({ nodes: [{ ...laptop, ...more }], preAuthKeys: [{ ...key, id: 5, ephemeral: 1 }] }),
      "node",
    );
    expect(node).toMatchObject({
      userId: null,
      tags: ["tag:a", "tag:b"],
      isNameFixed: true,
      ipv6: "fd7a:115c:a1e0::6440:7",
      discoKey: null,
      isEphemeral: true,
      keyExpiresAt: null,
    });
  });

  it("gives a new key for each pre-auth key that is good still", () => {
    const { keys } = convertHeadscale(
      rows({
        preAuthKeys: [
          key,
          { ...key, id: 5, expiration: "2025-12-31 00:00:00+00:00" },
          { ...key, id: 6, reusable: 0 },
          { ...key, id: 7, revoked: "2025-12-31 00:00:00+00:00" },
          { ...key, id: 8, prefix: null, tags: '["tag:b"]', reusable: 0, used: 0 },
        ],
      }),
      options,
    );
    expect(keys).toEqual([
      {
        was: "hskey-auth-abcdef123456",
        text: expect.stringMatching(/^tskey-auth-k[0-9A-Za-z]{11}CNTRL-[0-9A-Za-z]{32}$/),
      },
      { was: "pre-auth key 8", text: expect.any(String) },
    ]);
  });

  it("has users of its policy called by their login names, and nothing else touched", () => {
    const policy = `{ // of ann@ and bob@
      "groups": { "group:a": ["ann@", "bob@", "cy@", "ann@example.com"] },
      "acls": [{ "action": "accept", "src": ["bob@"], "dst": ["ann@:22", "bobby@:*"] }] }`;
    const [record] = recordsOf(rows({ policy }), "policy");
    expect(record).toMatchObject({
      text: `{ // of ann@ and bob@
      "groups": { "group:a": ["ann@example.com", "bob@example.net", "cy@", "ann@example.com"] },
      "acls": [{ "action": "accept", "src": ["bob@example.net"], "dst": ["ann@example.com:22", "bobby@:*"] }] }`,
    });
    expect(recordsOf(rows({ policy }), "policy", { policy: "{}" })).toMatchObject([{ text: "{}" }]);
    expect(recordsOf(rows(), "policy")).toMatchObject([{ text: expect.stringContaining('"*:*"') }]);
  });

  it.each<[string, HeadscaleRows, Partial<ConversionOptions>, RegExp]>([
    ["without a key of the server", rows(), { noiseKey: "nonsense" }, /privkey/],
    ["whose owner is unknown", rows(), { owner: "zoe" }, /no user is called zoe; there are: ann, bob/],
    ["with a node without IPv4", rows({ nodes: [{ ...laptop, ipv4: null }] }), {}, /laptop-1 has no IPv4/],
    ["with a node of nobody", rows({ nodes: [{ ...laptop, user_id: null }] }), {}, /neither a user nor tags/],
    ["with a node whose data is broken", rows({ nodes: [{ ...laptop, host_info: "{" }] }), {}, /JSON/],
  ])("%s is refused in words that help", (_, given, more, message) => {
    expect(() => convertHeadscale(given, { ...options, ...more })).toThrow(message);
  });
});

describe("an instant", () => {
  it.each([
    ["2026-01-02 03:04:05.678901234+00:00", Date.UTC(2026, 0, 2, 3, 4, 5, 678)],
    ["2026-01-02 05:04:05+02:00", Date.UTC(2026, 0, 2, 3, 4, 5)],
    ["2026-01-02 03:04:05 +0000 UTC", Date.UTC(2026, 0, 2, 3, 4, 5)],
    ["2026-01-02T03:04:05Z", Date.UTC(2026, 0, 2, 3, 4, 5)],
    ["0001-01-01 00:00:00+00:00", null],
    ["", null],
    ["soon", null],
  ])("%s", (text, at) => {
    expect(instant({ at: text }, "at")).toBe(at);
  });
});
