// Changes: what a command does to a tailnet, as data. They are stored first (db/tailnet-store.ts), then applied
// (evolve.ts), then told to whom they concern (objects/). A record in a change is whole and replaces the one before.
import type { Policy } from "../policy/parse.ts";
import type { SSHRecordingReport } from "../protocol/control/ssh-recording.ts";
import type { ApiToken } from "./entities/api-token.ts";
import type { AuthKey } from "./entities/auth-key.ts";
import type { RecordPut, RecordRemoved } from "./entities/configuration/collections.ts";
import type { Node, NodeId } from "./entities/node.ts";
import type { PendingRegistration } from "./entities/pending-registration.ts";
import type { Settings } from "./entities/settings.ts";
import type { PassedSSHCheck, SSHCheckRequest } from "./entities/ssh-check.ts";
import type { AccessToken, TrustCredential } from "./entities/trust-credential.ts";
import type { User } from "./entities/user.ts";
import type { Refusal } from "./refusal.ts";

/** Numbers that only grow. */
export interface Counters {
  readonly nextNodeId: number;
  readonly nextUserId: number;
  /** Where the search for a free address starts. */
  readonly nextAddress: number;
}

/** A policy file as stored. */
export interface PolicyVersion {
  /** HuJSON, byte for byte as given. */
  readonly text: string;
  /** Still the file that a new tailnet starts with. */
  readonly isDefault: boolean;
  readonly savedAt: number;
  /** Login name of who saved it. */
  readonly author: string;
}

/** One change. */
export type Change =
  | { readonly type: "node-put"; readonly node: Node }
  | { readonly type: "node-removed"; readonly id: NodeId }
  /** Something that a user did on a node; nothing but an entry of the audit log. */
  | { readonly type: "node-reported"; readonly id: NodeId; readonly action: string; readonly details: string }
  | { readonly type: "user-put"; readonly user: User }
  /** Its nodes, auth keys and API tokens are removed before it. */
  | { readonly type: "user-removed"; readonly id: number }
  | { readonly type: "auth-key-put"; readonly key: AuthKey }
  | { readonly type: "auth-key-removed"; readonly id: string }
  | { readonly type: "api-token-put"; readonly token: ApiToken }
  | { readonly type: "api-token-removed"; readonly id: string }
  | { readonly type: "credential-put"; readonly credential: TrustCredential }
  | { readonly type: "access-token-put"; readonly token: AccessToken }
  | { readonly type: "access-token-removed"; readonly id: string }
  | { readonly type: "pending-put"; readonly pending: PendingRegistration }
  | { readonly type: "pending-removed"; readonly id: string }
  | { readonly type: "ssh-check-put"; readonly check: SSHCheckRequest }
  | { readonly type: "ssh-check-removed"; readonly id: string }
  | { readonly type: "ssh-check-passed"; readonly passed: PassedSSHCheck }
  | { readonly type: "ssh-check-forgotten"; readonly id: string }
  /** A policy file with what it compiled to, so that it is compiled once. */
  /** For the audit log alone. */
  | { readonly type: "ssh-not-recorded"; readonly id: NodeId; readonly report: SSHRecordingReport }
  | { readonly type: "policy-put"; readonly policy: PolicyVersion; readonly compiled: Policy }
  | RecordPut
  | RecordRemoved
  | { readonly type: "settings-put"; readonly settings: Settings }
  | { readonly type: "counters-put"; readonly counters: Counters };

/** What a command decided: changes with its result, or a refusal and nothing else. */
export type Decision<T> =
  | { readonly ok: true; readonly changes: readonly Change[]; readonly result: T }
  | { readonly ok: false; readonly refusal: Refusal };

/** A decision that changes something. */
export function decided<T>(result: T, changes: readonly Change[] = []): Decision<T> {
  return { ok: true, changes, result };
}

/** A refusal. */
export function refused(refusal: Refusal): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal };
}
