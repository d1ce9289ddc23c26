// Logout and forced expiry (control-protocol.md 4.7): the key stops working now; an ephemeral node goes at once.
import { type Decision, decided } from "../../change.ts";
import type { Node } from "../../entities/node.ts";
import { offline } from "../nodes/presence.ts";

/** Ends a node's login. An unknown node is answered the same way and nothing is made. */
export function logOutNode(node: Node | undefined, now: number): Decision<{ readonly kind: "logged-out" }> {
  if (node === undefined) return decided({ kind: "logged-out" });
  if (node.isEphemeral) return decided({ kind: "logged-out" }, [{ type: "node-removed", id: node.id }]);
  return decided({ kind: "logged-out" }, [{ type: "node-put", node: expireKey(node, now) }]);
}

/** The node with its key expired now, and offline for its peers; an expiry that has passed stays. */
export function expireKey(node: Node, now: number): Node {
  const keyExpiresAt = node.keyExpiresAt === null ? now : Math.min(node.keyExpiresAt, now);
  return { ...offline(node, now), keyExpiresAt, isKeyExpiryDisabled: false };
}
