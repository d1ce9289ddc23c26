// Keys that sign what nodes prove who they are with (control-protocol.md 1.10, 6.3). A key is published for a day before
// it signs, so that relying parties that keep a key set for hours know it by then, and for a day after its last
// signature, which outlives every token. There is no clock but that of those who ask: keys are made when they are due.

/** A key pair of the issuer. */
export interface IdentityKey {
  /** `kid` in tokens and key sets. */
  readonly id: string;
  readonly createdAt: number;
  /** PKCS #8, base64. */
  readonly privateKey: string;
}

const DAY_MS = 86_400_000;
/** How long a key is published before it signs, unless there is no other. */
const LEAD_MS = DAY_MS;
/** Age at which a successor is made; the key goes on signing until that one may. */
const SUCCESSOR_MS = 90 * DAY_MS;
/** Age at which a key is forgotten: its successor has signed for a day by then. */
const LIFETIME_MS = SUCCESSOR_MS + LEAD_MS + DAY_MS;

/** Keys that are still published, oldest first. A key without a successor stays, however old it is. */
export function publishedKeys(keys: readonly IdentityKey[], now: number): readonly IdentityKey[] {
  const sorted = keys.toSorted((a, b) => a.createdAt - b.createdAt);
  const lastDue = sorted.findLastIndex((key) => isReady(key, now));
  return sorted.filter((key, at) => at >= lastDue || now - key.createdAt < LIFETIME_MS);
}

/** Whether a new key must be made now. */
export function needsNewKey(keys: readonly IdentityKey[], now: number): boolean {
  return keys.every(({ createdAt }) => now - createdAt >= SUCCESSOR_MS);
}

/** The key that signs now: the newest that has been published long enough, else the oldest. */
export function signingKey(keys: readonly IdentityKey[], now: number): IdentityKey | undefined {
  const published = publishedKeys(keys, now);
  return published.findLast((key) => isReady(key, now)) ?? published[0];
}

function isReady({ createdAt }: IdentityKey, now: number): boolean {
  return now - createdAt >= LEAD_MS;
}
