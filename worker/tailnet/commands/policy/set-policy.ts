// Replaces the policy file (policy.md 25): nothing that does not compile or fails its own tests is ever stored.
import { DEFAULT_POLICY } from "../../../policy/authority.ts";
import { type PolicyEffect, PolicyEngine } from "../../../policy/engine.ts";
import { type Policy, parsePolicy } from "../../../policy/parse.ts";
import { checkPolicyTests, type TestFailure } from "../../../policy/policy-tests.ts";
import { type Change, type Decision, decided, type PolicyVersion, refused } from "../../change.ts";
import { domainsOf } from "../../domains.ts";
import type { Node } from "../../entities/node.ts";
import { underPolicy } from "../../policy-trial.ts";
import { addressesOfServices } from "../../service-hosts.ts";
import type { Tailnet } from "../../tailnet.ts";
import { approveUnderPolicy } from "./auto-approval.ts";

/** Puts a policy file into force; a blank text resets it to the default. */
export function setPolicy(tailnet: Tailnet, text: string, author: string, now: number): Decision<PolicyVersion> {
  const isReset = text.trim() === "";
  const version: PolicyVersion = { text: isReset ? DEFAULT_POLICY : text, isDefault: isReset, savedAt: now, author };
  const accepted = acceptPolicy(tailnet, version.text);
  if (!accepted.ok) return accepted;
  const approved = approvalsUnder(tailnet, accepted.result);
  const changes: Change[] = approved.map((node) => ({ type: "node-put", node }));
  return decided(version, [{ type: "policy-put", policy: version, compiled: accepted.result }, ...changes]);
}

/** The policy of a file that compiles and passes its own tests. */
function acceptPolicy(tailnet: Tailnet, text: string): Decision<Policy> {
  const compiled = compilePolicy(tailnet, text);
  if (!compiled.ok) return compiled;
  const failures = failedTests(tailnet, compiled.result);
  return failures.length > 0 ? refused({ reason: "policy-tests-failed", failures }) : compiled;
}

function compilePolicy(tailnet: Tailnet, text: string): Decision<Policy> {
  const parsed = parsePolicy(text, domainsOf(tailnet));
  if (!parsed.ok) {
    const first = parsed.problems[0];
    return refused({
      reason: "policy-invalid",
      detail:
        first === undefined ? "policy is invalid" : `line ${first.line}, column ${first.column}: ${first.message}`,
    });
  }
  return decided(parsed.policy);
}

/** Nodes that have more routes approved under a policy. */
function approvalsUnder(tailnet: Tailnet, policy: Policy): readonly Node[] {
  return [...tailnet.nodes.values()].flatMap((node) => {
    const approved = approveUnderPolicy(tailnet, policy, node);
    return approved === node ? [] : [approved];
  });
}

/** What {@link setPolicy} would do to the views of nodes; refused as it would be, and nothing changes. */
export function foreseePolicy(tailnet: Tailnet, text: string): Decision<readonly PolicyEffect[]> {
  const accepted = acceptPolicy(tailnet, text.trim() === "" ? DEFAULT_POLICY : text);
  if (!accepted.ok) return accepted;
  const approved = new Map(approvalsUnder(tailnet, accepted.result).map((node) => [node.id, node]));
  const after = [...tailnet.nodes.values()].map((node) => approved.get(node.id) ?? node);
  const trial = underPolicy(tailnet, accepted.result, after);
  return decided(tailnet.engine.foresee(trial.policy, trial.nodes));
}

/** An engine of the tailnet under a policy file that compiles, whatever its tests say; a blank text: the one in force. */
export function engineUnder(tailnet: Tailnet, text: string): Decision<PolicyEngine> {
  if (text.trim() === "") return decided(tailnet.engine);
  const compiled = compilePolicy(tailnet, text);
  if (!compiled.ok) return compiled;
  return decided(new PolicyEngine({ ...underPolicy(tailnet, compiled.result), primaries: tailnet.engine.primaries() }));
}

/** The tests of a policy that fail, were it in force now. */
export function failedTests(tailnet: Tailnet, policy: Policy): readonly TestFailure[] {
  const trial = underPolicy(tailnet, policy);
  const services = addressesOfServices(tailnet.records.services.values());
  return checkPolicyTests(trial.policy, trial.users, trial.nodes, services)?.data ?? [];
}
