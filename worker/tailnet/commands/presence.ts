// Online state (control-protocol.md 5.15): online while a map stream is open; a node whose last stream ended counts as
// online for a short grace, so that a reconnect does not flicker at its peers.
import { type Decision, decided } from "../change.ts";
import { isKeyExpired, type Node, type NodeId } from "../entities/node.ts";
import type { Tailnet } from "../tailnet.ts";

/** How long a node without a stream still counts as online. */
export const OFFLINE_GRACE_MS = 10_000;

/** A map stream of the node was opened. One whose key has expired may poll, but is not online. */
export function connectNode(tailnet: Tailnet, nodeId: NodeId, now: number): Decision<null> {
  const node = tailnet.nodes.get(nodeId);
  if (node === undefined || isKeyExpired(node, now) || (node.isOnline && node.disconnectedAt === null)) return decided(null);
  const connected: Node = { ...node, isOnline: true, disconnectedAt: null, lastSeenAt: null };
  return decided(null, [{ type: "node-put", node: connected }]);
}

/** The last map stream of the node ended. */
export function disconnectNode(tailnet: Tailnet, nodeId: NodeId, now: number): Decision<null> {
  const node = tailnet.nodes.get(nodeId);
  if (!node?.isOnline || node.disconnectedAt !== null) return decided(null);
  return decided(null, [{ type: "node-put", node: { ...node, disconnectedAt: now } }]);
}

/** Nodes whose grace is over go offline. */
export function settlePresence(tailnet: Tailnet, now: number): Decision<null> {
  const due = [...tailnet.nodes.values()].filter(
    (node) => node.isOnline && node.disconnectedAt !== null && node.disconnectedAt + OFFLINE_GRACE_MS <= now,
  );
  return decided(
    null,
    due.map((node) => ({
      type: "node-put",
      node: { ...node, isOnline: false, disconnectedAt: null, lastSeenAt: node.disconnectedAt },
    })),
  );
}
