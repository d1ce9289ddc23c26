// The history of the policy file: every version that was accepted, newest first, of which the oldest are forgotten.
import { desc, eq, lte } from "drizzle-orm";
import type { PolicyVersion } from "../worker/tailnet/change.ts";
import type { Database } from "./open.ts";
import { policies } from "./schema/index.ts";

/** Versions kept; the platform holds 10 GB for a tailnet, and a policy file may have 1 MiB. */
const POLICY_VERSIONS_KEPT = 200;

/** A version without its text. */
export type PolicyVersionSummary = Omit<PolicyVersion, "text"> & { readonly id: number };

/** Reads the history. */
export class PolicyVersions {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** All versions, newest first. */
  list(): PolicyVersionSummary[] {
    const { id, isDefault, savedAt, author } = policies;
    return this.#db.select({ id, isDefault, savedAt, author }).from(policies).orderBy(desc(id)).all();
  }

  /** One version; undefined when there is none, or it is forgotten. */
  get(id: number): PolicyVersion | undefined {
    return this.#db.select().from(policies).where(eq(policies.id, id)).get();
  }
}

/** Stores a version as the newest. */
export function putPolicyVersion(db: Database, version: PolicyVersion): void {
  const { id } = db.insert(policies).values(version).returning({ id: policies.id }).get();
  db.delete(policies)
    .where(lte(policies.id, id - POLICY_VERSIONS_KEPT))
    .run();
}

/** The versions before the newest, newest first, each read when it is asked for. */
export function* earlierPolicies(db: Database): Generator<PolicyVersion> {
  const ids = db.select({ id: policies.id }).from(policies).orderBy(desc(policies.id)).all();
  for (const { id } of ids.slice(1)) {
    const row = db.select().from(policies).where(eq(policies.id, id)).get();
    if (row !== undefined) yield row;
  }
}
