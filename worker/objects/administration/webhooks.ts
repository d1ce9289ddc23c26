// Webhook endpoints (api-v2.md 2.13). Secrets leave when they are made, and never again.
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import {
  createWebhook,
  deleteWebhook,
  rotateWebhook,
  subscribeWebhook,
  type WebhookSpec,
} from "../../tailnet/commands/configuration/manage-webhooks.ts";
import type { Webhook } from "../../tailnet/entities/configuration/webhook.ts";
import { TEST_EVENT } from "../../tailnet/webhooks/webhook-events.ts";
import type { ResourceContext } from "./resource-context.ts";

/** An endpoint without its secret. */
export type WebhookRecord = Omit<Webhook, "secret">;

/** The endpoints of a tailnet. */
export class Webhooks {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** All endpoints, oldest first. */
  list(): WebhookRecord[] {
    return [...this.#context.tailnet.records.webhooks.values()].map(withoutSecret);
  }

  /** One endpoint. */
  get(id: string): WebhookRecord | null {
    const known = this.#context.tailnet.records.webhooks.get(id);
    return known === undefined ? null : withoutSecret(known);
  }

  /** Makes an endpoint. */
  create(spec: WebhookSpec): Outcome<Webhook> {
    const { receivers } = this.#context.settings.privateWorld;
    return this.#context.execute((tailnet, context) => createWebhook(tailnet, spec, receivers, context));
  }

  /** Changes what an endpoint subscribes to. */
  subscribe(id: string, subscriptions: Webhook["subscriptions"]): Outcome<WebhookRecord> {
    const outcome = this.#context.execute((tailnet, context) => subscribeWebhook(tailnet, id, subscriptions, context));
    return outcome.ok ? { ok: true, result: withoutSecret(outcome.result) } : outcome;
  }

  /** Gives an endpoint a new secret. */
  rotate(id: string): Outcome<Webhook> {
    return this.#context.execute((tailnet, context) => rotateWebhook(tailnet, id, context));
  }

  /** Removes an endpoint. */
  remove(id: string): Outcome<null> {
    return this.#context.execute((tailnet) => deleteWebhook(tailnet, id));
  }

  /** Sends an endpoint a test event; false: there is no such endpoint. */
  test(id: string): boolean {
    const known = this.#context.tailnet.records.webhooks.get(id);
    if (known === undefined) return false;
    this.#context.notify(known, TEST_EVENT);
    return true;
  }
}

function withoutSecret(known: Webhook): WebhookRecord {
  const { id, url, provider, subscriptions, creatorLoginName, createdAt, modifiedAt } = known;
  return { id, url, provider, subscriptions, creatorLoginName, createdAt, modifiedAt };
}
