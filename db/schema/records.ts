// What administrators configure (worker/tailnet/entities/configuration).
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Records of all collections as JSON. */
export const records = sqliteTable(
  "records",
  {
    collection: text().notNull(),
    id: text().notNull(),
    record: text({ mode: "json" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.collection, table.id] })],
);

/** Webhook events that wait to be delivered, each with the body as it will be sent. */
export const webhookDeliveries = sqliteTable("webhook_deliveries", {
  id: integer().primaryKey({ autoIncrement: true }),
  webhookId: text("webhook_id").notNull(),
  body: text().notNull(),
  attempts: integer().notNull(),
  createdAt: integer("created_at").notNull(),
  dueAt: integer("due_at").notNull(),
});

/** How far each log stream has come, and how it fares. */
export const logStreamStates = sqliteTable("log_stream_states", {
  id: text().primaryKey(),
  state: text({ mode: "json" }).notNull(),
});
