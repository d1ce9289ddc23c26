// Secrets: auth keys and API tokens as hashes, and the private keys that are the tailnet itself.
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { users } from "./users.ts";

/** Auth keys; the secret is stored as SHA-256 only. */
export const authKeys = sqliteTable("auth_keys", {
  id: text().primaryKey(),
  hash: text().notNull(),
  description: text().notNull(),
  userId: integer("user_id").references(() => users.id),
  isReusable: integer("is_reusable", { mode: "boolean" }).notNull(),
  isEphemeral: integer("is_ephemeral", { mode: "boolean" }).notNull(),
  isPreauthorized: integer("is_preauthorized", { mode: "boolean" }).notNull(),
  tags: text({ mode: "json" }).notNull(),
  createdAt: integer("created_at").notNull(),
  expiresAt: integer("expires_at").notNull(),
  revokedAt: integer("revoked_at"),
  usedAt: integer("used_at"),
});

/** API tokens; the secret is stored as SHA-256 only. */
export const apiTokens = sqliteTable("api_tokens", {
  id: text().primaryKey(),
  hash: text().notNull(),
  userId: integer("user_id")
    .notNull()
    .references(() => users.id),
  description: text().notNull(),
  createdAt: integer("created_at").notNull(),
  expiresAt: integer("expires_at").notNull(),
  revokedAt: integer("revoked_at"),
});

/** OAuth clients and federated identities; an OAuth client's secret is stored as SHA-256 only. */
export const trustCredentials = sqliteTable("trust_credentials", {
  id: text().primaryKey(),
  hash: text().notNull(),
  description: text().notNull(),
  scopes: text({ mode: "json" }).notNull(),
  tags: text({ mode: "json" }).notNull(),
  userId: integer("user_id"),
  createdAt: integer("created_at").notNull(),
  updatedAt: integer("updated_at"),
  revokedAt: integer("revoked_at"),
  federation: text({ mode: "json" }),
});

/** Access tokens of OAuth clients and federated identities; the secret is stored as SHA-256 only. */
export const accessTokens = sqliteTable("access_tokens", {
  id: text().primaryKey(),
  hash: text().notNull(),
  credentialId: text("credential_id")
    .notNull()
    .references(() => trustCredentials.id),
  description: text().notNull(),
  scopes: text({ mode: "json" }).notNull(),
  tags: text({ mode: "json" }).notNull(),
  createdAt: integer("created_at").notNull(),
  expiresAt: integer("expires_at").notNull(),
  revokedAt: integer("revoked_at"),
});

/** The tailnet's own private keys, by purpose; raw bytes as hex. */
export const privateKeys = sqliteTable("private_keys", {
  purpose: text().primaryKey(),
  hex: text().notNull(),
});

/** Key pairs that sign identity tokens of nodes; PKCS #8 in base64. */
export const identityKeys = sqliteTable("identity_keys", {
  id: text().primaryKey(),
  createdAt: integer("created_at").notNull(),
  privateKey: text("private_key").notNull(),
});
