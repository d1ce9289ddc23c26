// Webhook endpoints (api-v2.md 2.13).

/** Events of the tailnet's administration. */
const MANAGEMENT_EVENTS = [
  "nodeCreated",
  "nodeNeedsApproval",
  "nodeApproved",
  "nodeKeyExpiringInOneDay",
  "nodeKeyExpired",
  "nodeDeleted",
  "nodeSigned",
  "nodeNeedsSignature",
  "policyUpdate",
  "userCreated",
  "userNeedsApproval",
  "userSuspended",
  "userRestored",
  "userDeleted",
  "userApproved",
  "userRoleUpdated",
] as const;

/** Events of devices that are set up wrongly. */
const MISCONFIGURATION_EVENTS = ["subnetIPForwardingNotEnabled", "exitNodeIPForwardingNotEnabled"] as const;

/** What an endpoint may subscribe to. */
export const SUBSCRIPTIONS = [
  "categoryTailnetManagement",
  "categoryDeviceMisconfigurations",
  ...MANAGEMENT_EVENTS,
  ...MISCONFIGURATION_EVENTS,
] as const;

/** Chat systems whose message format is known; empty: our own. */
export const WEBHOOK_PROVIDERS = ["", "slack", "mattermost", "googlechat", "discord"] as const;

/** Something that happens to a tailnet. */
export type WebhookEventType = (typeof MANAGEMENT_EVENTS)[number] | (typeof MISCONFIGURATION_EVENTS)[number] | "test";

/** What an endpoint subscribes to: an event or a category. */
export type Subscription = (typeof SUBSCRIPTIONS)[number];

/** An endpoint. Instants are milliseconds since 1970. */
export interface Webhook {
  readonly id: string;
  readonly url: string;
  readonly provider: (typeof WEBHOOK_PROVIDERS)[number];
  /** As given, categories not expanded. */
  readonly subscriptions: readonly Subscription[];
  /** Signs what is delivered, so it is kept as it is; never shown again. */
  readonly secret: string;
  /** Empty when a credential made it. */
  readonly creatorLoginName: string;
  readonly createdAt: number;
  readonly modifiedAt: number;
}

/** Tells whether an endpoint wants an event. */
export function wantsEvent({ subscriptions }: Webhook, type: WebhookEventType): boolean {
  const category = MANAGEMENT_EVENTS.some((event) => event === type)
    ? "categoryTailnetManagement"
    : "categoryDeviceMisconfigurations";
  return type === "test" || subscriptions.includes(type) || subscriptions.includes(category);
}
