// What administrators configure beside nodes, users and keys: small collections of records that are read whole and
// replaced whole. All of them travel through the same two changes and lie in one table, as JSON.
import type { Issuer } from "./issuer.ts";
import type { ExternalId, LogStream } from "./log-stream.ts";
import type { PostureIdentity } from "./posture-identity.ts";
import type { PostureIntegration } from "./posture-integration.ts";
import type { UserInvite } from "./user-invite.ts";
import type { Service, ServiceReport } from "./virtual-address.ts";
import type { Webhook } from "./webhook.ts";

/** The collections, by name; every record has an id that is unique in its collection. */
export interface Collections {
  readonly services: Service;
  readonly "service-reports": ServiceReport;
  readonly webhooks: Webhook;
  readonly "log-streams": LogStream;
  readonly "external-ids": ExternalId;
  readonly "posture-integrations": PostureIntegration;
  readonly "user-invites": UserInvite;
  readonly "posture-identities": PostureIdentity;
  readonly issuers: Issuer;
}

/** Name of a collection. */
export type CollectionName = keyof Collections;

/** The records of a tailnet. */
export type Records = { readonly [C in CollectionName]: Map<string, Collections[C]> };

/** A record that comes or replaces the one before. */
export type RecordPut = {
  [C in CollectionName]: { readonly type: "record-put"; readonly collection: C; readonly record: Collections[C] };
}[CollectionName];

/** A record that goes. */
export interface RecordRemoved {
  readonly type: "record-removed";
  readonly collection: CollectionName;
  readonly id: string;
  /** An invite that somebody accepted goes by that. */
  readonly isAccepted?: true;
}

/** No records. */
export function noRecords(): Records {
  return {
    services: new Map(),
    "service-reports": new Map(),
    webhooks: new Map(),
    "log-streams": new Map(),
    "external-ids": new Map(),
    "posture-integrations": new Map(),
    "user-invites": new Map(),
    "posture-identities": new Map(),
    issuers: new Map(),
  };
}

/** Enters a record into its collection. */
export function putRecord(records: Records, { collection, record }: Pick<RecordPut, "collection" | "record">): void {
  (records[collection] as Map<string, unknown>).set(record.id, record);
}
