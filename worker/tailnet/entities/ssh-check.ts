// Check mode of Tailscale SSH (control-protocol.md 6.4, policy.md 16.3): a login that waits until the owner of the source
// node has signed in again, and the memory of a check that was passed.

import type { NodeId } from "./node.ts";

/** A login over SSH that waits for a person. Instants are milliseconds since 1970. */
export interface SSHCheckRequest {
  /** Unguessable part of the page's URL: 32 letters and digits. */
  readonly id: string;
  readonly sourceId: NodeId;
  readonly destinationId: NodeId;
  /** Account on the destination. */
  readonly localUser: string;
  /** Owner of the source when the login was made: who must confirm it. */
  readonly userId: number;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly state: "waiting" | "approved" | "denied";
}

/** A check that was passed, for logins from the same node by the same owner. */
export interface PassedSSHCheck {
  /** `<source>/<destination>`; without a number after the slash it counts for every destination. */
  readonly id: string;
  readonly sourceId: NodeId;
  readonly userId: number;
  readonly passedAt: number;
}

/** The period of rules that name none. A check by it counts for all destinations of such rules (policy.md 16.3). */
const DEFAULT_CHECK_PERIOD_SECONDS = 12 * 3_600;
/** The longest period that a policy may ask for; what is older is forgotten. */
export const MAX_CHECK_PERIOD_MS = 168 * 3_600_000;
/** How long a person has to confirm; the SSH server gives up after 30 minutes. */
export const SSH_CHECK_LIFETIME_MS = 15 * 60_000;
/** How long an answer is kept for a destination that lost the reply. */
export const SSH_ANSWER_LIFETIME_MS = 2 * 60_000;
/** Logins that wait at one destination at a time; the oldest gives way. */
export const MAX_WAITING_AT_DESTINATION = 20;
/** Logins that wait in the tailnet at a time. */
export const MAX_WAITING = 1_000;

/** Name of the check that covers a login by a rule of this period. */
export function passedCheckId(sourceId: NodeId, destinationId: NodeId, periodSeconds: number): string {
  return `${sourceId}/${periodSeconds === DEFAULT_CHECK_PERIOD_SECONDS ? "" : destinationId}`;
}
