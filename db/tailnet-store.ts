// The tailnet's records in SQLite: load() for the state at start, commit() for the changes of a command. The only
// place that opens a transaction.
import { and, desc, eq } from "drizzle-orm";
import { DEFAULT_POLICY } from "../worker/policy/authority.ts";
import type { PolicyEffect } from "../worker/policy/engine.ts";
import { unreachable } from "../worker/protocol/errors.ts";
import type { AuditEvent } from "../worker/tailnet/audit/audit-event.ts";
import type { Change, Counters, PolicyVersion } from "../worker/tailnet/change.ts";
import type { CollectionName, RecordPut } from "../worker/tailnet/entities/configuration/collections.ts";
import { DEFAULT_SETTINGS, type Settings } from "../worker/tailnet/entities/settings.ts";
import { FIRST_USER_ID } from "../worker/tailnet/entities/user.ts";
import type { StoredTailnet } from "../worker/tailnet/tailnet.ts";
import { AuditLog } from "./audit-log.ts";
import { LogStreamStates } from "./log-stream-states.ts";
import { NodeWriter } from "./node-writer.ts";
import type { Database } from "./open.ts";
import { earlierPolicies, putPolicyVersion } from "./policy-versions.ts";
import { emptyTables, type Replacement } from "./replace-tailnet.ts";
import {
  toAccessToken,
  toAuthKey,
  toNode,
  toPendingRegistration,
  toSSHCheck,
  toTrustCredential,
  toUser,
} from "./rows.ts";
import * as schema from "./schema/index.ts";
import { prepareUpsert } from "./upsert.ts";
import { type WebhookMessage, WebhookQueue } from "./webhook-queue.ts";

const NEW_COUNTERS: Counters = { nextNodeId: 1, nextUserId: FIRST_USER_ID, nextAddress: 1 };
const COUNTERS = ["nextNodeId", "nextUserId", "nextAddress"] as const satisfies readonly (keyof Counters)[];
const STATE_ROW = 1;

/** Records of one tailnet. */
export class TailnetStore {
  /** What was done to the tailnet, and by whom. */
  readonly auditLog: AuditLog;
  /** Events that wait to be delivered. */
  readonly webhookQueue: WebhookQueue;
  /** How far log streams have come. */
  readonly logStreamStates: LogStreamStates;
  readonly #db: Database;
  readonly #nodes: NodeWriter;
  readonly #put;

