// The platform's source of randomness, for the shells to lend to the pure core.

/** Fresh random bytes. */
export function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
