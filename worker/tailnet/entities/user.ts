// A user: a person who owns nodes. Users are made by a login or by an administrator.
import type { Role } from "../../policy/engine.ts";

/** A user. Instants are milliseconds since 1970. */
export interface User {
  readonly id: number;
  /** Public API id, `u…CNTRL`. */
  readonly stableId: string;
  /** Email address or `name@provider`; unique. */
  readonly loginName: string;
  readonly displayName: string;
  readonly profilePicUrl: string;
  readonly role: Role;
  readonly isSuspended: boolean;
  /** False: the user waits for an administrator, and their devices and tokens do not work yet. */
  readonly isApproved: boolean;
  readonly createdAt: number;
}

/** Id of the synthetic user that tagged nodes carry on the wire; real users start above it. */
export const TAGGED_DEVICES_USER_ID = 1;
/** Login name of that user in netmaps. */
export const TAGGED_DEVICES_LOGIN = "tagged-devices";
/** First id of a real user. */
export const FIRST_USER_ID = 100;

/** Tells whether nothing of the user works: they are suspended, or not approved yet. */
export function isBarred(user: User): boolean {
  return user.isSuspended || !user.isApproved;
}

/** Tells whether a role may administer the tailnet. */
export function isAdministrator(user: User): boolean {
  return user.role === "owner" || user.role === "admin";
}
