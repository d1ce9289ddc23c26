// Issuers whose keys this server does not fetch but is given: those of private clusters, which only a program inside can
// reach. Whoever may give the keys can speak for every subject of the issuer, so that a person names who may.

/** An issuer of identity tokens. Instants are milliseconds since 1970. */
export interface Issuer {
  /** `i…CNTRL`. */
  readonly id: string;
  /** As it stands in tokens (`iss`); compared byte for byte. */
  readonly issuer: string;
  /** Ids of the trust credentials that may set the keys. */
  readonly publishers: readonly string[];
  /** How long keys are good after they were last set. */
  readonly keysLifetimeMs: number;
  /** JSON Web Key Set; null: none was set yet. */
  readonly jwks: string | null;
  readonly createdAt: number;
  /** When the keys were last other ones than before; null: never. */
  readonly keysChangedAt: number | null;
  /** When they were last set, changed or not; null: never. */
  readonly keysConfirmedAt: number | null;
}

/** When an issuer's keys are no longer good, unless they are set again; null: there are none. */
export function keysExpireAt({ keysConfirmedAt, keysLifetimeMs }: Issuer): number | null {
  return keysConfirmedAt === null ? null : keysConfirmedAt + keysLifetimeMs;
}

/** Whether an issuer had keys, and nobody has set them again in time. */
export function haveKeysExpired(issuer: Issuer, now: number): boolean {
  const expireAt = keysExpireAt(issuer);
  return expireAt !== null && expireAt <= now;
}

/** Expired keys as a sentence for everybody: it names the issuer by its id alone. */
export function describeExpiredKeys(issuer: Issuer): string {
  const at = new Date(keysExpireAt(issuer) ?? 0).toISOString();
  return `the keys of the issuer ${issuer.id} have expired (${at}), so that its tokens are refused; see that they are set again`;
}

/** Ids of an issuer's keys; an empty text stands for a key without one. */
export function keyIdsOf({ jwks }: Issuer): readonly string[] {
  const { keys } = JSON.parse(jwks ?? '{"keys":[]}') as { readonly keys: readonly { readonly kid?: string }[] };
  return keys.map(({ kid }) => kid ?? "");
}
