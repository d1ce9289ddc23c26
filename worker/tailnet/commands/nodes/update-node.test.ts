// Lite updates (control-protocol.md 5.2) and the tags that they ask for (4.9).
import { beforeEach, describe, expect, it } from "vitest";
import { discoKey, mapRequest, nodeKey, TestTailnet } from "../../../../test/support/tailnet-builder.ts";
import type { Node } from "../../entities/node.ts";
import type { User } from "../../entities/user.ts";
import { renameNode, tagNode } from "./administer-node.ts";
import { updateNode } from "./update-node.ts";

const POLICY = `{
  "tagOwners": { "tag:a": [], "tag:b": ["tag:a"], "tag:c": [] },
  "grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }],
}`;

let t: TestTailnet;
let ann: User;
let node: Node;

beforeEach(() => {
  t = new TestTailnet({ policy: POLICY });
  ann = t.user("ann", "admin");
  node = t.join({ machine: 1, key: 1, authKey: t.authKey(ann) });
});

describe("a lite update", () => {
  it("replaces Hostinfo, endpoints, disco key, home region and version", () => {
    const hostinfo = { OS: "linux", Hostname: "host-1", Services: [], NetInfo: { PreferredDERP: 901 } };
    const changed = { version: 146, hostinfo, endpoints: ["198.51.100.9:1"], discoKey: discoKey(1) };
    const { version, ...rest } = changed;
    expect(t.update(node, changed)).toEqual({ ...node, ...rest, capabilityVersion: version, homeDerp: 901 });
  });

  it("that says nothing new changes nothing and stores nothing", () => {
    const before = t.update(node, { discoKey: discoKey(1), endpoints: ["198.51.100.9:1"] });
    const copy = JSON.parse(JSON.stringify(mapRequest(before)));
    const decision = updateNode(t.tailnet, before, copy, t.now);
    expect(decision).toEqual({ ok: true, changes: [], result: before });
  });

  it("without endpoints clears them", () => {
    t.update(node, { endpoints: ["198.51.100.9:1"] });
    expect(t.update(node, { endpoints: [] }).endpoints).toEqual([]);
  });

  it("without a disco key or Hostinfo keeps those that are known", () => {
    t.update(node, { discoKey: discoKey(1) });
    expect(t.update(node, { discoKey: null, hostinfo: null, endpoints: ["198.51.100.9:1"] })).toMatchObject({
      discoKey: discoKey(1),
      hostinfo: node.hostinfo,
    });
  });

  it("that tells about the same latencies leads nobody elsewhere where latencies lead to routers", () => {
    const netInfo = (ms: number) => ({ NetInfo: { PreferredDERP: 901, DERPLatency: { "902-v4": ms / 1_000 } } });
    const kept = () => t.node(node).hostinfo.NetInfo;
    t.report(node, netInfo(100));
    t.report(node, netInfo(120));
    expect(kept()).toEqual(netInfo(120).NetInfo);
    t.apply([{ type: "settings-put", settings: { ...t.tailnet.settings, isRegionalRoutingOn: true } }]);
    t.report(node, netInfo(100));
    expect([kept(), t.changes]).toEqual([netInfo(120).NetInfo, []]);
    t.report(node, netInfo(300));
    expect(kept()).toEqual(netInfo(300).NetInfo);
  });

  it("without NetInfo, or with a home region of 0, keeps the home region", () => {
    t.report(node, { NetInfo: { PreferredDERP: 901 } });
    expect(t.update(node, { hostinfo: { Hostname: "host-1" } })).toMatchObject({
      homeDerp: 901,
      hostinfo: { Hostname: "host-1", NetInfo: { PreferredDERP: 901 } },
    });
    expect(t.report(node, { NetInfo: { PreferredDERP: 0 } }).homeDerp).toBe(901);
  });

  it("does not make the node online", () => {
    expect(t.update(node, { endpoints: ["198.51.100.9:1"] }).isOnline).toBe(false);
  });

  it("leaves identity, addresses and expiry alone", () => {
    const { id, stableId, nodeKey: key, ipv4, ipv6, keyExpiresAt, userId } = node;
    const updated = t.update(node, { nodeKey: nodeKey(9), hostinfo: { Hostname: "new" } });
    expect(updated).toMatchObject({ id, stableId, nodeKey: key, ipv4, ipv6, keyExpiresAt, userId });
  });
});

describe("the name", () => {
  const rename = (Hostname: string) => t.report(node, { Hostname }).name;

  it("follows the host name, numbered when another node has it", () => {
    t.join({ machine: 2, key: 2, authKey: t.authKey(ann), hostinfo: { Hostname: "web" } });
    expect(rename("WEB.example.com")).toBe("web-1");
    expect(rename("db")).toBe("db");
  });

  it("stays while the host name means the same label, even when a better one has become free", () => {
    const web = t.join({ machine: 2, key: 2, authKey: t.authKey(ann), hostinfo: { Hostname: "web" } });
    rename("web");
    t.apply([{ type: "node-removed", id: web.id }]);
    expect(rename("Web.local")).toBe("web-1");
    expect(
      t.join({ machine: 1, key: 3, replaces: 1, authKey: t.authKey(ann), hostinfo: { Hostname: "web" } }).name,
    ).toBe("web-1");
  });

  it("stays when an administrator chose it, until it is given back", () => {
    t.run(renameNode(t.tailnet, node, "chosen", "example.com"));
    expect(rename("web")).toBe("chosen");
    expect(
      t.join({ machine: 1, key: 3, replaces: 1, authKey: t.authKey(ann), hostinfo: { Hostname: "db" } }).name,
    ).toBe("chosen");
    t.run(renameNode(t.tailnet, t.node(node), "", "example.com"));
    expect(t.node(node).name).toBe("db");
  });
});

describe("tags asked for by a lite update", () => {
  const ask = (...RequestTags: string[]) => t.report(node, { RequestTags });

  it("expire the key of a node that belongs to a user: only a login can give them", () => {
    expect(ask("tag:a")).toMatchObject({ userId: ann.id, tags: [], keyExpiresAt: t.now, isOnline: false });
  });

  describe("on a tagged node", () => {
    beforeEach(() => {
      node = t.join({ machine: 2, key: 2, authKey: t.authKey(ann, { tags: ["tag:a"] }) });
      t.connect(node);
    });

    it("are given when its present tags own each of them", () => {
      expect(ask("tag:b")).toMatchObject({ tags: ["tag:b"], keyExpiresAt: null, isOnline: true });
    });

    it("expire its key otherwise, and the tags stay", () => {
      expect(ask("tag:b", "tag:c")).toMatchObject({ tags: ["tag:a"], keyExpiresAt: t.now, isOnline: false });
    });

    it("change nothing when it has them", () => {
      expect(ask("tag:a", "tag:a")).toMatchObject({ tags: ["tag:a"], keyExpiresAt: null });
    });

    it("are looked at once: asking on for the same does not undo what an administrator did", () => {
      ask("tag:b");
      t.run(tagNode(t.tailnet, t.node(node), ["tag:c"], t.contextOf(ann)));
      expect(ask("tag:b")).toMatchObject({ tags: ["tag:c"], keyExpiresAt: null });
    });

    it("that are dropped stay until the next login", () => {
      ask("tag:b");
      expect(ask()).toMatchObject({ tags: ["tag:b"], keyExpiresAt: null });
    });
  });
});
