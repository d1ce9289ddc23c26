// An auth key: lets a device join without a person at a browser (control-protocol.md 4.8).

/** An auth key as stored; its secret is known to its holder only. Instants are milliseconds since 1970. */
export interface AuthKey {
  readonly id: string;
  /** SHA-256 of the secret part, hex. */
  readonly hash: string;
  readonly description: string;
  /** User who made the key; null: made by a credential, so its nodes must be tagged. */
  readonly userId: number | null;
  readonly isReusable: boolean;
  readonly isEphemeral: boolean;
  readonly isPreauthorized: boolean;
  /** Sorted; empty: nodes belong to the key's user. */
  readonly tags: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
  /** First use of a key that is good for one node. */
  readonly usedAt: number | null;
}
