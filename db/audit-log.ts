// The configuration audit log in SQLite. Entries are added in the transaction of the changes that they tell of.
import { and, asc, desc, gt, gte, lt, lte, or, type SQL, sql } from "drizzle-orm";
import { AUDIT_MAX_EVENTS } from "../worker/protocol/limits.ts";
import { AUDIT_RETENTION_MS, type AuditEvent } from "../worker/tailnet/audit/audit-event.ts";
import type { Database } from "./open.ts";
import { auditEvents } from "./schema/index.ts";
import { whenFirstUsed } from "./when-first-used.ts";

/** Part of the log. */
export interface AuditQuery {
  /** First and last instant, both included. */
  readonly from: number;
  readonly to: number;
  /** Only entries after this number. */
  readonly after: number;
  /** At most so many entries. */
  readonly limit: number;
}

/** An entry with its number, which grows. */
export type NumberedAuditEvent = AuditEvent & { readonly id: number };

/** The audit log of one tailnet. */
export class AuditLog {
  readonly #db: Database;

  // Prepared: a registration adds an entry, and building its two queries took more time than its own row.
  readonly #insert;
  readonly #remove;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = whenFirstUsed(() => prepareInsert(db));
    this.#remove = whenFirstUsed(() => prepareRemove(db));
  }

  /** Adds entries and removes those that are too old or too many. Runs inside the caller's transaction. */
  add(events: readonly AuditEvent[]): void {
    if (events.length === 0) return;
    const [insert, remove] = [this.#insert(), this.#remove()];
    for (const { at, groupId, origin, actor, target, action, before = null, after = null } of events) {
      const row = { at, groupId, origin, actor, target, action, before, after };
      const { id } = insert.get(row);
      remove.run({ lastId: id - AUDIT_MAX_EVENTS, oldest: at - AUDIT_RETENTION_MS });
    }
  }

  /** Number of the newest entry that there ever was. */
  lastId(): number {
    const { id } = auditEvents;
    return this.#db.select({ id }).from(auditEvents).orderBy(desc(id)).limit(1).get()?.id ?? 0;
  }

  /** At most `limit` entries after a number, in order. */
  after(id: number, limit: number): NumberedAuditEvent[] {
    return this.read({ from: 0, to: Number.MAX_SAFE_INTEGER, after: id, limit });
  }

  /** Those of the entries with these numbers that are still there, in order. */
  those(ids: readonly number[]): NumberedAuditEvent[] {
    const isWanted = sql`${auditEvents.id} in (select value from json_each(${JSON.stringify(ids)}))`;
    return this.#select(isWanted, ids.length);
  }

  /** Entries in order. */
  read({ from, to, after, limit }: AuditQuery): NumberedAuditEvent[] {
    return this.#select(and(gte(auditEvents.at, from), lte(auditEvents.at, to), gt(auditEvents.id, after)), limit);
  }

  #select(isWanted: SQL | undefined, limit: number): NumberedAuditEvent[] {
    const rows = this.#db.select().from(auditEvents).where(isWanted).orderBy(asc(auditEvents.id)).limit(limit).all();
    return rows.map(({ before, after, ...row }) => ({
      ...(row as Omit<NumberedAuditEvent, "before" | "after">),
      ...(before !== null && { before }),
      ...(after !== null && { after }),
    }));
  }
}

function prepareInsert(db: Database) {
  const names = ["at", "groupId", "origin", "actor", "target", "action", "before", "after"] as const;
  const values = Object.fromEntries(names.map((name) => [name, sql.placeholder(name)]));
  return db
    .insert(auditEvents)
    .values(values as unknown as typeof auditEvents.$inferInsert)
    .returning({ id: auditEvents.id })
    .prepare();
}

function prepareRemove(db: Database) {
  const isOver = or(lte(auditEvents.id, sql.placeholder("lastId")), lt(auditEvents.at, sql.placeholder("oldest")));
  return db.delete(auditEvents).where(isOver).prepare();
}
