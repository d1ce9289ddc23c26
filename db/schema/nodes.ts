// Nodes and what elections among them decided.
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { users } from "./users.ts";

/** Nodes. Lists and Hostinfo are JSON text; instants are milliseconds since 1970. */
export const nodes = sqliteTable(
  "nodes",
  {
    id: integer().primaryKey(),
    stableId: text("stable_id").notNull().unique(),
    machineKey: text("machine_key").notNull(),
    nodeKey: text("node_key").notNull().unique(),
    discoKey: text("disco_key"),
    tailnetLockKey: text("tailnet_lock_key"),
    userId: integer("user_id").references(() => users.id),
    tags: text({ mode: "json" }).notNull(),
    name: text().notNull().unique(),
    isNameFixed: integer("is_name_fixed", { mode: "boolean" }).notNull(),
    ipv4: text().notNull().unique(),
    ipv6: text().notNull().unique(),
    hostinfo: text({ mode: "json" }).notNull(),
    endpoints: text({ mode: "json" }).notNull(),
    homeDerp: integer("home_derp").notNull(),
    capabilityVersion: integer("capability_version").notNull(),
    createdAt: integer("created_at").notNull(),
    keyExpiresAt: integer("key_expires_at"),
    isKeyExpiryDisabled: integer("is_key_expiry_disabled", { mode: "boolean" }).notNull(),
    isAuthorized: integer("is_authorized", { mode: "boolean" }).notNull(),
    isEphemeral: integer("is_ephemeral", { mode: "boolean" }).notNull(),
    approvedRoutes: text("approved_routes", { mode: "json" }).notNull(),
    isOnline: integer("is_online", { mode: "boolean" }).notNull(),
    disconnectedAt: integer("disconnected_at"),
    lastSeenAt: integer("last_seen_at"),
    authKeyId: text("auth_key_id"),
    attributes: text({ mode: "json" }).notNull().default({}),
  },
  (table) => [index("nodes_machine_key").on(table.machineKey)],
);

/** Primary subnet router per prefix, kept so that an election survives a restart. */
export const routePrimaries = sqliteTable("route_primaries", {
  prefix: text().primaryKey(),
  nodeId: integer("node_id").notNull(),
});
