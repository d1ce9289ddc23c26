// The keys of the token issuer in SQLite (worker/tailnet/entities/identity-key.ts).
import { asc, notInArray } from "drizzle-orm";
import type { IdentityKey } from "../worker/tailnet/entities/identity-key.ts";
import type { Database } from "./open.ts";
import { identityKeys } from "./schema/index.ts";

/** Every key that is kept, oldest first. */
export function readIdentityKeys(db: Database): readonly IdentityKey[] {
  return db.select().from(identityKeys).orderBy(asc(identityKeys.createdAt)).all();
}

/** Adds a key and forgets those that are not among `kept`. */
export function addIdentityKey(db: Database, key: IdentityKey, kept: readonly IdentityKey[]): void {
  db.insert(identityKeys).values(key).run();
  const ids = [...kept, key].map(({ id }) => id);
  db.delete(identityKeys).where(notInArray(identityKeys.id, ids)).run();
}
