// Node → tailcfg.Node, as its peers see it and as it sees itself (control-protocol.md 5.9).
import type { RouteView } from "../policy/engine.ts";
import { hostinfoForPeers } from "../protocol/control/hostinfo.ts";
import { formatTime } from "../protocol/control/json.ts";
import type { WireNode } from "../protocol/control/node.ts";
import { keyExpiryOf, type Node } from "../tailnet/entities/node.ts";
import { TAGGED_DEVICES_USER_ID } from "../tailnet/entities/user.ts";

/** Full DNS name of a node, without the trailing dot. */
export function fullName(node: Node, magicDnsSuffix: string): string {
  return `${node.name}.${magicDnsSuffix}`;
}

/** User id that a node carries on the wire. */
export function wireUserId(node: Node): number {
  return node.userId ?? TAGGED_DEVICES_USER_ID;
}

function common(node: Node, routes: RouteView, magicDnsSuffix: string) {
  const addresses = [`${node.ipv4}/32`, `${node.ipv6}/128`];
  const expiresAt = keyExpiryOf(node);
  return {
    ID: node.id,
    StableID: node.stableId,
    Name: `${fullName(node, magicDnsSuffix)}.`,
    User: wireUserId(node),
    Key: node.nodeKey,
    ...(expiresAt !== null && { KeyExpiry: formatTime(expiresAt) }),
    Machine: node.machineKey,
    ...(node.discoKey !== null && { DiscoKey: node.discoKey }),
    Addresses: addresses,
    AllowedIPs: [...addresses, ...routes.allowed],
    ...(node.homeDerp !== 0 && { HomeDERP: node.homeDerp }),
    Created: formatTime(node.createdAt),
    Cap: node.capabilityVersion,
    ...(node.tags.length > 0 && { Tags: node.tags }),
    ...(routes.primary.length > 0 && { PrimaryRoutes: routes.primary }),
    MachineAuthorized: node.isAuthorized,
  };
}

/** A node as a peer sees it. */
export function toPeer(node: Node, routes: RouteView, magicDnsSuffix: string): WireNode {
  return {
    ...common(node, routes, magicDnsSuffix),
    ...(node.endpoints.length > 0 && { Endpoints: node.endpoints }),
    Hostinfo: hostinfoForPeers(node.hostinfo),
    ...(!node.isOnline && node.lastSeenAt !== null && { LastSeen: formatTime(node.lastSeenAt) }),
    Online: node.isOnline,
  };
}

/** A node as it sees itself; `capMap` holds its capabilities. */
export function toSelf(
  node: Node,
  routes: RouteView,
  capMap: Readonly<Record<string, unknown>>,
  magicDnsSuffix: string,
): WireNode {
  return { ...common(node, routes, magicDnsSuffix), Hostinfo: node.hostinfo, Online: true, CapMap: capMap };
}
