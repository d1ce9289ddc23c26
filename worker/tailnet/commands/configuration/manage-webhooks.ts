// Webhook endpoints: make, change, remove, give a new secret (api-v2.md 2.13).
import { WEBHOOK_MAX_URL, WEBHOOKS_MAX } from "../../../protocol/limits.ts";
import { type Decision, decided, refused } from "../../change.ts";
import { loginNameOf } from "../../entities/actor.ts";
import type { Webhook } from "../../entities/configuration/webhook.ts";
import { randomText } from "../../entities/secret-token.ts";
import type { Tailnet } from "../../tailnet.ts";
import type { CommandContext } from "../registration/place-node.ts";

/** What a caller says of an endpoint. */
export type WebhookSpec = Pick<Webhook, "url" | "provider" | "subscriptions">;

/** Makes an endpoint. */
export function createWebhook(tailnet: Tailnet, spec: WebhookSpec, context: CommandContext): Decision<Webhook> {
  const { now, actor, random } = context;
  const problem = urlProblem(spec.url);
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

/**
 * What is wrong with an endpoint's URL: the tailnet's object must not be a way into networks that callers can not reach.
 * Where a name leads is not known here; Cloudflare and plain workerd connect to public addresses alone.
 */
function urlProblem(text: string): string | undefined {
  if (text.length > WEBHOOK_MAX_URL || !URL.canParse(text)) return "not a URL";
  const { protocol, hostname, port, username, password } = new URL(text);
  if (username !== "" || password !== "") return "must not hold credentials";
  if (!/^https?:$/.test(protocol)) return "must be an http or https URL";
  if (!["", "80", "443"].includes(port)) return "must use port 80 or 443";
  const host = hostname.toLowerCase().replace(/\.$/, "");
  const isName = /^[a-z0-9.-]+\.[a-z][a-z0-9-]*$/.test(host);
  const isLocal = /(^|\.)(localhost|local|internal|lan|home|arpa|test|invalid)$/.test(host);
  return isName && !isLocal ? undefined : "must lead to a public name";
}

function put(record: Webhook): Decision<Webhook> {
  return decided(record, [{ type: "record-put", collection: "webhooks", record }]);
}
