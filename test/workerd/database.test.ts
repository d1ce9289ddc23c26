// The object's database: the migration applier and the way of records through the store and back.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { MIGRATIONS } from "../../db/migrations.ts";
import { applyMigrations, openDatabase } from "../../db/open.ts";
import { TailnetStore } from "../../db/tailnet-store.ts";
import { StreamBuffer } from "../../worker/connection/stream-buffer.ts";
import type { MachineKey, NodeKey } from "../../worker/protocol/keys.ts";
import type { Change } from "../../worker/tailnet/change.ts";
import type { Node } from "../../worker/tailnet/entities/node.ts";
import { DEFAULT_SETTINGS } from "../../worker/tailnet/entities/settings.ts";
import type { User } from "../../worker/tailnet/entities/user.ts";
import { policyPut } from "./support/api.ts";

let next = 0;

/** Runs a test in an object of its own, whose storage the object itself has migrated. */
async function inFreshObject<T>(test: (storage: DurableObjectStorage) => T): Promise<T> {
  const stub = env.TAILNET.getByName(`database-${next++}`);
  return await runInDurableObject(stub, (_, { storage }) => test(storage));
}

const user: User = {
  id: 100,
  stableId: "u1CNTRL",
  loginName: "ann@example.com",
  displayName: "Ann",
  profilePicUrl: "",
  role: "owner",
  isSuspended: false,
  isApproved: true,
  createdAt: 1,
};

const node: Node = {
  id: 7,
  stableId: "n7CNTRL",
  machineKey: `mkey:${"1".repeat(64)}` as MachineKey,
  nodeKey: `nodekey:${"2".repeat(64)}` as NodeKey,
  discoKey: null,
  tailnetLockKey: null,
  userId: 100,
  tags: [],
  name: "seven",
  isNameFixed: false,
  ipv4: "100.64.0.7",
  ipv6: "fd7a:115c:a1e0::7",
  hostinfo: { OS: "linux", RoutableIPs: ["10.0.0.0/8"] },
  endpoints: ["192.0.2.1:41641"],
  homeDerp: 900,
  capabilityVersion: 133,
  createdAt: 2,
  keyExpiresAt: 9_007_199_254_740_991,
  isKeyExpiryDisabled: false,
  isAuthorized: true,
  isUserBarred: false,
  isEphemeral: true,
  approvedRoutes: ["10.0.0.0/8"],
  isOnline: true,
  disconnectedAt: null,
  lastSeenAt: null,
  authKeyId: "k1CNTRL",
  attributes: { "custom:tier": { value: "prod", expiresAt: 1_700_000_600_000 } },
};

describe("migrations", () => {
  it("are applied once, by the object itself", async () => {
    await inFreshObject((storage) => {
      expect(applyMigrations(storage, MIGRATIONS)).toEqual([]);
    });
  });

  it("that fail are rolled back and named with SQLite's own words", async () => {
    await inFreshObject((storage) => {
      const broken = {
        tag: "9000_broken",
        sql: "create table half (a integer);--> statement-breakpoint\ncreate tabel x",
      };
      expect(() => applyMigrations(storage, [...MIGRATIONS, broken])).toThrow(/9000_broken failed: .*syntax error/);
      expect(storage.sql.exec("select name from sqlite_master where name = 'half'").toArray()).toEqual([]);
    });
  });

  it("that were merged late are applied too", async () => {
    await inFreshObject((storage) => {
      const late = { tag: "0000_a_late", sql: "create table late (a integer)" };
      expect(applyMigrations(storage, [late, ...MIGRATIONS])).toEqual(["0000_a_late"]);
    });
  });

  it("refuse a database that is newer than the code", async () => {
    await inFreshObject((storage) => {
      applyMigrations(storage, [...MIGRATIONS, { tag: "9001_future", sql: "create table future (a integer)" }]);
      expect(() => applyMigrations(storage, MIGRATIONS)).toThrow(
        "database is newer than this code: it has migration 9001_future",
      );
    });
  });

  it("refuse to leave references that point nowhere", async () => {
    await inFreshObject((storage) => {
      const sql =
        "pragma defer_foreign_keys = on;--> statement-breakpoint\ninsert into api_tokens values ('k', 'h', 999, '', 0, 0, null)";
      expect(() => applyMigrations(storage, [...MIGRATIONS, { tag: "9002_dangling", sql }])).toThrow(
        "foreign key violations",
      );
    });
  });
});

