// Logins in progress.
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Registrations that wait for a person, and answers kept for clients that lost the reply. */
export const pendingRegistrations = sqliteTable("pending_registrations", {
  id: text().primaryKey(),
  machineKey: text("machine_key").notNull(),
  nodeKey: text("node_key").notNull(),
  oldNodeKey: text("old_node_key"),
  tailnetLockKey: text("tailnet_lock_key"),
  hostinfo: text({ mode: "json" }).notNull(),
  capabilityVersion: integer("capability_version").notNull(),
  isEphemeral: integer("is_ephemeral", { mode: "boolean" }).notNull(),
  remoteAddress: text("remote_address").notNull(),
  createdAt: integer("created_at").notNull(),
  expiresAt: integer("expires_at").notNull(),
  state: text().notNull(),
  userId: integer("user_id"),
  nodeId: integer("node_id"),
});
