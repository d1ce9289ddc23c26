// The audit log in the database: in the same transaction as what it tells of, in order, and not for ever.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { AuditLog } from "../../db/audit-log.ts";
import { MIGRATIONS } from "../../db/migrations.ts";
import { openDatabase } from "../../db/open.ts";
import { TailnetStore } from "../../db/tailnet-store.ts";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { AUDIT_MAX_EVENTS } from "../../worker/protocol/limits.ts";
import { AUDIT_RETENTION_MS, type AuditEvent } from "../../worker/tailnet/audit/audit-event.ts";
import { api, node, person, seed } from "./support/api.ts";

const event = (at: number, more: Partial<AuditEvent> = {}): AuditEvent => ({
  at,
  groupId: "00",
  origin: "CONTROL",
  actor: { id: "", type: "AUTOMATED_WORKER", loginName: "", displayName: "" },
  target: { id: "", name: "", type: "TAILNET" },
  action: "UPDATE",
  ...more,
});
const EVERYTHING = { from: 0, to: Number.MAX_SAFE_INTEGER, after: 0, limit: 1_000 };

/** The audit log of an object of its own. */
async function withLog<T>(name: string, work: (log: AuditLog, storage: DurableObjectStorage) => T): Promise<T> {
  return await runInDurableObject(env.TAILNET.getByName(name), (_, { storage }) =>
    work(new AuditLog(openDatabase(storage, MIGRATIONS)), storage),
  );
}

it("gives entries back as they were, by time and number", async () => {
  await withLog("as they were", (log) => {
    const full = event(2, { before: ["a"], after: { b: false }, target: { id: "n", name: "x", type: "NODE" } });
    log.add([event(1), full, event(2), event(3)]);
    const all = log.read(EVERYTHING);
    expect(all).toMatchObject([event(1), full, event(2), event(3)]);
    expect(all.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
    expect(log.read({ ...EVERYTHING, from: 2, to: 2 })).toEqual(all.slice(1, 3));
    expect(log.read({ ...EVERYTHING, after: all[1]?.id ?? 0, limit: 1 })).toEqual(all.slice(2, 3));
  });
});

it("forgets what is too old, and the oldest of too many", async () => {
  await withLog("not for ever", (log, { sql }) => {
    log.add([event(1), event(2)]);
    log.add([event(AUDIT_RETENTION_MS + 2)]);
    expect(log.read(EVERYTHING).map(({ at }) => at)).toEqual([2, AUDIT_RETENTION_MS + 2]);
    sql.exec("update sqlite_sequence set seq = ? where name = 'audit_events'", AUDIT_MAX_EVENTS + 1);
    log.add([event(AUDIT_RETENTION_MS + 2)]);
    expect(log.read(EVERYTHING).map(({ id }) => id)).toEqual([3, AUDIT_MAX_EVENTS + 2]);
  });
});

it("is not written when the change is not", async () => {
  await withLog("all or nothing", (log, storage) => {
    const store = new TailnetStore(openDatabase(storage, MIGRATIONS));
    const twin = node(2, { userId: null, tags: ["tag:x"], nodeKey: node(1).nodeKey });
    const changes = [node(1, { tags: ["tag:x"] }), twin].map((made) => ({ type: "node-put", node: made }) as const);
    expect(() => store.commit(changes, [event(1)])).toThrow();
    expect(log.read(EVERYTHING)).toEqual([]);
    store.commit(changes.slice(0, 1), [event(1)]);
    expect(log.read(EVERYTHING)).toHaveLength(1);
  });
});

it("has an entry for what is done through the API, with the actor", async () => {
  const { user, token } = await person(100, "admin");
  await seed({ type: "node-put", node: node(1, { userId: 100 }) });
  expect((await api("/device/1/name", { body: { name: "renamed" }, token })).status).toBe(200);
  expect((await api("/device/1/name", { body: { name: "-" }, token })).status).toBe(400);
  const entries = await runInDurableObject(tailnetFor(env), (_, { storage }) =>
    new AuditLog(openDatabase(storage, MIGRATIONS)).read(EVERYTHING),
  );
  expect(entries).toMatchObject([
    {
      groupId: expect.stringMatching(/^[0-9a-f]{32}$/),
      origin: "CONFIG_API",
      actor: { id: user.stableId, type: "USER", loginName: user.loginName },
      target: { id: node(1).stableId, name: "renamed", type: "NODE", property: "MACHINE_NAME" },
      before: "node-1",
      after: "renamed",
    },
  ]);
});
