// What there is one of in a tailnet: settings, counters, the policy file with its history.
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Settings and counters of the tailnet: one row, id 1. */
export const tailnetState = sqliteTable("tailnet_state", {
  id: integer().primaryKey(),
  settings: text({ mode: "json" }).notNull(),
  nextNodeId: integer("next_node_id").notNull(),
  nextUserId: integer("next_user_id").notNull(),
  nextAddress: integer("next_address").notNull(),
});

/** Policy files, every version; the one with the highest id is in force. */
export const policies = sqliteTable("policies", {
  id: integer().primaryKey({ autoIncrement: true }),
  text: text().notNull(),
  isDefault: integer("is_default", { mode: "boolean" }).notNull(),
  savedAt: integer("saved_at").notNull(),
  author: text().notNull(),
});
