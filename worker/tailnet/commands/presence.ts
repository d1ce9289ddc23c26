// Online state (control-protocol.md 5.15): online while a map stream is open; a node whose last stream ended counts as
// online for a short grace, so that a reconnect does not flicker at its peers.
import { type Decision, decided } from "../change.ts";
import type { Node } from "../entities/node.ts";
import type { Tailnet } from "../tailnet.ts";

/** How long a node without a stream still counts as online. */
export const OFFLINE_GRACE_MS = 10_000;

/** A map stream of the node was opened. */
export function connectNode(node: Node): Decision<Node> {
  if (node.isOnline && node.disconnectedAt === null) return decided(node);
  const connected: Node = { ...node, isOnline: true, disconnectedAt: null, lastSeenAt: null };
  return decided(connected, [{ type: "node-put", node: connected }]);
}

/** The last map stream of the node ended. */
export function disconnectNode(node: Node, now: number): Decision<Node> {
  if (!node.isOnline || node.disconnectedAt !== null) return decided(node);
  const disconnected: Node = { ...node, disconnectedAt: now };
  return decided(disconnected, [{ type: "node-put", node: disconnected }]);
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
