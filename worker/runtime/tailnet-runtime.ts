// The tailnet while its object is awake: state, store and watchers. Every change goes the same way (style.md 3.3):
// decide → store → evolve → tell whom it concerns. Loaded when first needed, so that a wake for a keep-alive is cheap.
import type { AuditLog } from "../../db/audit-log.ts";
import type { LogStreamStates } from "../../db/log-stream-states.ts";
import type { TailnetStore } from "../../db/tailnet-store.ts";
import type { ControlConnection } from "../connection/control-connection.ts";
import type { SessionIndex, StreamRef } from "../connection/session-index.ts";
import type { Deployment } from "../mapper/deployment.ts";
import { netmapDeltas, withoutPeers } from "../mapper/netmap-delta.ts";
import { NetmapEncoder } from "../mapper/netmap-encoder.ts";
import { randomBytes } from "../platform/random.ts";
import { toHex } from "../protocol/bytes.ts";
import { askClient } from "../protocol/control/client-request.ts";
import type { NodeKey } from "../protocol/keys.ts";
import { auditChanges } from "../tailnet/audit/audit-changes.ts";
import type { Change, Decision } from "../tailnet/change.ts";
import { needsServiceReport } from "../tailnet/commands/configuration/report-services.ts";
import { disconnectNode } from "../tailnet/commands/nodes/presence.ts";
import type { CommandContext } from "../tailnet/commands/registration/place-node.ts";
import { deadlineOf, meetDeadlines, nextDeadline } from "../tailnet/deadlines.ts";
import { type Effects, endsStreams, losesItsKey } from "../tailnet/effects.ts";
import { type Actor, TAILNET_ACTOR } from "../tailnet/entities/actor.ts";
import type { Webhook } from "../tailnet/entities/configuration/webhook.ts";
import type { Node } from "../tailnet/entities/node.ts";
import { MAX_CHECK_PERIOD_MS } from "../tailnet/entities/ssh-check.ts";
import { evolve } from "../tailnet/evolve.ts";
import type { Refusal } from "../tailnet/refusal.ts";
import { describeFault } from "../tailnet/stored-policy.ts";
import { openTailnet, type Tailnet } from "../tailnet/tailnet.ts";
import type { WebhookEvent } from "../tailnet/webhooks/webhook-events.ts";
import type { AlarmClock } from "./alarm-clock.ts";
import { GatheredNews } from "./gathered-news.ts";
import { LogStreaming } from "./log-streaming.ts";
import { mapFrame } from "./map-frame.ts";
import { Webhooks } from "./webhooks.ts";

/** Result of a command: what it made, or why it was refused. */
export type Outcome<T> = { readonly ok: true; readonly result: T } | { readonly ok: false; readonly refusal: Refusal };

/** What the runtime needs from its object. */
export interface RuntimePorts {
  readonly store: TailnetStore;
  readonly clock: AlarmClock;
  readonly kv: SyncKvStorage;
  readonly deployment: Deployment;
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
  readonly #ports: RuntimePorts;
  readonly #news: GatheredNews;
  readonly #logStreaming: LogStreaming;
  readonly #webhooks: Webhooks;

