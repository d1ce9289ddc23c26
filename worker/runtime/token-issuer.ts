// The tailnet as an OpenID Connect issuer: which keys there are, what is published, and tokens signed with them.
import { addIdentityKey, readIdentityKeys } from "../../db/identity-keys.ts";
import type { Database } from "../../db/open.ts";
import { randomBytes } from "../platform/random.ts";
import { makeSigningKey, type PublicKey, publicKeyOf, signToken } from "../platform/token-signature.ts";
import { toHex } from "../protocol/bytes.ts";
import { type IdentityKey, needsNewKey, publishedKeys, signingKey } from "../tailnet/entities/identity-key.ts";

/** A key set (RFC 7517 5). */
export interface KeySet {
  readonly keys: readonly (PublicKey & { readonly kid: string; readonly alg: "RS256"; readonly use: "sig" })[];
}

/** Issues tokens of one tailnet. Keys are made when they are first needed, and when the newest has grown old. */
export class TokenIssuer {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** What relying parties verify tokens with. */
  keySet(now: number): KeySet {
    const keys = publishedKeys(this.#keys(now), now);
    return {
      keys: keys.map(({ id, privateKey }) => ({ ...publicKeyOf(privateKey), kid: id, alg: "RS256", use: "sig" })),
    };
  }

  /** A token over claims, which get a random name (`jti`). */
  sign(claims: object, now: number): string {
    const key = signingKey(this.#keys(now), now);
    if (key === undefined) throw new Error("there is no identity key, though one was just made");
    return signToken({ ...claims, jti: toHex(randomBytes(16)) }, key);
  }

  #keys(now: number): readonly IdentityKey[] {
    const keys = readIdentityKeys(this.#db);
    if (!needsNewKey(keys, now)) return keys;
    const key = { id: toHex(randomBytes(8)), createdAt: now, privateKey: makeSigningKey() };
    const kept = publishedKeys(keys, now);
    addIdentityKey(this.#db, key, kept);
    return [...kept, key];
  }
}
