// What changes mean for those who subscribed to events (api-v2.md 2.13). Called before the changes are applied, like the
// audit log. Nodes report IP forwarding as a health matter of their own, so the misconfiguration events have no source
// here, nor do those of tailnet lock.
import type { Change } from "../change.ts";
import type { WebhookEventType } from "../entities/configuration/webhook.ts";
import type { Node } from "../entities/node.ts";
import type { User } from "../entities/user.ts";
import type { Tailnet } from "../tailnet.ts";

/** Something that happened, as receivers are told. */
export interface WebhookEvent {
  readonly type: WebhookEventType;
  readonly message: string;
  /** Texts alone. */
  readonly data: Readonly<Record<string, string>>;
}

/** The events of a command's changes; `actor`: who caused them, empty for the control plane. */
export function webhookEvents(tailnet: Tailnet, changes: readonly Change[], actor: string): WebhookEvent[] {
  const events = changes.flatMap((change) => eventsOf(tailnet, change));
  return actor === "" ? events : events.map((event) => ({ ...event, data: { ...event.data, actor } }));
}

/** The event that a test sends. */
export const TEST_EVENT: WebhookEvent = { type: "test", message: "This is a test event", data: {} };

function eventsOf(tailnet: Tailnet, change: Change): WebhookEvent[] {
  switch (change.type) {
    case "node-put":
      return nodeEvents(tailnet, tailnet.nodes.get(change.node.id), change.node);
    case "node-removed": {
      const node = tailnet.nodes.get(change.id);
      return node === undefined ? [] : [nodeEvent("nodeDeleted", tailnet, node, "was removed")];
    }
    case "user-put":
      return userEvents(tailnet.users.get(change.user.id), change.user);
    case "user-removed": {
      const user = tailnet.users.get(change.id);
      return user === undefined ? [] : [userEvent("userDeleted", user, "was removed")];
    }
    case "policy-put":
      if (change.policy.text === tailnet.policy.text) return [];
      return [{ type: "policyUpdate", message: "The policy file was changed", data: {} }];
    default:
      return [];
  }
}

function nodeEvents(tailnet: Tailnet, before: Node | undefined, after: Node): WebhookEvent[] {
  const events: WebhookEvent[] = [];
  if (before === undefined) events.push(nodeEvent("nodeCreated", tailnet, after, "joined"));
  if (!after.isAuthorized && before?.isAuthorized !== false) {
    events.push(nodeEvent("nodeNeedsApproval", tailnet, after, "needs approval"));
  }
  if (after.isAuthorized && before?.isAuthorized === false)
    events.push(nodeEvent("nodeApproved", tailnet, after, "was approved"));
  return events;
}

function userEvents(before: User | undefined, after: User): WebhookEvent[] {
  if (before === undefined) {
    const created = userEvent("userCreated", after, "was added");
    return after.isApproved ? [created] : [created, userEvent("userNeedsApproval", after, "needs approval")];
  }
  const events: WebhookEvent[] = [];
  if (before.role !== after.role) events.push(userEvent("userRoleUpdated", after, `is now ${after.role}`));
  if (!before.isApproved && after.isApproved) events.push(userEvent("userApproved", after, "was approved"));
  if (!before.isSuspended && after.isSuspended) events.push(userEvent("userSuspended", after, "was suspended"));
  if (before.isSuspended && !after.isSuspended) events.push(userEvent("userRestored", after, "was restored"));
  return events;
}

/** An event about a node. */
export function nodeEvent(type: WebhookEventType, tailnet: Tailnet, node: Node, what: string): WebhookEvent {
  const { stableId, name, tags, userId } = node;
  const owner = userId === null ? undefined : tailnet.users.get(userId)?.loginName;
  const managedBy = tags.length > 0 ? tags.join(",") : (owner ?? "");
  return { type, message: `Node ${name} ${what}`, data: { nodeID: stableId, deviceName: name, managedBy } };
}

function userEvent(type: WebhookEventType, { loginName, stableId }: User, what: string): WebhookEvent {
  return { type, message: `User ${loginName} ${what}`, data: { user: loginName, userID: stableId } };
}
