// Tailnet settings and contacts (api-v2.md 2.12, 2.15). Each setting takes effect where it is read.
import { type Decision, decided, refused } from "../../change.ts";
import type { CONTACT_TYPES, Settings } from "../../entities/settings.ts";
import type { Tailnet } from "../../tailnet.ts";
import { forgottenPostures } from "../nodes/report-posture.ts";
import { approvalOfAll } from "../users/manage-users.ts";

const DAY_MS = 86_400_000;
/** Longest life of a node key that an administrator may choose. */
const KEY_DURATION_MAX_DAYS = 180;

/**
 * Changes the settings that are given. Where users need no approval any more, nobody waits for it; where serial numbers
 * are not collected any more, those that were are forgotten.
 */
export function setSettings(tailnet: Tailnet, changed: Partial<Settings>): Decision<Settings> {
  const settings: Settings = { ...tailnet.settings, ...changed };
  const days = settings.keyDurationMs / DAY_MS;
  if (!Number.isInteger(days) || days < 1 || days > KEY_DURATION_MAX_DAYS) {
    return refused({ reason: "invalid", detail: `devicesKeyDurationDays: 1 to ${KEY_DURATION_MAX_DAYS}` });
  }
  const { policyLink } = settings;
  if (policyLink !== "" && !(/^https?:\/\//.test(policyLink) && URL.canParse(policyLink))) {
    return refused({ reason: "invalid", detail: "aclsExternalLink: not an http or https URL" });
  }
  const approved = settings.isUserApprovalOn ? [] : approvalOfAll(tailnet);
  const forgotten = settings.isPostureCollectionOn ? [] : forgottenPostures(tailnet);
  return decided(settings, [{ type: "settings-put", settings }, ...approved, ...forgotten]);
}

/** Names whom to write to. */
export function setContact(tailnet: Tailnet, type: (typeof CONTACT_TYPES)[number], email: string): Decision<null> {
  if (email.length > 254 || !/^[^\s@<>"]+@[^\s@<>"]+\.[^\s@<>"]+$/.test(email)) {
    return refused({ reason: "invalid", detail: "email: not an email address" });
  }
  const contacts = { ...tailnet.settings.contacts, [type]: { email } };
  return decided(null, [{ type: "settings-put", settings: { ...tailnet.settings, contacts } }]);
}
