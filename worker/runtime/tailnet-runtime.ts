// The tailnet while its object is awake: state, store and watchers. Every change goes the same way (style.md 3.3):
// decide → store → evolve → tell whom it concerns. Loaded when first needed, so that a wake for a keep-alive is cheap.
import type { AuditLog } from "../../db/audit-log.ts";
import type { LogStreamStates } from "../../db/log-stream-states.ts";
import type { TailnetStore } from "../../db/tailnet-store.ts";
import type { SessionIndex, StreamRef } from "../connection/session-index.ts";
import type { Deployment } from "../mapper/deployment.ts";
import { DeviceTexts } from "../mapper/device-texts.ts";
import { NetmapEncoder } from "../mapper/netmap-encoder.ts";
import { randomBytes } from "../platform/random.ts";
import { toHex } from "../protocol/bytes.ts";
import type { NodeKey } from "../protocol/keys.ts";
import type { PrivateWorld } from "../protocol/private-receivers.ts";
import { auditChanges } from "../tailnet/audit/audit-changes.ts";
import type { Change, Decision } from "../tailnet/change.ts";
import { connectNode, disconnectNode } from "../tailnet/commands/nodes/presence.ts";
import type { CommandContext } from "../tailnet/commands/registration/place-node.ts";
import { deadlineOfChanges, meetDeadlines, nextDeadline } from "../tailnet/deadlines.ts";
import type { Effects } from "../tailnet/effects.ts";
import { type Actor, TAILNET_ACTOR } from "../tailnet/entities/actor.ts";
import type { Webhook } from "../tailnet/entities/configuration/webhook.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { evolve } from "../tailnet/evolve.ts";
import type { Refusal } from "../tailnet/refusal.ts";
import { describeFault } from "../tailnet/stored-policy.ts";
import { openTailnet, type Tailnet } from "../tailnet/tailnet.ts";
import type { WebhookEvent } from "../tailnet/webhooks/webhook-events.ts";
import type { AlarmClock } from "./alarm-clock.ts";
import { Delivery } from "./delivery.ts";
import { GatheredNews } from "./gathered-news.ts";
import { LateWrites } from "./late-writes.ts";
import { LogAccess } from "./log-access.ts";
import { LogStreaming } from "./log-streaming.ts";
import type { TokenIssuer } from "./token-issuer.ts";
import { Webhooks } from "./webhooks.ts";

/** Result of a command: what it made, or why it was refused. */
export type Outcome<T> = { readonly ok: true; readonly result: T } | { readonly ok: false; readonly refusal: Refusal };

/** What the runtime needs from its object. */
export interface RuntimePorts {
  readonly store: TailnetStore;
  readonly clock: AlarmClock;
  readonly kv: SyncKvStorage;
  readonly deployment: Deployment;
  readonly privateWorld: PrivateWorld;
  /** Origin of the deployment; empty: unknown. */
  readonly publicUrl: string;
  readonly tokens: TokenIssuer;
  /** Who is connected. */
  sessions(): SessionIndex;
  /** These node keys are good no longer: relays must let go of their holders. */
  revoke(nodeKeys: readonly NodeKey[]): void;
  /** A request that waited for a person can be answered. */
  wake(waiting: StreamRef): void;
}

/** One tailnet, loaded. */
export class TailnetRuntime {
  readonly tailnet: Tailnet;
  readonly encoder: NetmapEncoder;
  readonly deviceTexts: DeviceTexts;
  readonly #ports: RuntimePorts;
  readonly #delivery: Delivery;
  readonly #news: GatheredNews;
  readonly #lateWrites: LateWrites;
  readonly #logStreaming: LogStreaming;
  readonly #webhooks: Webhooks;

