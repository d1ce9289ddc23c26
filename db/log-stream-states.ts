// How far each log stream has come, in SQLite.
import { eq } from "drizzle-orm";
import type { LogType } from "../worker/tailnet/entities/configuration/log-stream.ts";
import type { LogStreamState } from "../worker/tailnet/log-streams/log-stream-state.ts";
import type { Database } from "./open.ts";
import { logStreamStates } from "./schema/index.ts";

/** The states of one tailnet's streams. */
export class LogStreamStates {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  get(id: LogType): LogStreamState | undefined {
    const row = this.#db.select().from(logStreamStates).where(eq(logStreamStates.id, id)).get();
    return row?.state as LogStreamState | undefined;
  }

  put(id: LogType, state: LogStreamState): void {
    this.#db
      .insert(logStreamStates)
      .values({ id, state })
      .onConflictDoUpdate({ target: logStreamStates.id, set: { state } })
      .run();
  }

  remove(id: LogType): void {
    this.#db.delete(logStreamStates).where(eq(logStreamStates.id, id)).run();
  }
}
