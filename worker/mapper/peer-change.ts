// What peers must be told when a node changed: nothing, a patch of cheap fields, or the whole node
// (control-protocol.md 5.7). Routes are not looked at: the policy engine reports them per viewer.
import { hostinfoForPeers } from "../protocol/control/hostinfo.ts";
import { formatSecond } from "../protocol/control/json.ts";
import type { PeerChange } from "../protocol/control/node.ts";
import { keyExpiryOf, type Node, takesPart } from "../tailnet/entities/node.ts";

/** How a node's change looks to those who see it before and after. */
export type PeerDifference = "none" | "whole" | PeerChange;

/** Compares two records of one node as peers see them. */
export function diffPeer(before: Node, after: Node): PeerDifference {
  if (needsWholeNode(before, after)) return "whole";
  const patch = {
    ...(after.homeDerp !== before.homeDerp && { DERPRegion: after.homeDerp }),
    ...(!sameList(after.endpoints, before.endpoints) && { Endpoints: after.endpoints }),
    ...presenceOf(before, after),
    ...(after.discoKey !== before.discoKey && after.discoKey !== null && { DiscoKey: after.discoKey }),
    ...(keyExpiryOf(after) !== keyExpiryOf(before) && { KeyExpiry: formatSecond(keyExpiryOf(after) ?? 0) }),
    ...(after.capabilityVersion !== before.capabilityVersion && { Cap: after.capabilityVersion }),
  };
  return Object.keys(patch).length === 0 ? "none" : { NodeID: after.id, ...patch };
}

function presenceOf(before: Node, after: Node): { Online?: boolean; LastSeen?: string } {
  // A new disco key counts for certain only beside Online (control-protocol.md 5.7), so the two travel together.
  if (after.isOnline) return before.isOnline && after.discoKey === before.discoKey ? {} : { Online: true };
  return {
    ...(before.isOnline && { Online: false }),
    ...(after.lastSeenAt !== before.lastSeenAt &&
      after.lastSeenAt !== null && { LastSeen: formatSecond(after.lastSeenAt) }),
  };
}

/** Changes that no patch can carry, or that are rare enough not to try. */
function needsWholeNode(before: Node, after: Node): boolean {
  return (
    after.nodeKey !== before.nodeKey ||
    after.machineKey !== before.machineKey ||
    after.name !== before.name ||
    after.userId !== before.userId ||
    after.ipv4 !== before.ipv4 ||
    after.ipv6 !== before.ipv6 ||
    takesPart(after) !== takesPart(before) ||
    (after.discoKey === null && before.discoKey !== null) ||
    (keyExpiryOf(after) === null) !== (keyExpiryOf(before) === null) ||
    (after.homeDerp === 0 && before.homeDerp !== 0) ||
    !sameList(after.tags, before.tags) ||
    (after.hostinfo !== before.hostinfo && peersText(after) !== peersText(before))
  );
}

function peersText({ hostinfo }: Node): string {
  return JSON.stringify(hostinfoForPeers(hostinfo));
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((item, i) => item === b[i]));
}

/**
 * Tells whether a node must be shown its own record anew: rarely, since older clients rebuild everything on it. What it
 * reported itself it knows, and a new node key comes with a new stream.
 */
export function needsNewSelf(before: Node, after: Node): boolean {
  return (
    after.name !== before.name ||
    after.userId !== before.userId ||
    after.ipv4 !== before.ipv4 ||
    after.ipv6 !== before.ipv6 ||
    takesPart(after) !== takesPart(before) ||
    keyExpiryOf(after) !== keyExpiryOf(before) ||
    !sameList(after.tags, before.tags)
  );
}
