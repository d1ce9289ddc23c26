// Webhook events while the tailnet is awake: those of changes, which are queued with them, and those that come by time
// alone. They leave by the object's alarm (webhook-delivery.ts).
import type { WebhookMessage, WebhookQueue } from "../../db/webhook-queue.ts";
import type { PrivateWorld } from "../protocol/private-receivers.ts";
import type { Change } from "../tailnet/change.ts";
import { type Actor, loginNameOf } from "../tailnet/entities/actor.ts";
import { type Webhook, wantsEvent } from "../tailnet/entities/configuration/webhook.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import { keyNotices, nextKeyNotice } from "../tailnet/webhooks/key-notices.ts";
import { type WebhookEvent, webhookEvents } from "../tailnet/webhooks/webhook-events.ts";
import { webhookBody } from "../tailnet/webhooks/webhook-message.ts";
import { deliverWebhooks } from "./webhook-delivery.ts";

/** Until when events that come by time were told. */
const TOLD_UNTIL = "webhooks-told-until";

/** What it works on. */
export interface WebhookPorts {
  readonly tailnet: Tailnet;
  readonly queue: WebhookQueue;
  readonly kv: SyncKvStorage;
  readonly tailnetName: string;
  readonly privateWorld: PrivateWorld;
}

/** The webhooks of one tailnet. */
export class Webhooks {
  readonly #ports: WebhookPorts;

  constructor(ports: WebhookPorts) {
    this.#ports = ports;
  }

  /** What subscribers are told of changes that are not applied yet. */
  messagesOf(actor: Actor, changes: readonly Change[], now: number): WebhookMessage[] {
    if (this.#ports.tailnet.records.webhooks.size === 0) return [];
    return this.#messages(webhookEvents(this.#ports.tailnet, changes, loginNameOf(actor)), now);
  }

  /** Queues an event for one endpoint, whatever it subscribed to. */
  notify(webhook: Webhook, event: WebhookEvent, now: number): void {
    this.#ports.queue.add([this.#message(webhook, event, now)]);
  }

  /** Notes that endpoints came or went: what happened before the first one is nobody's business. */
  follow(now: number): void {
    const { tailnet, kv } = this.#ports;
    if (tailnet.records.webhooks.size === 0) kv.delete(TOLD_UNTIL);
    else if (kv.get(TOLD_UNTIL) === undefined) kv.put(TOLD_UNTIL, now);
  }

  /** Queues the events that time has brought, then starts to deliver what is due. */
  deliver(now: number): Promise<void>[] {
    const { tailnet, queue, kv, privateWorld } = this.#ports;
    const toldUntil = kv.get<number>(TOLD_UNTIL);
    if (toldUntil !== undefined && toldUntil < now) {
      queue.add(this.#messages(keyNotices(tailnet, toldUntil, now), now));
      kv.put(TOLD_UNTIL, now);
    }
    return deliverWebhooks({ queue, tailnet, privateWorld }, now);
  }

  /** When there is something to do next; undefined: never. */
  nextDueAt(): number | undefined {
    const noticeAt = this.noticeAt(this.#ports.tailnet.nodes.values());
    const next = Math.min(this.#ports.queue.nextDueAt() ?? Number.POSITIVE_INFINITY, noticeAt);
    return Number.isFinite(next) ? next : undefined;
  }

  /** When time brings the next event of these nodes; Infinity: never. */
  noticeAt(nodes: Parameters<typeof nextKeyNotice>[0]): number {
    if (this.#ports.tailnet.records.webhooks.size === 0) return Number.POSITIVE_INFINITY;
    const toldUntil = this.#ports.kv.get<number>(TOLD_UNTIL);
    return toldUntil === undefined ? Number.POSITIVE_INFINITY : nextKeyNotice(nodes, toldUntil);
  }

  #messages(events: readonly WebhookEvent[], at: number): WebhookMessage[] {
    const webhooks = [...this.#ports.tailnet.records.webhooks.values()];
    return events.flatMap((event) =>
      webhooks.filter((webhook) => wantsEvent(webhook, event.type)).map((webhook) => this.#message(webhook, event, at)),
    );
  }

  #message(webhook: Webhook, event: WebhookEvent, at: number): WebhookMessage {
    return { webhookId: webhook.id, body: webhookBody(webhook, event, this.#ports.tailnetName, at), at };
  }
}
