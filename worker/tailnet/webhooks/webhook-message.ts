// What is sent to a webhook endpoint, and when it is tried again (api-v2.md 2.13).
//
//   Tailscale-Webhook-Signature: t=<unix seconds>,v1=<HMAC-SHA256 of "<t>.<body>" by the whole secret, hex>
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import { formatTime } from "../../protocol/control/json.ts";
import type { Webhook } from "../entities/configuration/webhook.ts";
import type { WebhookEvent } from "./webhook-events.ts";

const MINUTE_MS = 60_000;
/** How long an event is tried to be delivered. */
const GIVE_UP_MS = 24 * 60 * MINUTE_MS;
const LONGEST_PAUSE_MS = 60 * MINUTE_MS;

/** The body for an event, in the format of the endpoint's provider. */
export function webhookBody({ provider }: Webhook, event: WebhookEvent, tailnet: string, now: number): string {
  const text = `[${tailnet}] ${event.message}`;
  if (provider === "discord") return JSON.stringify({ content: text });
  if (provider !== "") return JSON.stringify({ text });
  const { type, message, data } = event;
  return JSON.stringify([{ timestamp: formatTime(now), version: 1, type, tailnet, message, data }]);
}

/** The signature header for a body that is sent now; receivers refuse old ones, so every attempt has its own. */
export function webhookSignature(secret: string, body: string, now: number): string {
  const seconds = Math.floor(now / 1000);
  return `t=${seconds},v1=${toHex(hmac(sha256, utf8(secret), utf8(`${seconds}.${body}`)))}`;
}

/** When to try again after `attempts` attempts: in 10 s, doubled each time, up to an hour; undefined: never. */
export function nextAttempt(attempts: number, createdAt: number, now: number): number | undefined {
  const at = now + Math.min(LONGEST_PAUSE_MS, 5_000 * 2 ** Math.min(attempts, 20));
  return at - createdAt > GIVE_UP_MS ? undefined : at;
}
