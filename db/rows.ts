// Row ↔ entity. Rows hold what this code stored before, so a row is trusted; only the spelling of keys and JSON
// columns needs a cast.
import type { InferSelectModel } from "drizzle-orm";
import type { Role } from "../worker/policy/engine.ts";
import type { Hostinfo } from "../worker/protocol/control/hostinfo.ts";
import type { DiscoKey, MachineKey, NodeKey, TailnetLockKey } from "../worker/protocol/keys.ts";
import type { AuthKey } from "../worker/tailnet/entities/auth-key.ts";
import type { Node } from "../worker/tailnet/entities/node.ts";
import type { PendingRegistration } from "../worker/tailnet/entities/pending-registration.ts";
import type { SSHCheckRequest } from "../worker/tailnet/entities/ssh-check.ts";
import type { AccessToken, Federation, TrustCredential } from "../worker/tailnet/entities/trust-credential.ts";
import type { User } from "../worker/tailnet/entities/user.ts";
import type {
  accessTokens,
  authKeys,
  nodes,
  pendingRegistrations,
  sshChecks,
  trustCredentials,
  users,
} from "./schema/index.ts";

/** A node from its row. */
export function toNode(row: InferSelectModel<typeof nodes>): Node {
  return {
    ...row,
    isUserBarred: false, // openTailnet() has the users
    machineKey: row.machineKey as MachineKey,
    nodeKey: row.nodeKey as NodeKey,
    discoKey: row.discoKey as DiscoKey | null,
    tailnetLockKey: row.tailnetLockKey as TailnetLockKey | null,
    tags: row.tags as string[],
    hostinfo: row.hostinfo as Hostinfo,
    endpoints: row.endpoints as string[],
    approvedRoutes: row.approvedRoutes as string[],
    attributes: row.attributes as Node["attributes"],
  };
}

/** A user from its row. */
export function toUser(row: InferSelectModel<typeof users>): User {
  return { ...row, role: row.role as Role };
}

/** An auth key from its row. */
export function toAuthKey(row: InferSelectModel<typeof authKeys>): AuthKey {
  return { ...row, tags: row.tags as string[] };
}

/** A trust credential from its row. */
export function toTrustCredential(row: InferSelectModel<typeof trustCredentials>): TrustCredential {
  const { scopes, tags, federation } = row;
  return { ...row, scopes: scopes as string[], tags: tags as string[], federation: federation as Federation | null };
}

/** An access token from its row. */
export function toAccessToken(row: InferSelectModel<typeof accessTokens>): AccessToken {
  return { ...row, scopes: row.scopes as string[], tags: row.tags as string[] };
}

/** A pending registration from its row. */
export function toPendingRegistration(row: InferSelectModel<typeof pendingRegistrations>): PendingRegistration {
  return {
    ...row,
    machineKey: row.machineKey as MachineKey,
    nodeKey: row.nodeKey as NodeKey,
    oldNodeKey: row.oldNodeKey as NodeKey | null,
    tailnetLockKey: row.tailnetLockKey as TailnetLockKey | null,
    hostinfo: row.hostinfo as Hostinfo,
    state: row.state as PendingRegistration["state"],
  };
}

/** A login over SSH that waits for a person, from its row. */
export function toSSHCheck(row: InferSelectModel<typeof sshChecks>): SSHCheckRequest {
  return { ...row, state: row.state as SSHCheckRequest["state"] };
}
