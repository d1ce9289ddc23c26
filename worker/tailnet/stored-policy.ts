// Which policy is in force when a tailnet is loaded. Every stored version was accepted once, but this code may be newer
// and stricter than the one that accepted it. A tailnet must then neither stop nor change its rules in silence: the
// newest version that still compiles stays in force, everything is denied when there is none, and the fault is shown by
// the API, by /health and in the log until somebody saves a file that compiles.
import { type Policy, parsePolicy } from "../policy/parse.ts";
import type { PolicyVersion } from "./change.ts";

/** The newest version does not compile. */
export interface PolicyFault {
  /** The first problem, with its place. */
  readonly problem: string;
  /** When the version that is in force instead was saved; null: none compiles, everything is denied. */
  readonly inForceSince: number | null;
}

/** What to enforce, and what is wrong if it is not the newest version. */
export function policyInForce(
  newest: PolicyVersion,
  earlier: Iterable<PolicyVersion>,
): { readonly policy: Policy; readonly fault: PolicyFault | null } {
  const compiled = compile(newest);
  if (typeof compiled !== "string") return { policy: compiled, fault: null };
  for (const version of earlier) {
    const policy = compile(version);
    if (typeof policy !== "string") return { policy, fault: { problem: compiled, inForceSince: version.savedAt } };
  }
  const nothing = parsePolicy('{"grants": []}');
  if (!nothing.ok) throw new Error("the policy that denies everything does not compile");
  return { policy: nothing.policy, fault: { problem: compiled, inForceSince: null } };
}

/** The fault as a sentence for operators. */
export function describeFault({ problem, inForceSince }: PolicyFault): string {
  const instead =
    inForceSince === null
      ? "no earlier version does either, so that everything is denied"
      : `the version of ${new Date(inForceSince).toISOString()} is in force instead`;
  return `the policy file does not compile any more (${problem}); ${instead}; save one that compiles`;
}

function compile({ text }: PolicyVersion): Policy | string {
  const parsed = parsePolicy(text);
  if (parsed.ok) return parsed.policy;
  const [first] = parsed.problems;
  return first === undefined ? "invalid" : `line ${first.line}, column ${first.column}: ${first.message}`;
}
