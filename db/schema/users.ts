// Users.
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Users. Ids are never used twice: the tailnet's counters only grow. */
export const users = sqliteTable("users", {
  id: integer().primaryKey(),
  stableId: text("stable_id").notNull().unique(),
  loginName: text("login_name").notNull().unique(),
  displayName: text("display_name").notNull(),
  profilePicUrl: text("profile_pic_url").notNull(),
  role: text().notNull(),
  isSuspended: integer("is_suspended", { mode: "boolean" }).notNull(),
  isApproved: integer("is_approved", { mode: "boolean" }).notNull().default(true),
  createdAt: integer("created_at").notNull(),
});
