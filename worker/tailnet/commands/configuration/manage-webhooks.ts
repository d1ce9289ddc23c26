// Webhook endpoints: make, change, remove, give a new secret (api-v2.md 2.13).
import { WEBHOOK_MAX_URL, WEBHOOKS_MAX } from "../../../protocol/limits.ts";
import type { PrivateReceivers } from "../../../protocol/private-receivers.ts";
import { type Decision, decided, refused } from "../../change.ts";
import { loginNameOf } from "../../entities/actor.ts";
import { receiverUrlProblem } from "../../entities/configuration/receiver-url.ts";
import type { Webhook } from "../../entities/configuration/webhook.ts";
import { randomText } from "../../entities/secret-token.ts";
import type { Tailnet } from "../../tailnet.ts";
import type { CommandContext } from "../registration/place-node.ts";

/** What a caller says of an endpoint. */
export type WebhookSpec = Pick<Webhook, "url" | "provider" | "subscriptions">;

/** Makes an endpoint. */
export function createWebhook(
  tailnet: Tailnet,
  spec: WebhookSpec,
  privateReceivers: PrivateReceivers,
  context: CommandContext,
): Decision<Webhook> {
  const { now, actor, random } = context;
  const rules = { maxLength: WEBHOOK_MAX_URL, ports: ["80", "443"], privateReceivers };
  const problem = receiverUrlProblem(spec.url, rules);
  if (problem !== undefined) return refused({ reason: "invalid", detail: `endpointUrl: ${problem}` });
  if (tailnet.records.webhooks.size >= WEBHOOKS_MAX) {
    return refused({ reason: "invalid", detail: `at most ${WEBHOOKS_MAX} webhooks` });
  }
  const id = randomText(random, 11);
  const creatorLoginName = actor.kind === "user" ? loginNameOf(actor) : "";
  return put({ id, ...spec, secret: mintSecret(context), creatorLoginName, createdAt: now, modifiedAt: now });
}

/** Changes what an endpoint subscribes to. */
export function subscribeWebhook(
  tailnet: Tailnet,
  id: string,
  subscriptions: Webhook["subscriptions"],
  { now }: CommandContext,
): Decision<Webhook> {
  const known = tailnet.records.webhooks.get(id);
  if (known === undefined) return refused({ reason: "not-found", what: "webhook" });
  return put({ ...known, subscriptions, modifiedAt: now });
}

/** Gives an endpoint a new secret; the old one is good no longer. */
export function rotateWebhook(tailnet: Tailnet, id: string, context: CommandContext): Decision<Webhook> {
  const known = tailnet.records.webhooks.get(id);
  if (known === undefined) return refused({ reason: "not-found", what: "webhook" });
  return put({ ...known, secret: mintSecret(context), modifiedAt: context.now });
}

/** Removes an endpoint. */
export function deleteWebhook(tailnet: Tailnet, id: string): Decision<null> {
  if (!tailnet.records.webhooks.has(id)) return refused({ reason: "not-found", what: "webhook" });
  return decided(null, [{ type: "record-removed", collection: "webhooks", id }]);
}

function mintSecret({ random }: CommandContext): string {
  return `tskey-webhook-k${randomText(random, 11)}CNTRL-${randomText(random, 32)}`;
}

function put(record: Webhook): Decision<Webhook> {
  return decided(record, [{ type: "record-put", collection: "webhooks", record }]);
}
