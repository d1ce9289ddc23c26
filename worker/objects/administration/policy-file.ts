// The policy file: read, replace under a precondition, check (api-v2.md 2.6).
import type { PolicyVersionSummary } from "../../../db/policy-versions.ts";
import { type PolicyProblem, parsePolicy } from "../../policy/parse.ts";
import type { TestFailure } from "../../policy/policy-tests.ts";
import { type PreviewSubject, previewRules, type RulePreview } from "../../policy/preview.ts";
import type { ReachDirection } from "../../policy/reach.ts";
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { type Decision, decided, refused } from "../../tailnet/change.ts";
import { engineUnder, failedTests, foreseePolicy, setPolicy } from "../../tailnet/commands/policy/set-policy.ts";
import { domainsOf } from "../../tailnet/domains.ts";
import { loginNameOf } from "../../tailnet/entities/actor.ts";
import { underPolicy } from "../../tailnet/policy-trial.ts";
import { type PolicyForecast, toForecast } from "./policy-forecast.ts";
import { devicesNamed, type PolicyReach, reachOfDevices } from "./policy-reach.ts";
import { hasTag, type PolicyRecord, toPolicyRecord } from "./policy-record.ts";
import type { ResourceContext } from "./resource-context.ts";

/** What is wrong, or doubtful, in a policy file. */
export interface PolicyFindings {
  readonly errors: readonly PolicyProblem[];
  readonly warnings: readonly PolicyProblem[];
  /** Tests that fail; none are run while there are errors. */
  readonly failures: readonly TestFailure[];
}

/** The rules that apply, or what is wrong with the file. */
export type PreviewResult =
  | ({ readonly ok: true } & RulePreview)
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] };

/** The policy file of a tailnet. */
export class PolicyFile {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** The newest policy file, which is in force unless it has a fault. */
  get(): PolicyRecord {
    const { policy, policyFault } = this.#context.tailnet;
    return toPolicyRecord(policy, policyFault);
  }

  /** All versions that are kept, newest first. */
  versions(): PolicyVersionSummary[] {
    return this.#context.policyVersions.list();
  }

  /** One version; null when it is unknown or forgotten. */
  version(id: number): PolicyRecord | null {
    const version = this.#context.policyVersions.get(id);
    return version === undefined ? null : toPolicyRecord(version);
  }

  /** Puts an earlier version into force again, as a new version; it is checked like any other file. */
  restore(id: number, ifMatch: string): Outcome<PolicyRecord> {
    const version = this.#context.policyVersions.get(id);
    if (version === undefined) return refused({ reason: "not-found", what: "policy version" });
    return this.set(version.isDefault ? "" : version.text, ifMatch);
  }

  /**
   * Replaces the policy file if the one in force has the tag `ifMatch`: its own, `ts-default` for the file that a new
   * tailnet starts with, `*` for any. A file that is wrong is refused as such whatever the tag (api-v2.md 2.6).
   */
  set(text: string, ifMatch: string): Outcome<PolicyRecord> {
    return this.#context.execute((tailnet, { now, actor }): Decision<PolicyRecord> => {
      const decision = setPolicy(tailnet, text, loginNameOf(actor), now);
      if (!decision.ok) return decision;
      if (!hasTag(tailnet.policy, ifMatch)) return refused({ reason: "precondition-failed" });
      return decided(toPolicyRecord(decision.result), decision.changes);
    });
  }

  /** Checks a policy file and runs its tests; changes nothing. */
  check(text: string): PolicyFindings {
    const parsed = parsePolicy(text, domainsOf(this.#context.tailnet));
    if (!parsed.ok) return { errors: parsed.problems, warnings: [], failures: [] };
    const failures = failedTests(this.#context.tailnet, parsed.policy);
    return { errors: [], warnings: parsed.warnings, failures };
  }

  /** The rules of a policy file that apply to somebody or something, were it in force now; changes nothing. */
  preview(text: string, subject: PreviewSubject): PreviewResult {
    const parsed = parsePolicy(text, domainsOf(this.#context.tailnet));
    if (!parsed.ok) return { ok: false, problems: parsed.problems };
    const { policy, ...inventory } = underPolicy(this.#context.tailnet, parsed.policy);
    return { ok: true, ...previewRules(policy, subject, inventory) };
  }

  /** What a policy file would change for whom; refused as {@link set} would, and nothing changes. */
  foresee(text: string): Outcome<PolicyForecast> {
    const { tailnet, settings } = this.#context;
    const decision = foreseePolicy(tailnet, text);
    if (!decision.ok) return decision;
    return { ok: true, result: toForecast(decision.result, tailnet.nodes, settings.magicDnsSuffix) };
  }

  /** Who may reach what under a policy file, a blank text meaning the one in force; nothing changes. */
  reach(text: string, direction: ReachDirection, name: string): Outcome<PolicyReach> {
    const { tailnet, settings } = this.#context;
    const devices = devicesNamed(tailnet, name);
    if (devices === null) return refused({ reason: "not-found", what: "device" });
    const found = engineUnder(tailnet, text);
    if (!found.ok) return found;
    const question = { devices, direction, magicDnsSuffix: settings.magicDnsSuffix };
    return { ok: true, result: reachOfDevices(tailnet, found.result, question) };
  }

  /** Runs tests, written as in the section `tests`, against the policy in force. */
  runTests(text: string): PolicyFindings {
    const { tailnet } = this.#context;
    const parsed = parsePolicy(`{"tests":\n${text}}`);
    const moved = (problem: PolicyProblem) => ({ ...problem, line: Math.max(1, problem.line - 1) });
    if (!parsed.ok) return { errors: parsed.problems.map(moved), warnings: [], failures: [] };
    const policy = { ...tailnet.compiledPolicy, tests: parsed.policy.tests, sshTests: [] };
    return { errors: [], warnings: [], failures: failedTests(tailnet, policy) };
  }
}
