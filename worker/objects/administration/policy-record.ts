// The policy file with the tag that names its content (api-v2.md 2.6): callers replace a file that they have read by
// naming its tag. It hashes the canonical form, so files that differ in layout alone have the same: tools that keep the
// file in a repository compare the tag with the hash of that form.
import { sha256 } from "@noble/hashes/sha2.js";
import { formatHuJson } from "../../policy/hujson/format.ts";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import type { PolicyVersion } from "../../tailnet/change.ts";
import { describeFault, type PolicyFault } from "../../tailnet/stored-policy.ts";

/** The policy file in force. */
export interface PolicyRecord extends PolicyVersion {
  /** SHA-256 of the canonical form in hex; of the text where there is none. */
  readonly tag: string;
  /** Why this file is not what is enforced; null: it is. */
  readonly fault: string | null;
}

/** A policy file with its tag. */
export function toPolicyRecord(policy: PolicyVersion, fault: PolicyFault | null = null): PolicyRecord {
  return { ...policy, fault: fault && describeFault(fault), tag: tagOf(policy) };
}

/** Records never change, and large files take a while. */
const tags = new WeakMap<PolicyVersion, string>();

function tagOf(policy: PolicyVersion): string {
  const known = tags.get(policy);
  if (known !== undefined) return known;
  const tag = toHex(sha256(utf8(formatHuJson(policy.text) ?? policy.text)));
  tags.set(policy, tag);
  return tag;
}

/** Tells whether a policy file has a tag: its own, `ts-default` while it is the default, `*` always. */
export function hasTag(policy: PolicyVersion, tag: string): boolean {
  if (tag === "*") return true;
  return tag === "ts-default" ? policy.isDefault : tagOf(policy) === tag;
}