  constructor(ports: RuntimePorts) {
    this.#ports = ports;
    this.#news = new GatheredNews({
      kv: ports.kv,
      listeners: () => ports.sessions().watching.size,
      deliver: (effects, now) => this.#deliver(effects, now),
    });
    this.tailnet = openTailnet(ports.store.load());
    const { auditLog, logStreamStates, webhookQueue: queue } = ports.store;
    const { tailnetName } = ports.deployment;
    this.#webhooks = new Webhooks({ tailnet: this.tailnet, queue, kv: ports.kv, tailnetName });
    this.#logStreaming = new LogStreaming({ tailnet: this.tailnet, auditLog, states: logStreamStates });
    const { policyFault } = this.tailnet;
    if (policyFault !== null) console.error(describeFault(policyFault));
    this.encoder = new NetmapEncoder(ports.deployment);
    this.#noteLostStreams();
    this.#news.recover(this.tailnet, Date.now());
  }

  /**
   * Runs a command of an actor: its changes are stored and applied before this returns, and delivered:
   * at once, but for cheap news, which may be gathered for a moment.
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
    this.#wakeForLogs(this.#logStreaming.nextDueAt());
  }

  #wakeForLogs(at: number | undefined): void {
    if (at !== undefined) this.#ports.clock.wakeBy(at);
  }

  /** How the streams of the log fare. */
  get logStreamStates(): LogStreamStates {
    return this.#ports.store.logStreamStates;
  }

  /** Asks nodes which Services they host, when they announce others than are known. */
  #askForServices(effects: Effects, sessions: SessionIndex, now: number, touched: Set<ControlConnection>): void {
    for (const { after } of effects.nodes.values()) {
      const newest = after === null ? undefined : sessions.mapsOf(after.id).at(-1);
      if (after === null || newest === undefined || !needsServiceReport(this.tailnet, after)) continue;
      const { connection, stream } = newest;
      connection.push(stream.id, this.serviceQuestion(after, connection.state.publicOrigin), now);
      touched.add(connection);
    }
  }

  /**
   * A message that asks a node which Services it hosts. Clients send what they post to an `https` URL through Noise,
   * whatever the scheme of the control server, and over the connection that they have when the host is the server's.
   */
  serviceQuestion(node: Node, origin: string): Uint8Array {
    const { host } = new URL(this.#ports.deployment.controlUrl || origin);
    const url = `https://${host}/machine/c2n/vip-services/${node.id}/${toHex(randomBytes(16))}`;
    return mapFrame(askClient(url, "/vip-services"));
  }

  #apply(actor: Actor, changes: readonly Change[], now: number): void {
    if (changes.length === 0) return;
    const groupId = () => toHex(randomBytes(16));
    const messages = this.#webhooks.messagesOf(actor, changes, now);
    const entries = auditChanges(this.tailnet, changes, { actor, now, groupId });
    this.#ports.store.commit(changes, entries, messages);
    if (messages.length > 0) this.#ports.clock.wakeBy(now);
    const effects = evolve(this.tailnet, changes);
    this.#ports.store.commitPrimaries(effects.policy);
    if (effects.collections.has("webhooks")) this.#webhooks.follow(now);
    this.#schedule(changes);
    if (effects.collections.has("log-streams")) this.#logStreaming.follow(now);
    if (entries.length > 0) this.#wakeForLogs(this.#logStreaming.dueAtFor(now));
    this.#news.tell(effects, now);
  }

  /** Sends an event to one endpoint, whatever it subscribed to. */
  notify(webhook: Webhook, event: WebhookEvent): void {
    const now = Date.now();
    this.#webhooks.notify(webhook, event, now);
    this.#ports.clock.wakeBy(now);
  }

  /** The audit log. */
  get auditLog(): AuditLog {
    return this.#ports.store.auditLog;
  }

  #schedule(changes: readonly Change[]): void {
    let next = Number.POSITIVE_INFINITY;
    for (const change of changes) {
      if (change.type === "node-put")
        next = Math.min(next, deadlineOf(change.node), this.#webhooks.noticeAt([change.node]));
      else if (change.type === "pending-put") next = Math.min(next, change.pending.expiresAt);
      else if (change.type === "ssh-check-put") next = Math.min(next, change.check.expiresAt);
      else if (change.type === "record-put" && change.collection === "webhooks")
        next = Math.min(next, this.#webhooks.noticeAt(this.tailnet.nodes.values()));
      else if (change.type === "record-put" && change.collection === "user-invites")
        next = Math.min(next, change.record.expiresAt);
      else if (change.type === "ssh-check-passed") next = Math.min(next, change.passed.passedAt + MAX_CHECK_PERIOD_MS);
    }
    if (Number.isFinite(next)) this.#ports.clock.wakeBy(next);
  }

  #deliver(effects: Effects, now: number): void {
    const sessions = this.#ports.sessions();
    const touched = new Set<ControlConnection>();
    this.#deliverDeltas(effects, sessions, now, touched);
    const revoked: NodeKey[] = [];
    for (const effect of effects.nodes.values()) {
      if (effect.before === null) continue;
      if (losesItsKey(effect, now)) revoked.push(effect.before.nodeKey);
      if (endsStreams(effect, now)) this.#endStreams(effect.before, effect.after, now, touched);
    }
    this.#askForServices(effects, sessions, now, touched);
    if (revoked.length > 0) this.#ports.revoke(revoked);
    for (const connection of touched) connection.flush();
    for (const id of effects.decidedLogins)
      for (const waiting of [...sessions.waitingFor(id)]) this.#ports.wake(waiting);
  }

  /**
   * Ends a node's map streams. Its client asks anew and is told where it stands; that of a deleted node is told to log
   * in (control-protocol.md 5.15).
   */
  #endStreams(before: Node, after: Node | null, now: number, touched: Set<ControlConnection>): void {
    const sessions = this.#ports.sessions();
    const farewell = after === null ? mapFrame(this.encoder.farewell(this.tailnet, before, now)) : undefined;
    for (const { connection, stream } of [...sessions.mapsOf(before.id)]) {
      if (farewell !== undefined) connection.push(stream.id, farewell, now);
      sessions.remove({ connection, stream });
      connection.endStream(stream.id, now);
      touched.add(connection);
    }
    // Nobody else notes the end of a stream that the server ended; without it, a client that does not come back would
    // count as online for ever.
    if (after !== null) this.execute(TAILNET_ACTOR, (tailnet) => disconnectNode(tailnet, after.id, now));
  }

  #deliverDeltas(effects: Effects, sessions: SessionIndex, now: number, touched: Set<ControlConnection>): void {
    const frames = new Map<string, Uint8Array>();
    for (const [viewer, delta] of netmapDeltas(this.tailnet, effects, sessions.watching)) {
      const node = this.tailnet.nodes.get(viewer);
      if (node === undefined) continue;
      for (const { connection, stream } of sessions.mapsOf(viewer)) {
        const text = this.encoder.delta(this.tailnet, node, stream.omitsPeers ? withoutPeers(delta) : delta);
        if (text === undefined) continue;
        const framed = frames.get(text) ?? mapFrame(text);
        frames.set(text, framed);
        connection.push(stream.id, framed, now);
        touched.add(connection);
      }
    }
  }

  /** Streams that ended while the object was not there to see it (a crash): their nodes start their grace now. */
  #noteLostStreams(): void {
    const now = Date.now();
    const sessions = this.#ports.sessions();
    const changes = [...this.tailnet.nodes.values()].flatMap((node) => {
      if (sessions.mapsOf(node.id).length > 0) return [];
      const decision = disconnectNode(this.tailnet, node.id, now);
      return decision.ok ? decision.changes : [];
    });
    this.#apply(TAILNET_ACTOR, changes, now);
  }
}
