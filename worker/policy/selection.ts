// Which nodes and users a selector stands for, one at a time (policy.md 4.2). The engine finds the same for all nodes at
// once through its indexes; this is for questions about single nodes, and the plain twin that the engine is tested with.

import { parseAddress } from "../protocol/ip.ts";
import type { Role } from "./inventory.ts";
import type { Selector } from "./policy.ts";
import { contains } from "./prefix-set.ts";

/** A node as a selector sees it. Login and role are those of its user, null when it is tagged or the user unknown. */
export interface Subject {
  readonly tags: readonly string[];
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  readonly loginName: string | null;
  readonly role?: Role | null;
}

/** Tells whether a selector stands for the node, by what it is or by one of its addresses. */
export function selectsNode(selector: Selector, node: Subject): boolean {
  switch (selector.kind) {
    case "any":
    case "danger-all":
      return true;
    case "tag":
      return node.tags.includes(selector.tag);
    case "tagged":
      return node.tags.length > 0;
    case "literal":
      return [node.ipv4, node.ipv6].some((text) => {
        const address = text === null ? undefined : parseAddress(text);
        return address !== undefined && contains(selector.set, address);
      });
    default:
      return node.tags.length === 0 && node.loginName !== null && selectsUser(selector, node.loginName, node.role);
  }
}

/** Tells whether a selector stands for the user. */
export function selectsUser(selector: Selector, loginName: string, role: Role | null = null): boolean {
  switch (selector.kind) {
    case "user":
      return selector.login === loginName;
    case "group":
      return selector.members.includes(loginName);
    case "domain":
      return loginName.slice(loginName.lastIndexOf("@") + 1) === selector.domain;
    case "member":
      return true;
    case "role":
      return selector.role === role || (selector.role === "admin" && role === "owner");
    default:
      return false;
  }
}
