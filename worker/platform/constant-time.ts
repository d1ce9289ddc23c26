// Comparing secrets without telling by the time it takes how much of them is right.
import { timingSafeEqual } from "node:crypto";

/** Tells whether two byte strings are equal. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
