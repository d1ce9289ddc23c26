// What an administrator does to a node through the public API (api-v2.md 2.3, 2.4).
import { formatPrefix, maskPrefix, parsePrefix } from "../../../protocol/ip.ts";
import { type Decision, decided, refused } from "../../change.ts";
import type { Actor } from "../../entities/actor.ts";
import { isAllocatable } from "../../entities/address-pool.ts";
import type { Node } from "../../entities/node.ts";
import { isLabel, labelOf } from "../../entities/node-name.ts";
import { deniedTags } from "../../tag-authority.ts";
import { isAddressTaken, isServiceLabel, type Tailnet } from "../../tailnet.ts";
import { approveAdvertised } from "../policy/auto-approval.ts";
import { expireKey } from "../registration/log-out-node.ts";
import { freeName } from "./describe-node.ts";

/** Removes a node. */
export function deleteNode(node: Node): Decision<null> {
  return decided(null, [{ type: "node-removed", id: node.id }]);
}

/** Expires a node's key now. */
export function expireNode(node: Node, now: number): Decision<Node> {
  return put(expireKey(node, now));
}

/** Gives or withdraws device approval. */
export function authorizeNode(node: Node, isAuthorized: boolean): Decision<Node> {
  return put({ ...node, isAuthorized });
}

/** Gives a node another IPv4 address; the IPv6 address stays. */
export function readdressNode(tailnet: Tailnet, node: Node, ipv4: string): Decision<Node> {
  if (ipv4 === node.ipv4) return decided(node);
  if (!isAllocatable(ipv4)) {
    return refused({ reason: "invalid", detail: "ipv4: not an address of 100.64.0.0/10 that a device may have" });
  }
  if (isAddressTaken(tailnet, ipv4)) return refused({ reason: "conflict", detail: "address is already taken" });
  return put({ ...node, ipv4 });
}

/** Switches key expiry off or on again; the stored expiry is kept. */
export function setKeyExpiryDisabled(node: Node, isKeyExpiryDisabled: boolean): Decision<Node> {
  return put({ ...node, isKeyExpiryDisabled });
}

/** Names a node: a label, or a full name under the tailnet's suffix; empty: follow the host name again. */
export function renameNode(tailnet: Tailnet, node: Node, name: string, suffix: string): Decision<Node> {
  const wanted = name.toLowerCase().replace(/\.$/, "");
  if (wanted === "") return put({ ...node, isNameFixed: false, name: freeName(tailnet, node.hostinfo, node) });
  const label = wanted.endsWith(`.${suffix}`) ? wanted.slice(0, -suffix.length - 1) : wanted;
  if (!isLabel(label)) {
    return refused({ reason: "invalid", detail: `name must be a DNS label, for example "${labelOf(label)}"` });
  }
  const holder = tailnet.nodeByName.get(label);
  if ((holder !== undefined && holder !== node.id) || isServiceLabel(tailnet, label))
    return refused({ reason: "conflict", detail: "name is already taken" });
  return put({ ...node, name: label, isNameFixed: true });
}

/**
 * Sets a node's tags. They persist whatever the node asks for; key expiry stays as it is. A node that loses its last
 * tag belongs to the user who takes it away and must log in again; others can not leave a node without an owner.
 */
export function tagNode(
  tailnet: Tailnet,
  node: Node,
  wanted: readonly string[],
  { actor, now }: { readonly actor: Actor; readonly now: number },
): Decision<Node> {
  const tags = [...new Set(wanted)].sort();
  if (tags.length === 0 && node.tags.length === 0) return decided(node);
  const denied = deniedTags(tailnet, actor, tags);
  if (denied.length > 0) return refused({ reason: "tags-not-permitted", tags: denied });
  if (tags.length > 0) return put(approveAdvertised(tailnet, node, { ...node, tags, userId: null }));
  if (actor.kind !== "user") return refused({ reason: "invalid", detail: "only a user can take a device's last tag" });
  const untagged = { ...expireKey(node, now), tags, userId: actor.user.id };
  return put(approveAdvertised(tailnet, node, untagged));
}

/** Sets the approved routes, advertised or not; a prefix with host bits is refused. */
export function approveRoutes(node: Node, routes: readonly string[]): Decision<Node> {
  const approved = new Set<string>();
  for (const route of routes) {
    const prefix = parsePrefix(route);
    if (prefix === undefined)
      return refused({ reason: "invalid", detail: "a route must be a prefix such as 10.0.0.0/16" });
    const masked = maskPrefix(prefix);
    if (masked.address !== prefix.address) {
      return refused({
        reason: "invalid",
        detail: `${formatPrefix(prefix)} has host bits set; use ${formatPrefix(masked)}`,
      });
    }
    approved.add(formatPrefix(prefix));
  }
  return put({ ...node, approvedRoutes: [...approved].sort() });
}

function put(node: Node): Decision<Node> {
  return decided(node, [{ type: "node-put", node }]);
}
