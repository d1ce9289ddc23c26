// Node keys that run out are told by time alone, without a change: a day before, and when it happens (api-v2.md 2.13).
import { keyExpiryOf, type Node } from "../entities/node.ts";
import type { Tailnet } from "../tailnet.ts";
import { nodeEvent, type WebhookEvent } from "./webhook-events.ts";

const DAY_MS = 86_400_000;

/** The events of a span of time, the first instant left out and the last one included. */
export function keyNotices(tailnet: Tailnet, after: number, until: number): WebhookEvent[] {
  const isIn = (at: number) => at > after && at <= until;
  return [...tailnet.nodes.values()].flatMap((node) => {
    const expiresAt = keyExpiryOf(node);
    if (expiresAt === null) return [];
    if (isIn(expiresAt)) return [nodeEvent("nodeKeyExpired", tailnet, node, "has a key that expired")];
    const isWarned = isIn(expiresAt - DAY_MS) && node.createdAt < expiresAt - DAY_MS;
    return isWarned ? [nodeEvent("nodeKeyExpiringInOneDay", tailnet, node, "has a key that expires in a day")] : [];
  });
}

/** When the next event comes after an instant; Infinity: never. */
export function nextKeyNotice(nodes: Iterable<Node>, after: number): number {
  let next = Number.POSITIVE_INFINITY;
  for (const node of nodes) {
    const expiresAt = keyExpiryOf(node);
    if (expiresAt === null) continue;
    for (const at of [expiresAt - DAY_MS, expiresAt]) if (at > after) next = Math.min(next, at);
  }
  return next;
}
