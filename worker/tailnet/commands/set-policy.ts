// Replaces the policy file (policy.md 25): nothing that does not compile or fails its own tests is ever stored.
import { DEFAULT_POLICY } from "../../policy/authority.ts";
import { type Policy, parsePolicy } from "../../policy/parse.ts";
import { checkPolicyTests, type TestFailure } from "../../policy/policy-tests.ts";
import { type Change, type Decision, decided, type PolicyVersion, refused } from "../change.ts";
import { underPolicy } from "../policy-trial.ts";
import type { Tailnet } from "../tailnet.ts";
import { approveUnderPolicy } from "./auto-approval.ts";

/** Puts a policy file into force; a blank text resets it to the default. */
export function setPolicy(tailnet: Tailnet, text: string, author: string, now: number): Decision<PolicyVersion> {
  const isReset = text.trim() === "";
  const version: PolicyVersion = { text: isReset ? DEFAULT_POLICY : text, isDefault: isReset, savedAt: now, author };
  const parsed = parsePolicy(version.text);
  if (!parsed.ok) {
    const first = parsed.problems[0];
    return refused({
      reason: "policy-invalid",
      detail:
        first === undefined ? "policy is invalid" : `line ${first.line}, column ${first.column}: ${first.message}`,
    });
  }
  const failures = failedTests(tailnet, parsed.policy);
  if (failures.length > 0) return refused({ reason: "policy-tests-failed", failures });
  const changes: Change[] = [{ type: "policy-put", policy: version }];
  for (const node of tailnet.nodes.values()) {
    const approved = approveUnderPolicy(tailnet, parsed.policy, node);
    if (approved !== node) changes.push({ type: "node-put", node: approved });
  }
  return decided(version, changes);
}

/** The tests of a policy that fail, were it in force now. */
export function failedTests(tailnet: Tailnet, policy: Policy): readonly TestFailure[] {
  const trial = underPolicy(tailnet, policy);
  return checkPolicyTests(trial.policy, trial.users, trial.nodes)?.data ?? [];
}
