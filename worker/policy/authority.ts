// Who may assign tags and whose routes are approved without asking (policy.md 8, 15). Under construction.
import type { PolicyNode, Role } from "./inventory.ts";
import type { Policy } from "./parse.ts";

/** Who asks for a tag: a user, or a node or credential that has tags itself. */
export type TagAssigner = { readonly loginName: string; readonly role: Role } | { readonly tags: readonly string[] };

/** Tells whether `who` may give a node the tag. */
export declare function mayAssignTag(policy: Policy, who: TagAssigner, tag: string): boolean;

/** Those of the advertised routes that the policy approves by itself, in the order given. */
export declare function approvedByPolicy(
  policy: Policy,
  node: PolicyNode & { readonly loginName: string | null },
  advertised: readonly string[],
): readonly string[];

/** The policy file of a new tailnet, HuJSON. */
export declare const DEFAULT_POLICY: string;
