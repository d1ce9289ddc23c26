// Online state (control-protocol.md 5.15): online while a map stream is open and the key is valid; a node whose last
// stream ended counts as online for a short grace, so that a reconnect does not flicker at its peers. An expired node
// may poll, to learn where it stands, but is not online: peers cannot reach it, and it must not hold routes.
import { type Decision, decided } from "../../change.ts";
import { isKeyExpired, keyExpiryOf, type Node, type NodeId } from "../../entities/node.ts";
import type { Tailnet } from "../../tailnet.ts";

/** How long a node without a stream still counts as online. */
export const OFFLINE_GRACE_MS = 10_000;

/** A map stream of the node was opened. */
export function connectNode(tailnet: Tailnet, nodeId: NodeId, now: number): Decision<null> {
  const node = tailnet.nodes.get(nodeId);
  if (node === undefined) return decided(null);
  const isConnected = node.isOnline && node.disconnectedAt === null;
  const connected = isConnected ? node : { ...node, isOnline: true, disconnectedAt: null, lastSeenAt: null };
  const next = isKeyExpired(node, now) ? offline(node, now) : connected;
  return decided(null, next === node ? [] : [{ type: "node-put", node: next }]);
}

/** The last map stream of the node ended. */
export function disconnectNode(tailnet: Tailnet, nodeId: NodeId, now: number): Decision<null> {
  const node = tailnet.nodes.get(nodeId);
  if (!node?.isOnline || node.disconnectedAt !== null) return decided(null);
  return decided(null, [{ type: "node-put", node: withStreamsEnded(node, now) }]);
}

/** The node offline, if its grace is over or its key has expired. */
export function settledPresence(node: Node, now: number): Node {
  return node.isOnline && offlineAt(node) <= now ? offline(node, node.disconnectedAt ?? now) : node;
}

/** When a node that is online goes offline if nothing else happens; Infinity for never. */
export function offlineAt(node: Node): number {
  const graceEndsAt = node.disconnectedAt === null ? Number.POSITIVE_INFINITY : node.disconnectedAt + OFFLINE_GRACE_MS;
  return Math.min(graceEndsAt, keyExpiryOf(node) ?? Number.POSITIVE_INFINITY);
}

/** The node without map streams: its grace runs. */
export function withStreamsEnded(node: Node, now: number): Node {
  return node.isOnline ? { ...node, disconnectedAt: node.disconnectedAt ?? now } : node;
}

/** The node offline, last seen at `lastSeenAt` if it was online until now. */
export function offline(node: Node, lastSeenAt: number): Node {
  return node.isOnline ? { ...node, isOnline: false, disconnectedAt: null, lastSeenAt } : node;
}

/** The node after it registered: an ephemeral one must not be removed between that and its first poll. */
export function withSignOfLife(node: Node, now: number): Node {
  return node.isEphemeral && !node.isOnline ? { ...node, lastSeenAt: now } : node;
}
