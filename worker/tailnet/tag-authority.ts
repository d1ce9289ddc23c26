// Which tags an actor may give (api-v2.md 1.7): always only tags that the policy defines.
import { mayAssignTag } from "../policy/authority.ts";
import type { Policy } from "../policy/parse.ts";
import type { Actor } from "./entities/actor.ts";
import type { Tailnet } from "./tailnet.ts";

/** Tells whether an actor may give a tag: a user who owns it, a credential that has it or owns it by its tags. */
function mayGiveTag(policy: Policy, actor: Actor, tag: string): boolean {
  switch (actor.kind) {
    case "user":
      return mayAssignTag(policy, actor.user, tag);
    case "credential":
      return (policy.tagOwners.has(tag) && actor.tags.includes(tag)) || mayAssignTag(policy, actor, tag);
    case "tailnet":
      return policy.tagOwners.has(tag);
    case "node":
      return false; // what a node may ask for is decided with its registration
  }
}

/** Those of the tags that an actor may not give. */
export function deniedTags({ compiledPolicy }: Tailnet, actor: Actor, tags: readonly string[]): string[] {
  return tags.filter((tag) => !mayGiveTag(compiledPolicy, actor, tag));
}
