// Opens the object's database: applies what is missing of the migrations, then hands out drizzle. Own applier because
// the stock one hides errors and skips files that were merged late (platform.md 2.4).
import { type DrizzleSqliteDODatabase, drizzle } from "drizzle-orm/durable-sqlite";
import type { Migration } from "./migrations.ts";
import * as schema from "./schema/index.ts";

/** Drizzle over a Durable Object's SQLite; synchronous. */
export type Database = DrizzleSqliteDODatabase<typeof schema>;

/** Brings the schema up to date and opens the database. @throws Error naming the migration that failed */
export function openDatabase(storage: DurableObjectStorage, migrations: readonly Migration[]): Database {
  applyMigrations(storage, migrations);
  return drizzle(storage, { schema });
}

/**
 * Applies the migrations that the database lacks, each in a transaction of its own.
 * @returns tags of those applied
 * @throws Error when one fails (it is rolled back) or when the database is newer than this code
 */
export function applyMigrations(storage: DurableObjectStorage, migrations: readonly Migration[]): string[] {
  const { sql } = storage;
  sql.exec("create table if not exists schema_migrations (tag text primary key, applied_at integer not null) strict");
  const present = new Set(
    sql
      .exec<{ tag: string }>("select tag from schema_migrations")
      .toArray()
      .map((row) => row.tag),
  );
  for (const tag of present) {
    if (!migrations.some((migration) => migration.tag === tag)) {
      throw new Error(`database is newer than this code: it has migration ${tag}`);
    }
  }
  const missing = migrations.filter((migration) => !present.has(migration.tag));
  for (const migration of missing) applyMigration(storage, migration);
  return missing.map((migration) => migration.tag);
}

function applyMigration(storage: DurableObjectStorage, migration: Migration): void {
  const { sql } = storage;
  try {
    storage.transactionSync(() => {
      for (const statement of migration.sql.split("--> statement-breakpoint")) {
        if (statement.trim() !== "") sql.exec(statement);
      }
      const violations = sql.exec("pragma foreign_key_check").toArray();
      if (violations.length > 0) throw new Error(`${violations.length} foreign key violations`);
      sql.exec("insert into schema_migrations values (?, ?)", migration.tag, Date.now());
    });
  } catch (cause) {
    throw new Error(`migration ${migration.tag} failed: ${cause instanceof Error ? cause.message : "?"}`, { cause });
  }
}
