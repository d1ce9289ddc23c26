// Node → tailcfg.Node, as its peers see it and as it sees itself (control-protocol.md 5.9).
import type { RouteView } from "../policy/engine.ts";
import type { CapMap } from "../protocol/control/filter-rule.ts";
import { hostinfoForPeers } from "../protocol/control/hostinfo.ts";
import { formatSecond } from "../protocol/control/json.ts";
import type { WireNode } from "../protocol/control/node.ts";
import { keyExpiryOf, type Node, takesPart } from "../tailnet/entities/node.ts";
import { TAGGED_DEVICES_USER_ID } from "../tailnet/entities/user.ts";

/** What a node's record does not say: how the policy lets a viewer, or the node itself, see it. */
export interface NodeView {
  /** Addresses, without prefix length. */
  readonly addresses: readonly string[];
  readonly routes: RouteView;
  readonly capMap: CapMap;
}

/** Full DNS name of a node, without the trailing dot. */
export function fullName(node: Node, magicDnsSuffix: string): string {
  return `${node.name}.${magicDnsSuffix}`;
}

/** User id that a node carries on the wire. */
export function wireUserId(node: Node): number {
  return node.userId ?? TAGGED_DEVICES_USER_ID;
}

/**
 * Fields of both views. AllowedIPs are left out where they are the addresses: clients then take those (upgradeNode of
 * controlclient/map.go, 1.80.3 to 1.102.3).
 */
function common(node: Node, view: NodeView, magicDnsSuffix: string) {
  const addresses = view.addresses.map((address) => `${address}/${address.includes(":") ? 128 : 32}`);
  const { allowed, primary } = view.routes;
  const expiresAt = keyExpiryOf(node);
  return {
    ID: node.id,
    StableID: node.stableId,
    Name: `${fullName(node, magicDnsSuffix)}.`,
    User: wireUserId(node),
    Key: node.nodeKey,
    ...(expiresAt !== null && { KeyExpiry: formatSecond(expiresAt) }),
    Machine: node.machineKey,
    ...(node.discoKey !== null && { DiscoKey: node.discoKey }),
    Addresses: addresses,
    ...(allowed.length > 0 && { AllowedIPs: [...addresses, ...allowed] }),
    ...(node.homeDerp !== 0 && { HomeDERP: node.homeDerp }),
    Created: formatSecond(node.createdAt),
    Cap: node.capabilityVersion,
    ...(node.tags.length > 0 && { Tags: node.tags }),
    ...(primary.length > 0 && { PrimaryRoutes: primary }),
    MachineAuthorized: takesPart(node),
  };
}

/** A node as a peer sees it. */
export function toPeer(node: Node, view: NodeView, magicDnsSuffix: string): WireNode {
  return {
    ...common(node, view, magicDnsSuffix),
    ...(node.endpoints.length > 0 && { Endpoints: node.endpoints }),
    Hostinfo: hostinfoForPeers(node.hostinfo),
    ...(!node.isOnline && node.lastSeenAt !== null && { LastSeen: formatSecond(node.lastSeenAt) }),
    Online: node.isOnline,
    ...(Object.keys(view.capMap).length > 0 && { CapMap: view.capMap }),
  };
}

/** A node as it sees itself. */
export function toSelf(node: Node, view: NodeView, magicDnsSuffix: string): WireNode {
  return { ...common(node, view, magicDnsSuffix), Hostinfo: node.hostinfo, Online: true, CapMap: view.capMap };
}
