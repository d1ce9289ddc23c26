// The policy file with the tag that names its content (api-v2.md 2.6): callers replace a file that they have read by
// naming its tag. NOTE: the hosted service hashes the formatted text; until there is a formatter, the text as it stands.
import { sha256 } from "@noble/hashes/sha2.js";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import type { PolicyVersion } from "../../tailnet/change.ts";
import { describeFault, type PolicyFault } from "../../tailnet/stored-policy.ts";

/** The policy file in force. */
export interface PolicyRecord extends PolicyVersion {
  /** SHA-256 of the text in hex. */
  readonly tag: string;
  /** Why this file is not what is enforced; null: it is. */
  readonly fault: string | null;
}

/** A policy file with its tag. */
export function toPolicyRecord(policy: PolicyVersion, fault: PolicyFault | null = null): PolicyRecord {
  return { ...policy, fault: fault && describeFault(fault), tag: toHex(sha256(utf8(policy.text))) };
}

/** Tells whether a policy file has a tag: its own, `ts-default` while it is the default, `*` always. */
export function hasTag(policy: PolicyVersion, tag: string): boolean {
  if (tag === "*") return true;
  return tag === "ts-default" ? policy.isDefault : toPolicyRecord(policy).tag === tag;
}
