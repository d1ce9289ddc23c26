// What is put in the place of an empty tailnet (tailnet-store.ts).
import type { Change } from "../worker/tailnet/change.ts";
import type { Database } from "./open.ts";
import * as schema from "./schema/index.ts";

/** A tailnet to be stored. */
export interface Replacement {
  readonly changes: readonly Change[];
  /** Primary router per prefix. */
  readonly primaries: readonly { readonly prefix: string; readonly nodeId: number }[];
  /** Private keys by purpose, hex. */
  readonly keys: { readonly noise: string; readonly session?: string };
}

/** All but the audit log; those that refer to others before these. */
const TABLES = [
  schema.accessTokens,
  schema.trustCredentials,
  schema.apiTokens,
  schema.authKeys,
  schema.pendingRegistrations,
  schema.sshChecks,
  schema.passedSSHChecks,
  schema.routePrimaries,
  schema.nodes,
  schema.users,
  schema.records,
  schema.policies,
  schema.tailnetState,
  schema.privateKeys,
  schema.webhookDeliveries,
  schema.logStreamStates,
];

/** Removes a tailnet. Runs inside the caller's transaction. */
export function emptyTables(db: Database): void {
  for (const table of TABLES) db.delete(table).run();
}
