// The tailnet itself in the audit log: its policy file and its settings.
import type { PolicyVersion } from "../change.ts";
import type { Settings } from "../entities/settings.ts";
import type { AuditEntry, AuditTarget } from "./audit-event.ts";
import { propertyEntries } from "./property-entries.ts";

const TAILNET: AuditTarget = { id: "", name: "", type: "TAILNET" };

const SETTINGS: Readonly<Record<keyof Settings, string>> = {
  isUserApprovalOn: "USER_APPROVAL_REQUIRED",
  isAutoUpdateOn: "FEATURE",
  externalTailnetRole: "FEATURE",
  isFlowLoggingOn: "NETWORK_FLOW_LOGGING",
  isRegionalRoutingOn: "GEOSTEERING",
  isPostureCollectionOn: "COLLECT_POSTURE_IDENTITY",
  isHttpsOn: "HTTPS",
  isPolicyManagedElsewhere: "FEATURE",
  policyLink: "FEATURE",
  isLocalDnsOverridden: "DNS_CONFIG",
  contacts: "ACCOUNT_EMAIL",
  isDeviceApprovalOn: "MACHINE_APPROVAL_NEEDED",
  keyDurationMs: "MAX_KEY_DURATION",
  isMagicDnsOn: "MAGIC_DNS",
  nameservers: "DNS_CONFIG",
  searchPaths: "DNS_CONFIG",
  splitDns: "DNS_CONFIG",
};

/** What a new policy file means. */
export function policyEntries(before: PolicyVersion, after: PolicyVersion): readonly AuditEntry[] {
  if (before.text === after.text) return [];
  return [{ target: { ...TAILNET, property: "ACL" }, action: "UPDATE", before: before.text, after: after.text }];
}

/** What new settings mean. */
export function settingsEntries(before: Settings, after: Settings): readonly AuditEntry[] {
  return propertyEntries(TAILNET, before, after, SETTINGS);
}