describe("the store", () => {
  it("gives back every record as it was", async () => {
    await inFreshObject((storage) => {
      const store = new TailnetStore(openDatabase(storage, MIGRATIONS));
      const changes: Change[] = [
        { type: "counters-put", counters: { nextNodeId: 8, nextUserId: 101, nextAddress: 8 } },
        { type: "user-put", user },
        { type: "node-put", node: { ...node, name: "six", isOnline: false } },
        { type: "node-put", node },
        policyPut("{ /* mine */ }", 5, "ann@example.com"),
        {
          type: "settings-put",
          settings: { ...DEFAULT_SETTINGS, nameservers: [{ address: "1.1.1.1", useWithExitNode: false }] },
        },
      ];
      store.commit(changes);
      const stored = new TailnetStore(openDatabase(storage, MIGRATIONS)).load();
      expect([...stored.nodes]).toEqual([node]);
      expect([...stored.users]).toEqual([user]);
      expect(stored.counters).toEqual({ nextNodeId: 8, nextUserId: 101, nextAddress: 8 });
      expect(stored.settings).toEqual({
        ...DEFAULT_SETTINGS,
        nameservers: [{ address: "1.1.1.1", useWithExitNode: false }],
      });
      expect(stored.policy.text).toBe("{ /* mine */ }");
    });
  });

  it("stores all changes of a command or none", async () => {
    await inFreshObject((storage) => {
      const store = new TailnetStore(openDatabase(storage, MIGRATIONS));
      store.commit([{ type: "user-put", user }]);
      const clash: Node = { ...node, id: 8, stableId: "n8CNTRL", ipv4: "100.64.0.8", ipv6: "fd7a:115c:a1e0::8" };
      expect(() =>
        store.commit([
          { type: "node-put", node },
          { type: "node-put", node: clash },
        ]),
      ).toThrow();
      expect([...store.load().nodes]).toEqual([]);
    });
  });

  it("may leave for later that the streams of an online node came and went, and nothing else", async () => {
    await inFreshObject((storage) => {
      const store = new TailnetStore(openDatabase(storage, MIGRATIONS));
      const reload = () => [...new TailnetStore(openDatabase(storage, MIGRATIONS)).load().nodes][0];
      const put = (change: Partial<Node>) => store.commit([{ type: "node-put", node: { ...node, ...change } }]);
      store.commit([
        { type: "user-put", user },
        { type: "node-put", node: { ...node, isOnline: false, disconnectedAt: null, lastSeenAt: 1 } },
      ]);
      const online = { isOnline: true, disconnectedAt: null, lastSeenAt: null };
      expect(put(online)).toBe(true);
      expect(reload()).toEqual({ ...node, ...online });

      expect(put({ ...online, disconnectedAt: 5 })).toBe(false);
      expect(reload()).toEqual({ ...node, ...online });
      store.storeLate();
      expect(reload()).toEqual({ ...node, ...online, disconnectedAt: 5 });

      expect(put(online)).toBe(false);
      expect(put({ ...online, endpoints: ["192.0.2.1:1"] })).toBe(true);
      expect(reload()).toEqual({ ...node, ...online, endpoints: ["192.0.2.1:1"] });
      expect(put({ isOnline: false, disconnectedAt: null, lastSeenAt: 7, endpoints: ["192.0.2.1:1"] })).toBe(true);
      expect(reload()).toMatchObject({ isOnline: false, lastSeenAt: 7 });
    });
  });

  it("writes nothing late of a node that is as it was, or gone, or another tailnet's", async () => {
    await inFreshObject((storage) => {
      const store = new TailnetStore(openDatabase(storage, MIGRATIONS));
      const online = { ...node, isOnline: true, disconnectedAt: null, lastSeenAt: null };
      const leave = (disconnectedAt: number | null) =>
        store.commit([{ type: "node-put", node: { ...online, disconnectedAt } }]);
      const written = () => {
        const before = storage.sql.exec("select total_changes() as n").one().n;
        store.storeLate();
        return Number(storage.sql.exec("select total_changes() as n").one().n) - Number(before);
      };
      store.commit([
        { type: "user-put", user },
        { type: "node-put", node: online },
      ]);
      leave(5);
      leave(null);
      expect(written()).toBe(0);
      leave(6);
      expect(written()).toBe(1);
      expect(written()).toBe(0);
      leave(null);
      store.commit([{ type: "node-removed", id: node.id }]);
      expect(written()).toBe(0);
      expect([...store.load().nodes]).toEqual([]);
    });
  });

  it.each<[string, Partial<Node>]>([
    ["presence", { isOnline: false, disconnectedAt: 3, lastSeenAt: 4 }],
    [
      "endpoints and relay",
      { endpoints: ["198.51.100.1:1"], homeDerp: 1, discoKey: `discokey:${"a".repeat(64)}` as never },
    ],
    ["Hostinfo and presence", { hostinfo: { OS: "darwin" }, isOnline: false }],
    ["name and tags", { name: "other", tags: ["tag:a"], userId: null }],
    ["nothing", {}],
  ])("stores a change of %s of a node that it wrote, or that it loaded", async (_what, change) => {
    await inFreshObject((storage) => {
      const writer = new TailnetStore(openDatabase(storage, MIGRATIONS));
      writer.commit([
        { type: "user-put", user },
        { type: "node-put", node },
      ]);
      writer.commit([{ type: "node-put", node: { ...node, ...change } }]);
      writer.storeLate();
      const loader = new TailnetStore(openDatabase(storage, MIGRATIONS));
      const [loaded] = loader.load().nodes;
      expect(loaded).toEqual({ ...node, ...change });
      if (loaded !== undefined) loader.commit([{ type: "node-put", node: { ...loaded, ...change, lastSeenAt: 9 } }]);
      loader.storeLate();
      const [again] = new TailnetStore(openDatabase(storage, MIGRATIONS)).load().nodes;
      expect(again).toEqual({ ...node, ...change, lastSeenAt: 9 });
    });
  });

  it("stores a whole node after its removal, and after a command that was rolled back", async () => {
    await inFreshObject((storage) => {
      const store = new TailnetStore(openDatabase(storage, MIGRATIONS));
      const put: Change = { type: "node-put", node };
      store.commit([{ type: "user-put", user }, put]);
      store.commit([{ type: "node-removed", id: node.id }]);
      const clash: Node = { ...node, id: 8, stableId: "n8CNTRL", ipv4: "100.64.0.8", ipv6: "fd7a:115c:a1e0::8" };
      expect(() => store.commit([put, { type: "node-put", node: clash }])).toThrow();
      store.commit([put]);
      expect([...store.load().nodes]).toEqual([node]);
    });
  });

  it("makes a private key once", async () => {
    await inFreshObject((storage) => {
      const store = new TailnetStore(openDatabase(storage, MIGRATIONS));
      expect(store.privateKey("noise", () => "aa")).toBe(store.privateKey("noise", () => "bb"));
    });
  });
});

describe("the stream buffer", () => {
  it("gives bytes back in order, in whatever pieces the windows admit", async () => {
    await inFreshObject((storage) => {
      const buffer = new StreamBuffer(openDatabase(storage, MIGRATIONS));
      const bytes = crypto.getRandomValues(new Uint8Array(60_000));
      for (let i = 0; i < 10; i++) buffer.append("socket", 1, "out", bytes);
      buffer.append("socket", 3, "out", bytes);
      const sent: number[] = [];
      for (const window of [1, 70_000, 0, 1_000_000]) {
        let left = window;
        buffer.drain("socket", 1, (piece) => {
          const taken = Math.min(left, piece.length);
          left -= taken;
          for (const byte of piece.subarray(0, taken)) sent.push(byte);
          return taken;
        });
      }
      expect(sent).toHaveLength(600_000);
      expect(sent.every((byte, i) => byte === bytes[i % 60_000])).toBe(true);
      buffer.keepOnly(new Set(["other"]));
      expect(buffer.take("socket", 3, "out")).toHaveLength(0);
    });
  });
});