  constructor(db: Database) {
    this.#db = db;
    this.auditLog = new AuditLog(db);
    this.webhookQueue = new WebhookQueue(db);
    this.logStreamStates = new LogStreamStates(db);
    this.#nodes = new NodeWriter(db);
    this.#put = {
      user: prepareUpsert(db, schema.users, schema.users.id),
      authKey: prepareUpsert(db, schema.authKeys, schema.authKeys.id),
      apiToken: prepareUpsert(db, schema.apiTokens, schema.apiTokens.id),
      credential: prepareUpsert(db, schema.trustCredentials, schema.trustCredentials.id),
      accessToken: prepareUpsert(db, schema.accessTokens, schema.accessTokens.id),
      pending: prepareUpsert(db, schema.pendingRegistrations, schema.pendingRegistrations.id),
      sshCheck: prepareUpsert(db, schema.sshChecks, schema.sshChecks.id),
      passedSSHCheck: prepareUpsert(db, schema.passedSSHChecks, schema.passedSSHChecks.id),
      settings: prepareUpsert(db, schema.tailnetState, schema.tailnetState.id, ["settings"]),
      counters: prepareUpsert(db, schema.tailnetState, schema.tailnetState.id, COUNTERS),
      primary: prepareUpsert(db, schema.routePrimaries, schema.routePrimaries.prefix),
    };
  }

  /** Everything that is stored; defaults where nothing is. */
  load(): StoredTailnet {
    const db = this.#db;
    const { settings, counters } = this.#readState();
    const nodes = db.select().from(schema.nodes).all().map(toNode);
    this.#nodes.remember(nodes);
    return {
      users: db.select().from(schema.users).all().map(toUser),
      nodes,
      authKeys: db.select().from(schema.authKeys).all().map(toAuthKey),
      apiTokens: db.select().from(schema.apiTokens).all(),
      credentials: db.select().from(schema.trustCredentials).all().map(toTrustCredential),
      accessTokens: db.select().from(schema.accessTokens).all().map(toAccessToken),
      pendings: db.select().from(schema.pendingRegistrations).all().map(toPendingRegistration),
      records: db.select().from(schema.records).all() as unknown as Pick<RecordPut, "collection" | "record">[],
      sshChecks: db.select().from(schema.sshChecks).all().map(toSSHCheck),
      passedSSHChecks: db.select().from(schema.passedSSHChecks).all(),
      settings,
      counters,
      policy: this.#readPolicy(),
      earlierPolicies: earlierPolicies(db),
      primaries: new Map(
        db
          .select()
          .from(schema.routePrimaries)
          .all()
          .map((row) => [row.prefix, row.nodeId]),
      ),
    };
  }

  /**
   * Stores changes with what the audit log and webhooks say of them, all of it or nothing.
   * @returns false when it is left for storeLate(): streams of a node came or went, which may wait (NodeWriter.putLater)
   */
  commit(
    changes: readonly Change[],
    audit: readonly AuditEvent[] = [],
    messages: readonly WebhookMessage[] = [],
  ): boolean {
    if (changes.length === 0) return true;
    const [first] = changes;
    const isOneRow = changes.length === 1 && first?.type === "node-put" && audit.length + messages.length === 0;
    if (isOneRow && this.#nodes.putLater(first.node)) return false;
    // One statement is a transaction by itself; a node that comes or goes writes nothing else.
    if (isOneRow) this.#store(() => this.#nodes.put(first.node));
    else this.#store(() => this.#db.transaction(() => this.#writeAll(changes, audit, messages)));
    return true;
  }

  /** Stores what commit() left, all of it or nothing. */
  storeLate(): void {
    const late = this.#nodes.late();
    const putAll = () => {
      for (const node of late) this.#nodes.put(node);
    };
    if (late.length > 0) this.#store(() => this.#db.transaction(putAll));
    this.#nodes.forgetLate();
  }

  #store(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#nodes.forget();
      throw error;
    }
  }

  /** Stores another tailnet in the place of this one, all of it or nothing; the audit log stays and goes on. */
  replace({ changes, primaries, keys }: Replacement, audit: readonly AuditEvent[]): void {
    this.#nodes.forget();
    this.#nodes.forgetLate();
    this.#db.transaction(() => {
      emptyTables(this.#db);
      for (const change of changes) this.#write(change);
      for (const primary of primaries) this.#put.primary(primary);
      for (const [purpose, hex] of Object.entries(keys)) {
        this.#db.insert(schema.privateKeys).values({ purpose, hex }).run();
      }
      this.auditLog.add(audit);
    });
  }

  /** The private keys that there are, hex. */
  privateKeys(): Readonly<Record<string, string>> {
    const rows = this.#db.select().from(schema.privateKeys).all();
    return Object.fromEntries(rows.map(({ purpose, hex }) => [purpose, hex]));
  }

  /** Stores who is primary for which prefix after a change. */
  commitPrimaries(effects: readonly PolicyEffect[]): void {
    for (const effect of effects) {
      for (const [prefix, nodeId] of effect.primaries) {
        if (nodeId !== null) this.#put.primary({ prefix, nodeId });
        else this.#db.delete(schema.routePrimaries).where(eq(schema.routePrimaries.prefix, prefix)).run();
      }
    }
  }

  /** A private key of the tailnet, made on first use. @returns hex */
  privateKey(purpose: "noise" | "session", make: () => string): string {
    const row = this.#db.select().from(schema.privateKeys).where(eq(schema.privateKeys.purpose, purpose)).get();
    if (row !== undefined) return row.hex;
    const hex = make();
    this.#db.insert(schema.privateKeys).values({ purpose, hex }).run();
    return hex;
  }

  #writeAll(changes: readonly Change[], audit: readonly AuditEvent[], messages: readonly WebhookMessage[]): void {
    for (const change of changes) this.#write(change);
    this.auditLog.add(audit);
    this.webhookQueue.add(messages);
  }

  #write(change: Change): void {
    switch (change.type) {
      case "node-put":
        this.#nodes.put(change.node);
        return;
      case "node-removed":
        this.#nodes.remove(change.id);
        this.#removeRecord("service-reports", String(change.id));
        this.#removeRecord("posture-identities", String(change.id));
        return;
      case "node-reported": // its entry in the audit log is all there is of it
        return;
      case "user-put":
        this.#put.user(change.user);
        return;
      case "user-removed":
        this.#db.delete(schema.users).where(eq(schema.users.id, change.id)).run();
        return;
      case "auth-key-put":
        this.#put.authKey(change.key);
        return;
      case "auth-key-removed":
        this.#db.delete(schema.authKeys).where(eq(schema.authKeys.id, change.id)).run();
        return;
      case "api-token-put":
        this.#put.apiToken(change.token);
        return;
      case "api-token-removed":
        this.#db.delete(schema.apiTokens).where(eq(schema.apiTokens.id, change.id)).run();
        return;
      case "credential-put":
        this.#put.credential(change.credential);
        return;
      case "access-token-put":
        this.#put.accessToken(change.token);
        return;
      case "access-token-removed":
        this.#db.delete(schema.accessTokens).where(eq(schema.accessTokens.id, change.id)).run();
        return;
      case "pending-put":
        this.#put.pending(change.pending);
        return;
      case "pending-removed":
        this.#db.delete(schema.pendingRegistrations).where(eq(schema.pendingRegistrations.id, change.id)).run();
        return;
      case "record-put":
        this.#putRecord(change);
        return;
      case "record-removed":
        this.#removeRecord(change.collection, change.id);
        return;
      case "ssh-check-put":
        this.#put.sshCheck(change.check);
        return;
      case "ssh-check-removed":
        this.#db.delete(schema.sshChecks).where(eq(schema.sshChecks.id, change.id)).run();
        return;
      case "ssh-check-passed":
        this.#put.passedSSHCheck(change.passed);
        return;
      case "ssh-check-forgotten":
        this.#db.delete(schema.passedSSHChecks).where(eq(schema.passedSSHChecks.id, change.id)).run();
        return;
      case "ssh-not-recorded":
        return;
      case "policy-put":
        putPolicyVersion(this.#db, change.policy);
        return;
      case "settings-put":
        this.#put.settings({ id: STATE_ROW, settings: change.settings, ...NEW_COUNTERS });
        return;
      case "counters-put":
        this.#put.counters({ id: STATE_ROW, settings: DEFAULT_SETTINGS, ...change.counters });
        return;
      default:
        unreachable(change);
        return;
    }
  }

  #putRecord({ collection, record }: RecordPut): void {
    const { records } = schema;
    this.#db
      .insert(records)
      .values({ collection, id: record.id, record })
      .onConflictDoUpdate({ target: [records.collection, records.id], set: { record } })
      .run();
  }

  #removeRecord(collection: CollectionName, id: string): void {
    const { records } = schema;
    this.#db
      .delete(records)
      .where(and(eq(records.collection, collection), eq(records.id, id)))
      .run();
  }

  #readState(): { settings: Settings; counters: Counters } {
    const row = this.#db.select().from(schema.tailnetState).where(eq(schema.tailnetState.id, STATE_ROW)).get();
    if (row === undefined) return { settings: DEFAULT_SETTINGS, counters: NEW_COUNTERS };
    const { nextNodeId, nextUserId, nextAddress } = row;
    const settings = { ...DEFAULT_SETTINGS, ...(row.settings as Partial<Settings>) };
    return { settings, counters: { nextNodeId, nextUserId, nextAddress } };
  }

  #readPolicy(): PolicyVersion {
    const row = this.#db.select().from(schema.policies).orderBy(desc(schema.policies.id)).limit(1).get();
    return row ?? { text: DEFAULT_POLICY, isDefault: true, savedAt: 0, author: "" };
  }
}
