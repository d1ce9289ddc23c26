// Invites of people into the tailnet (api-v2.md 2.10). Whoever opens an invite's link becomes a user; the link's code is
// stored as a hash, so it is shown when the invite is made and never again.
import type { Role } from "../../../policy/engine.ts";

/** A role that people can be invited to. */
export type InvitedRole = Exclude<Role, "owner">;

/** An open invite; one that was accepted is gone. Instants are milliseconds since 1970. */
export interface UserInvite {
  /** A decimal number below 2^53. */
  readonly id: string;
  /** SHA-256 of the code in the link, hex. */
  readonly hash: string;
  readonly role: InvitedRole;
  /** Login name of whoever accepts; empty: they choose one. */
  readonly email: string;
  /** User who made it. */
  readonly inviterId: number;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** How long an invite is open. */
export const USER_INVITE_LIFETIME_MS = 30 * 86_400_000;
