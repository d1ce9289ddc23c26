// Delivers webhook events that are due: by the object's alarm, some at a time, each attempt with a signature of its own.
import type { WebhookDelivery, WebhookQueue } from "../../db/webhook-queue.ts";
import type { PrivateWorld } from "../protocol/private-receivers.ts";
import type { Webhook } from "../tailnet/entities/configuration/webhook.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { nextAttempt, webhookSignature } from "../tailnet/webhooks/webhook-message.ts";
import { type OutsideRequest, sendOutside } from "./send-outside.ts";

/** Deliveries at once. */
const AT_ONCE = 6;
/** How long one may take; the next keep-alive waits for it, and clients allow for a minute (alarm-clock.ts). */
const TIMEOUT_MS = 5_000;

/** What it works on. */
export interface WebhookDeliveryPorts {
  readonly queue: WebhookQueue;
  readonly tailnet: Tailnet;
  readonly privateWorld: PrivateWorld;
}

/**
 * Starts to deliver events that are due. Each is put off before it is sent and taken out once it has arrived: an object
 * that dies in between neither loses it nor tries it over and over.
 */
export function deliverWebhooks({ queue, tailnet, privateWorld }: WebhookDeliveryPorts, now: number): Promise<void>[] {
  return queue.due(now, AT_ONCE).map(async (delivery) => {
    const webhook = tailnet.records.webhooks.get(delivery.webhookId);
    queue.putOff(delivery, webhook && nextAttempt(delivery.attempts + 1, delivery.createdAt, now));
    if (webhook === undefined) return;
    const { error } = await sendOutside(toRequest(webhook, delivery, now), privateWorld, { timeoutMs: TIMEOUT_MS });
    if (error === "") queue.remove(delivery.id);
  });
}

function toRequest({ url, secret }: Webhook, { body }: WebhookDelivery, now: number): OutsideRequest {
  const headers = {
    "content-type": "application/json",
    "tailscale-webhook-signature": webhookSignature(secret, body, now),
  };
  return { method: "POST", url, headers, body };
}