  constructor(ports: RuntimePorts) {
    this.#ports = ports;
    this.tailnet = openTailnet(ports.store.load());
    const { policyFault } = this.tailnet;
    if (policyFault !== null) console.error(describeFault(policyFault));
    const { auditLog, logStreamStates, webhookQueue: queue } = ports.store;
    const { tailnetName } = ports.deployment;
    const { kv, privateWorld, publicUrl, tokens } = ports;
    const sign = (claims: object, now: number) => tokens.sign(claims, now);
    const access = new LogAccess({ privateWorld, tailnetName, publicUrl, sign });
    this.#webhooks = new Webhooks({ tailnet: this.tailnet, queue, kv, tailnetName, privateWorld });
    const streamed = { tailnet: this.tailnet, auditLog, states: logStreamStates };
    this.#logStreaming = new LogStreaming({ ...streamed, privateWorld, access });
    this.encoder = new NetmapEncoder(ports.deployment);
    this.deviceTexts = new DeviceTexts(ports.deployment);
    this.#delivery = new Delivery(this.tailnet, {
      ...ports,
      encoder: this.encoder,
      ended: (id, now) => this.execute(TAILNET_ACTOR, (tailnet) => disconnectNode(tailnet, id, now)),
    });
    this.#news = new GatheredNews({
      kv: ports.kv,
      listeners: () => ports.sessions().watching.size,
      deliver: (effects, now) => this.#delivery.deliver(effects, now),
    });
    this.#lateWrites = new LateWrites(() => ports.store.storeLate());
    this.#notePresence();
    this.#news.recover(this.tailnet, Date.now());
  }

  /** The audit log. */
  get auditLog(): AuditLog {
    return this.#ports.store.auditLog;
  }

  /**
   * Runs a command of an actor: its changes are stored and applied before this returns, and delivered:
   * at once, but for cheap news, which may be gathered for a moment, as may the writing of streams that came and went.
   */
  execute<T>(actor: Actor, decide: (tailnet: Tailnet, context: CommandContext) => Decision<T>): Outcome<T> {
    const now = Date.now();
    const decision = decide(this.tailnet, { now, random: randomBytes, actor });
    if (!decision.ok) return decision;
    this.#apply(actor, decision.changes, now);
    return { ok: true, result: decision.result };
  }

  /** Does what has fallen due and asks for the next wake; events and logs are on their way until the promise resolves. */
  async meetDeadlines(): Promise<void> {
    this.execute(TAILNET_ACTOR, (tailnet, { now }) => meetDeadlines(tailnet, now));
    const deliveries = this.#webhooks.deliver(Date.now());
    const streamed = this.#logStreaming.deliver(Date.now());
    const wishes = [nextDeadline(this.tailnet), this.#webhooks.nextDueAt(), this.#logStreaming.nextDueAt()];
    const dueAt = wishes.filter((at) => at !== undefined);
    this.#ports.clock.setDeadline(dueAt.length === 0 ? undefined : Math.min(...dueAt));
    await Promise.all([...deliveries, streamed]);
    this.#wakeBy(this.#logStreaming.nextDueAt());
  }

  /** How the streams of the log fare. */
  get logStreamStates(): LogStreamStates {
    return this.#ports.store.logStreamStates;
  }

  /** Sends an event to one endpoint, whatever it subscribed to. */
  notify(webhook: Webhook, event: WebhookEvent): void {
    const now = Date.now();
    this.#webhooks.notify(webhook, event, now);
    this.#ports.clock.wakeBy(now);
  }

  /** Asks a node that has just opened its map stream what is not known of it. */
  askNode(node: Node, now: number): void {
    this.#delivery.askNode(node, now);
  }

  #apply(actor: Actor, changes: readonly Change[], now: number): void {
    if (changes.length === 0) return;
    const { store, clock } = this.#ports;
    const groupId = () => toHex(randomBytes(16));
    const messages = this.#webhooks.messagesOf(actor, changes, now);
    const entries = auditChanges(this.tailnet, changes, { actor, now, groupId });
    if (!store.commit(changes, entries, messages)) this.#lateWrites.add(now);
    if (messages.length > 0) clock.wakeBy(now);
    const effects = evolve(this.tailnet, changes);
    store.commitPrimaries(effects.policy);
    if (effects.collections.has("webhooks")) this.#webhooks.follow(now);
    if (effects.collections.has("log-streams")) this.#logStreaming.follow(now);
    this.#wakeBy(deadlineOfChanges(changes));
    this.#wakeBy(this.#webhooks.noticeAt(this.#nodesWithNewNotices(changes, effects)));
    if (entries.length > 0) this.#wakeBy(this.#logStreaming.dueAtFor(now));
    this.#news.tell(effects, now);
  }

  /** Nodes of which time may bring events that it did not bring before: all, when endpoints came. */
  #nodesWithNewNotices(changes: readonly Change[], { collections }: Effects): Iterable<Node> {
    if (collections.has("webhooks")) return this.tailnet.nodes.values();
    return changes.flatMap((change) => (change.type === "node-put" ? [change.node] : []));
  }

  #wakeBy(at: number | undefined): void {
    if (at !== undefined && Number.isFinite(at)) this.#ports.clock.wakeBy(at);
  }

  /**
   * What is stored of presence may be older than an instance that was lost (a crash, or within a round of late writes):
   * nodes whose streams ended start their grace now, and those that have one are online.
   */
  #notePresence(): void {
    const now = Date.now();
    const sessions = this.#ports.sessions();
    const changes = [...this.tailnet.nodes.values()].flatMap((node) => {
      const decide = sessions.mapsOf(node.id).length > 0 ? connectNode : disconnectNode;
      const decision = decide(this.tailnet, node.id, now);
      return decision.ok ? decision.changes : [];
    });
    this.#apply(TAILNET_ACTOR, changes, now);
  }
}
