// Who may assign tags and whose routes are approved without asking (policy.md 8, 15).
import { parsePrefix, prefixRange } from "../protocol/ip.ts";
import type { PolicyNode, Role } from "./inventory.ts";
import type { Policy } from "./policy.ts";
import { coversRange, isExitRange, type PrefixSet, prefixSet } from "./prefix-set.ts";
import { selectsNode, selectsUser } from "./selection.ts";

/** Who asks for a tag: a user, or a node or credential that has tags itself. */
export type TagAssigner = { readonly loginName: string; readonly role: Role } | { readonly tags: readonly string[] };

/** Tells whether `who` may give a node the tag. Ownership between tags is one step, never transitive. */
export function mayAssignTag(policy: Policy, who: TagAssigner, tag: string): boolean {
  const owners = policy.tagOwners.get(tag);
  if (owners === undefined) return false;
  if ("tags" in who) return owners.some((owner) => owner.kind === "tag" && who.tags.includes(owner.tag));
  if (who.role === "owner" || who.role === "admin" || who.role === "network-admin") return true;
  return owners.some((owner) => selectsUser(owner, who.loginName, who.role));
}

/** A node as approvers see it: with its user's login and role, null when it is tagged. */
export type ApprovalSubject = PolicyNode & {
  readonly loginName: string | null;
  readonly role?: Role | null;
};

/** Those of the advertised routes that the policy approves by itself, in the order given. */
export function approvedByPolicy(
  policy: Policy,
  node: ApprovalSubject,
  advertised: readonly string[],
): readonly string[] {
  const { routes, exitNode } = policy.autoApprovers;
  const mayExit = exitNode.some((approver) => selectsNode(approver, node));
  const covering = routes.filter(({ approvers }) => approvers.some((approver) => selectsNode(approver, node)));
  return advertised.filter((route) => {
    const prefix = parsePrefix(route);
    if (prefix === undefined) return false;
    const range = prefixRange(prefix);
    return isExitRange(range) ? mayExit : covering.some(({ set }) => coversRange(set, range));
  });
}

/**
 * Ranges from which a new node's IPv4 address is to be taken: those of every entry of nodeAttrs that targets it by what
 * it is, since it has no address yet (policy.md 17). Empty when the policy leaves it open.
 */
export function prescribedPool(policy: Policy, node: Pick<ApprovalSubject, "tags" | "loginName" | "role">): PrefixSet {
  const subject = { ...node, ipv4: null, ipv6: null };
  const pools = policy.nodeAttrs.filter(({ ipPool }) => ipPool.length > 0);
  const own = pools.filter(({ targets }) => targets.some((target) => selectsNode(target, subject)));
  return prefixSet(own.flatMap(({ ipPool }) => ipPool));
}

/** The policy file of a new tailnet, HuJSON. */
export const DEFAULT_POLICY = `// The policy file of this tailnet: who may reach what. It is JSON with comments; a change takes effect at once.
{
  // Groups of users, to be named in the rules below.
  // "groups": { "group:ops": ["ann@example.com", "bob@example.com"] },

  // Tags, and who may give them to nodes. Owners and admins may always. A tagged node belongs to nobody.
  // "tagOwners": { "tag:server": ["group:ops"] },

  // Access over the network. Everything that no grant allows is denied.
  "grants": [
    // Every node may reach every other node. Replace this with narrower grants, for example:
    // { "src": ["group:ops"], "dst": ["tag:server"], "ip": ["tcp:22", "tcp:443"] },
    { "src": ["*"], "dst": ["*"], "ip": ["*"] },
  ],

  // Logins over Tailscale SSH.
  "ssh": [
    // Users may log in to their own devices, after signing in again now and then.
    {
      "action": "check",
      "src": ["autogroup:member"],
      "dst": ["autogroup:self"],
      "users": ["autogroup:nonroot", "root"],
    },
  ],
}
`;
