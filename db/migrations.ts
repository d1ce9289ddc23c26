// The migrations in order, as text in the bundle. A new file is added here by hand, after its review.
import init from "../migrations/0000_init.sql";
import auditLog from "../migrations/0001_audit_log.sql";
import records from "../migrations/0002_records.sql";
import sshChecksAndAttributes from "../migrations/0003_ssh_checks_and_attributes.sql";
import trustCredentials from "../migrations/0004_trust_credentials.sql";
import userApproval from "../migrations/0005_user_approval.sql";
import identityKeys from "../migrations/0006_identity_keys.sql";

/** One migration file. */
export interface Migration {
  /** File name without `.sql`; names sort in the order of application. */
  readonly tag: string;
  readonly sql: string;
}

/** Every migration, oldest first. */
export const MIGRATIONS: readonly Migration[] = [
  { tag: "0000_init", sql: init },
  { tag: "0001_audit_log", sql: auditLog },
  { tag: "0002_records", sql: records },
  { tag: "0003_ssh_checks_and_attributes", sql: sshChecksAndAttributes },
  { tag: "0004_trust_credentials", sql: trustCredentials },
  { tag: "0005_user_approval", sql: userApproval },
  { tag: "0006_identity_keys", sql: identityKeys },
];
