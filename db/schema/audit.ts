// The configuration audit log.
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Entries of the audit log in order; the oldest are removed as new ones come (limits.ts). Values are JSON texts. */
export const auditEvents = sqliteTable(
  "audit_events",
  {
    id: integer().primaryKey({ autoIncrement: true }),
    at: integer().notNull(),
    groupId: text("group_id").notNull(),
    origin: text().notNull(),
    actor: text({ mode: "json" }).notNull(),
    target: text({ mode: "json" }).notNull(),
    action: text().notNull(),
    before: text({ mode: "json" }),
    after: text({ mode: "json" }),
  },
  (table) => [index("audit_events_at").on(table.at)],
);
