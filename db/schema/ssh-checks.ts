// Check mode of Tailscale SSH.
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Logins that wait for a person, and answers kept for destinations that lost the reply. */
export const sshChecks = sqliteTable("ssh_checks", {
  id: text().primaryKey(),
  sourceId: integer("source_id").notNull(),
  destinationId: integer("destination_id").notNull(),
  localUser: text("local_user").notNull(),
  userId: integer("user_id").notNull(),
  createdAt: integer("created_at").notNull(),
  expiresAt: integer("expires_at").notNull(),
  state: text().notNull(),
});

/** Checks that were passed, until the longest period that a policy may ask for is over. */
export const passedSSHChecks = sqliteTable("passed_ssh_checks", {
  id: text().primaryKey(),
  sourceId: integer("source_id").notNull(),
  userId: integer("user_id").notNull(),
  passedAt: integer("passed_at").notNull(),
});
