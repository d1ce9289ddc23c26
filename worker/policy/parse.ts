// Policy files: HuJSON text to a checked policy (policy.md 1, 24). Under construction: the types are final.

/** Something wrong, or doubtful, in a policy file. Line and column count from 1; column in UTF-16 units. */
export interface PolicyProblem {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** A parsed and checked policy file; opaque outside worker/policy. */
export interface Policy {
  readonly text: string;
}

/** A policy, or what is wrong with the file. The first problem is the one that the hosted service reports. */
export type ParseResult =
  | { readonly ok: true; readonly policy: Policy; readonly warnings: readonly PolicyProblem[] }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] };

/** Parses and checks a policy file; `domains` are those that belong to the tailnet. */
export declare function parsePolicy(text: string, domains?: readonly string[]): ParseResult;
