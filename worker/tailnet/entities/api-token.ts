// An API token: acts as its user on the public API.

/** An API token as stored. Instants are milliseconds since 1970. */
export interface ApiToken {
  readonly id: string;
  /** SHA-256 of the secret part, hex. */
  readonly hash: string;
  readonly userId: number;
  readonly description: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
}
