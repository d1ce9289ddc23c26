// A trust credential: an OAuth client, which proves itself by a secret, or a federated identity, which does so by a token
// of another issuer (api-v2.md 1.4, 1.5). Both are given access tokens that last an hour. Credentials belong to the
// tailnet: they outlive the user who made them.

/** What a federated identity accepts. */
export interface Federation {
  /** Compared byte for byte; a trailing slash matters. */
  readonly issuer: string;
  /** Pattern: `*` stands for any run of characters. */
  readonly subject: string;
  readonly audience: string;
  /** Claim → pattern of its value. */
  readonly customClaimRules: Readonly<Record<string, string>>;
  /** JSON Web Key Set that stands in for what the issuer publishes, for issuers that cannot be reached; null: none. */
  readonly jwks: string | null;
}

/** A trust credential as stored. Instants are milliseconds since 1970. */
export interface TrustCredential {
  /** `k…CNTRL`; an OAuth client's client id. */
  readonly id: string;
  /** SHA-256 of the secret part, hex; empty for federated identities, which have none. */
  readonly hash: string;
  readonly description: string;
  /** In the order given. */
  readonly scopes: readonly string[];
  /** In the order given. */
  readonly tags: readonly string[];
  /** User who made it, for display; null: made by another credential. */
  readonly userId: number | null;
  readonly createdAt: number;
  readonly updatedAt: number | null;
  readonly revokedAt: number | null;
  /** Null: an OAuth client. */
  readonly federation: Federation | null;
}

/** An access token of a trust credential as stored. Instants are milliseconds since 1970. */
export interface AccessToken {
  readonly id: string;
  /** SHA-256 of the secret part, hex. */
  readonly hash: string;
  readonly credentialId: string;
  /** Who the credential was for when it was given: subject and issuer; empty for OAuth clients. */
  readonly description: string;
  /** At most what the credential holds now: the two are intersected at each use. */
  readonly scopes: readonly string[];
  readonly tags: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
}

/** How long an access token lasts. */
export const ACCESS_TOKEN_LIFETIME_MS = 3_600_000;

/** Tells whether a text matches a pattern, whole; `*` stands for any run of characters, all else for itself. */
export function matchesPattern(pattern: string, text: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return text === pattern;
  const last = rest.pop() ?? "";
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
