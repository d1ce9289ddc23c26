// The policy file with the tag that names its content (api-v2.md 2.6): callers replace a file that they have read by
// naming its tag. NOTE: the hosted service hashes the formatted text; until there is a formatter, the text as it stands.
import { sha256 } from "@noble/hashes/sha2.js";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import type { PolicyVersion } from "../../tailnet/change.ts";

/** The policy file in force. */
export interface PolicyRecord extends PolicyVersion {
  /** SHA-256 of the text in hex. */
  readonly tag: string;
}

/** A policy file with its tag. */
export function toPolicyRecord(policy: PolicyVersion): PolicyRecord {
  return { ...policy, tag: toHex(sha256(utf8(policy.text))) };
}

/** Tells whether a policy file has a tag: its own, `ts-default` while it is the default, `*` always. */
export function hasTag(policy: PolicyVersion, tag: string): boolean {
  if (tag === "*") return true;
  return tag === "ts-default" ? policy.isDefault : toPolicyRecord(policy).tag === tag;
}
