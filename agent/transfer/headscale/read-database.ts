// Reads headscale's SQLite database: the rows as they are, and nothing is written.
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** A row. Values are texts, numbers or null; lists are JSON, instants as Go's SQLite driver writes them. */
export type Row = Readonly<Record<string, string | number | null>>;

/** What of a database is moved. */
export interface HeadscaleRows {
  readonly users: readonly Row[];
  readonly nodes: readonly Row[];
  readonly preAuthKeys: readonly Row[];
  /** The newest policy; null: it is kept in a file. */
  readonly policy: string | null;
}

/** Reads a database. @throws Error that says what is wrong with the file */
export function readHeadscale(path: string): HeadscaleRows {
  if (!existsSync(path)) throw new Error(`${path} does not exist`);
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = (table: string, condition = "1") =>
      database.prepare(`select * from ${table} where ${condition} order by id`).all() as Row[];
    const policy = rows("policies", "deleted_at is null").at(-1)?.data;
    return {
      users: rows("users", "deleted_at is null"),
      nodes: rows("nodes", "deleted_at is null"),
      preAuthKeys: rows("pre_auth_keys"),
      policy: typeof policy === "string" && policy.trim() !== "" ? policy : null,
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${path} is no database of a recent headscale (0.26 or newer): ${reason}`, { cause });
  } finally {
    database.close();
  }
}
