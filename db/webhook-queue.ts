// Webhook events that wait to be delivered, in SQLite: added in the transaction of the changes that they tell of.
import { asc, eq, lte } from "drizzle-orm";
import { WEBHOOK_QUEUE_MAX } from "../worker/protocol/limits.ts";
import type { Database } from "./open.ts";
import { webhookDeliveries } from "./schema/index.ts";

/** An event for one endpoint, as it will be sent. */
export interface WebhookMessage {
  readonly webhookId: string;
  readonly body: string;
  /** When it happened, in milliseconds since 1970. */
  readonly at: number;
}

/** A message that waits. */
export type WebhookDelivery = typeof webhookDeliveries.$inferSelect;

/** The queue of one tailnet. */
export class WebhookQueue {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Adds events; when there are too many, the oldest go. Runs inside the caller's transaction. */
  add(messages: readonly WebhookMessage[]): void {
    for (const { webhookId, body, at } of messages) {
      const row = { webhookId, body, attempts: 0, createdAt: at, dueAt: at };
      const { id } = this.#db.insert(webhookDeliveries).values(row).returning({ id: webhookDeliveries.id }).get();
      this.#db
        .delete(webhookDeliveries)
        .where(lte(webhookDeliveries.id, id - WEBHOOK_QUEUE_MAX))
        .run();
    }
  }

  /** Events that are due: new ones first, so that an endpoint that is down holds up no other. */
  due(now: number, limit: number): WebhookDelivery[] {
    const isDue = lte(webhookDeliveries.dueAt, now);
    return this.#db
      .select()
      .from(webhookDeliveries)
      .where(isDue)
      .orderBy(asc(webhookDeliveries.attempts), asc(webhookDeliveries.id))
      .limit(limit)
      .all();
  }

  /** When the next event is due; undefined: none waits. */
  nextDueAt(): number | undefined {
    const { dueAt } = webhookDeliveries;
    return this.#db.select({ dueAt }).from(webhookDeliveries).orderBy(asc(dueAt)).limit(1).get()?.dueAt;
  }

  /** Counts an attempt and puts the event off; undefined: takes it out. */
  putOff({ id, attempts }: WebhookDelivery, dueAt: number | undefined): void {
    if (dueAt === undefined) this.remove(id);
    else
      this.#db
        .update(webhookDeliveries)
        .set({ attempts: attempts + 1, dueAt })
        .where(eq(webhookDeliveries.id, id))
        .run();
  }

  /** Takes an event out. */
  remove(id: number): void {
    this.#db.delete(webhookDeliveries).where(eq(webhookDeliveries.id, id)).run();
  }
}
