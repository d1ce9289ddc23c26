// Keys of every kind: make, list, show, replace, revoke (api-v2.md 2.7).
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import {
  type CredentialSpec,
  createCredential,
  replaceCredential,
} from "../../tailnet/commands/credentials/manage-credentials.ts";
import { type AuthKeySpec, createAuthKey, revokeKey } from "../../tailnet/commands/credentials/manage-keys.ts";
import {
  type KeyKind,
  type KeyRecord,
  keyRecord,
  keyRecords,
  toAuthKeyRecord,
  toCredentialRecord,
} from "./key-record.ts";
import type { ResourceContext } from "./resource-context.ts";

/** Whose keys to list, by kind: a user's, everybody's when null, none when absent. */
export type KeyOwners = { readonly [K in KeyKind]?: number | null };

/** A new key with its text; the text is empty for keys that have none. */
export interface NewKey {
  readonly key: KeyRecord;
  readonly text: string;
}

/** The keys of a tailnet. */
export class Keys {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** Makes an auth key that belongs to the actor. */
  createAuthKey(spec: AuthKeySpec): Outcome<NewKey> {
    const outcome = this.#context.execute((tailnet, context) => createAuthKey(tailnet, spec, context));
    if (!outcome.ok) return outcome;
    const { key, text } = outcome.result;
    return { ok: true, result: { key: toAuthKeyRecord(this.#context.tailnet, key, Date.now()), text } };
  }

  /** Makes an OAuth client or federated identity; `host` is the API's, for the audience of one that names none. */
  createCredential(spec: CredentialSpec, host: string): Outcome<NewKey> {
    const audienceOf = (id: string) => `${host}/${this.#context.tailnetId}-${id}`;
    const outcome = this.#context.execute((tailnet, context) => createCredential(tailnet, spec, audienceOf, context));
    if (!outcome.ok) return outcome;
    const { credential, text } = outcome.result;
    return { ok: true, result: { key: toCredentialRecord(this.#context.tailnet, credential), text } };
  }

  /** Replaces what an OAuth client or federated identity may do. */
  replaceCredential(id: string, spec: CredentialSpec): Outcome<KeyRecord> {
    const outcome = this.#context.execute((tailnet, context) =>
      replaceCredential(tailnet, this.#bareId(id), spec, context),
    );
    if (!outcome.ok) return outcome;
    return { ok: true, result: toCredentialRecord(this.#context.tailnet, outcome.result) };
  }

  /** Keys that can still be used, newest first. */
  listActive(owners: KeyOwners): KeyRecord[] {
    const isOf = ({ kind, userId }: KeyRecord) =>
      owners[kind] === null || (owners[kind] !== undefined && owners[kind] === userId);
    return [...keyRecords(this.#context.tailnet, Date.now())]
      .filter((key) => key.isActive && isOf(key))
      .sort((a, b) => b.createdAt - a.createdAt);
  }

  /** One key, active or not. */
  get(id: string): KeyRecord | null {
    return keyRecord(this.#context.tailnet, this.#bareId(id), Date.now())[0] ?? null;
  }

  /** Revokes a key. */
  revoke(id: string): Outcome<null> {
    return this.#context.execute((tailnet, { now }) => revokeKey(tailnet, this.#bareId(id), now));
  }

  /** Federated identities are called by the tailnet's id and their own. */
  #bareId(id: string): string {
    return bareKeyId(this.#context.tailnetId, id);
  }
}

/** An id of a key without the tailnet's in front. */
export function bareKeyId(tailnetId: string, id: string): string {
  return id.startsWith(`${tailnetId}-`) ? id.slice(tailnetId.length + 1) : id;
}
