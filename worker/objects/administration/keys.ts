// Auth keys and API tokens: make, list, show, revoke (api-v2.md 2.7).
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { type AuthKeySpec, createAuthKey, revokeKey } from "../../tailnet/commands/manage-keys.ts";
import { type KeyRecord, toApiTokenRecord, toAuthKeyRecord } from "./key-record.ts";
import type { ResourceContext } from "./resource-context.ts";

/** Whose keys to list, by kind: a user's, everybody's when null, none when absent. */
export type KeyOwners = { readonly [K in KeyRecord["keyType"]]?: number | null };

/** The keys of a tailnet. */
export class Keys {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** Makes an auth key that belongs to the actor. */
  createAuthKey(spec: AuthKeySpec): Outcome<{ readonly key: KeyRecord; readonly text: string }> {
    const outcome = this.#context.execute((tailnet, context) => createAuthKey(tailnet, spec, context));
    if (!outcome.ok) return outcome;
    const { key, text } = outcome.result;
    return { ok: true, result: { key: toAuthKeyRecord(this.#context.tailnet, key, Date.now()), text } };
  }

  /** Keys that can still be used, newest first. */
  listActive(owners: KeyOwners): KeyRecord[] {
    const now = Date.now();
    const { tailnet } = this.#context;
    const isOf = ({ keyType, userId }: KeyRecord) => owners[keyType] === null || owners[keyType] === userId;
    const authKeys = [...tailnet.authKeys.values()].map((key) => toAuthKeyRecord(tailnet, key, now));
    const apiTokens = [...tailnet.apiTokens.values()].map((token) => toApiTokenRecord(tailnet, token, now));
    return [...authKeys, ...apiTokens]
      .filter((key) => key.isActive && isOf(key))
      .sort((a, b) => b.createdAt - a.createdAt);
  }

  /** One key, active or not. */
  get(id: string): KeyRecord | null {
    const { tailnet } = this.#context;
    const key = tailnet.authKeys.get(id);
    if (key !== undefined) return toAuthKeyRecord(tailnet, key, Date.now());
    const token = tailnet.apiTokens.get(id);
    return token === undefined ? null : toApiTokenRecord(tailnet, token, Date.now());
  }

  /** Revokes an auth key or API token. */
  revoke(id: string): Outcome<null> {
    return this.#context.execute((tailnet, { now }) => revokeKey(tailnet, id, now));
  }
}
