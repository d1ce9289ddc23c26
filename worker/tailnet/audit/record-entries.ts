// Configured records in the audit log. Secrets are left out by naming what goes in.

import type { Collections, RecordPut, RecordRemoved, Records } from "../entities/configuration/collections.ts";
import { keyIdsOf } from "../entities/configuration/issuer.ts";
import { hashSecret } from "../entities/secret-token.ts";
import type { AuditEntry, AuditTarget } from "./audit-event.ts";

/** A record as the log shows it; undefined for what nodes report by themselves. */
interface Described {
  readonly target: AuditTarget;
  readonly summary: unknown;
}

type Describe = { readonly [C in keyof Collections]: (record: Collections[C]) => Described | undefined };

const tailnet = (id: string, name: string, property: string): AuditTarget => ({ id, name, type: "TAILNET", property });

const DESCRIBE: Describe = {
  services: ({ id, decisions, ...rest }) => ({
    target: tailnet(id, rest.name, "FEATURE"),
    summary: { ...rest, hosts: decisions },
  }),
  "service-reports": () => undefined,
  "posture-identities": () => undefined,
  webhooks: ({ id, url, provider, subscriptions }) => ({
    target: { id, name: url, type: "WEBHOOK_ENDPOINT" },
    summary: { endpointUrl: url, providerType: provider, subscriptions },
  }),
  "log-streams": ({ id, destination, settings }) => ({
    target: tailnet(id, id, "LOGSTREAM_ENDPOINT"),
    summary: { destinationType: destination, ...settings },
  }),
  "external-ids": ({ id, isReusable }) => ({
    target: tailnet(id, "external id", "LOGSTREAM_ENDPOINT"),
    summary: { externalId: id, reusable: isReusable },
  }),
  "posture-integrations": ({ id, provider, cloudId, clientId, tenantId }) => ({
    target: tailnet(id, provider, "POSTURE_INTEGRATION"),
    summary: { provider, cloudId, clientId, tenantId },
  }),
  issuers: ({ id, ...issuer }) => ({
    target: tailnet(id, issuer.issuer, "IDENTITY_ISSUER"),
    summary: {
      issuer: issuer.issuer,
      publishers: issuer.publishers,
      keysLifetimeSeconds: issuer.keysLifetimeMs / 1000,
      keyIds: keyIdsOf({ id, ...issuer }),
      keysSha256: issuer.jwks === null ? "" : hashSecret(issuer.jwks),
    },
  }),
  "user-invites": ({ id, email, role }) => ({
    target: { id, name: email, type: "INVITE", property: "TAILNET_INVITE" },
    summary: { role, ...(email !== "" && { email }) },
  }),
};

/** What a record that comes or changes means. */
export function recordEntries(records: Records, { collection, record }: RecordPut): readonly AuditEntry[] {
  const after = describe(collection, record);
  if (after === undefined) return [];
  const old = records[collection].get(record.id);
  if (old === undefined) return [{ target: after.target, action: "CREATE", after: after.summary }];
  const before = describe(collection, old)?.summary;
  if (JSON.stringify(before) !== JSON.stringify(after.summary)) {
    return [{ target: after.target, action: "UPDATE", before, after: after.summary }];
  }
  if (collection === "issuers") return []; // it has no secret: its keys were confirmed
  return [{ target: { ...after.target, property: "SECRET" }, action: "UPDATE" }];
}

/** What a record that goes means. */
export function recordRemovedEntries(
  records: Records,
  { collection, id, isAccepted }: RecordRemoved,
): readonly AuditEntry[] {
  const old = records[collection].get(id);
  const described = old === undefined ? undefined : describe(collection, old);
  return described === undefined
    ? []
    : [{ target: described.target, action: isAccepted ? "ACCEPT" : "DELETE", before: described.summary }];
}

function describe<C extends keyof Collections>(collection: C, record: Collections[keyof Collections]) {
  return DESCRIBE[collection](record as Collections[C]);
}
