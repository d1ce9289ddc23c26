// One entry of the configuration audit log (api-v2.md 2.14): who did what to which thing, with the value before and
// after. Secrets never stand in it, not even as hashes.

/** Kinds of actors, as the public API names them. */
export type AuditActorType = "USER" | "NODE" | "OAUTH_CLIENT" | "AUTOMATED_WORKER";

/** Who acted, as it was then. */
export interface AuditActor {
  /** Public id. */
  readonly id: string;
  readonly type: AuditActorType;
  readonly loginName: string;
  readonly displayName: string;
  readonly tags?: readonly string[];
}

/** What was acted on, as it was then. */
export interface AuditTarget {
  /** Public id. */
  readonly id: string;
  readonly name: string;
  readonly type: "TAILNET" | "USER" | "NODE" | "API_KEY" | "INVITE" | "SHARE" | "WEBHOOK_ENDPOINT";
  readonly isEphemeral?: boolean;
  /** The part of it that changed, in the spelling of the public API; absent: the whole. */
  readonly property?: string;
}

/** What was done. */
export type AuditAction = "CREATE" | "UPDATE" | "DELETE" | "REVOKE" | "APPROVE" | "SUSPEND" | "RESTORE" | "ACCEPT";

/** One thing that happened to one target, before it is known who did it. */
export interface AuditEntry {
  readonly target: AuditTarget;
  readonly action: AuditAction;
  /** JSON values; absent: there was or is none. */
  readonly before?: unknown;
  readonly after?: unknown;
}

/** An entry of the log. */
export interface AuditEvent extends AuditEntry {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The same for everything that one operation did; hex. */
  readonly groupId: string;
  readonly origin: "CONFIG_API" | "ADMIN_CONSOLE" | "NODE" | "CONTROL";
  readonly actor: AuditActor;
}

/** How long entries are kept. */
export const AUDIT_RETENTION_MS = 90 * 86_400_000;
