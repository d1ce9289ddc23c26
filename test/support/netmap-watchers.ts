// The open map streams of a test tailnet, each with a client at its end. Delivers effects as the runtime does: a delta
// to every stream that it concerns, then the end of the streams that may not go on.
import { gather, urgencyOf } from "../../worker/mapper/cheap-news.ts";
import type { Deployment } from "../../worker/mapper/deployment.ts";
import { netmapDeltas } from "../../worker/mapper/netmap-delta.ts";
import { NetmapEncoder } from "../../worker/mapper/netmap-encoder.ts";
import type { NodeKey } from "../../worker/protocol/keys.ts";
import { type Effects, endsStreams, noEffects } from "../../worker/tailnet/effects.ts";
import type { Node, NodeId } from "../../worker/tailnet/entities/node.ts";
import { NetmapClient } from "./netmap-client.ts";
import type { TestTailnet } from "./tailnet-builder.ts";

/** A deployment with one relay region. */
export const DEPLOYMENT: Deployment = {
  controlUrl: "",
  tailnetName: "example.com",
  magicDnsSuffix: "tail.example.com",
  derpMap: {
    omitDefaultRegions: true,
    Regions: {
      "901": {
        RegionID: 901,
        RegionCode: "own",
        RegionName: "Own",
        Nodes: [{ Name: "901a", RegionID: 901, HostName: "derp.example.com" }],
      },
    },
  },
};

/** One open stream. */
export interface Watcher {
  readonly nodeKey: NodeKey;
  readonly client: NetmapClient;
}

/** All open streams, at most one per node. */
export class NetmapWatchers {
  readonly streams = new Map<NodeId, Watcher>();
  readonly encoder = new NetmapEncoder(DEPLOYMENT);
  /** Messages of the last delivery, by node. */
  readonly delivered = new Map<NodeId, string>();
  readonly #t: TestTailnet;
  readonly #gathers: boolean;
  #waiting: Effects | undefined;

  /** @param gathers news that may wait does, until {@link tellWaiting} or until news that may not takes it along */
  constructor(t: TestTailnet, gathers = false) {
    this.#t = t;
    this.#gathers = gathers;
  }

  /** Opens a stream in place of an older one: the peers learn that the node is online, then the first message. */
  open(id: NodeId | Node): NetmapClient {
    const { nodeKey } = this.#t.connect(id);
    this.deliver();
    const node = this.#t.node(id);
    const client = new NetmapClient();
    client.apply(this.encoder.full(this.#t.tailnet, node, this.#t.now));
    this.streams.set(node.id, { nodeKey, client });
    return client;
  }

  /** The client ends its stream. */
  close(id: NodeId): void {
    if (!this.streams.delete(id) || !this.#t.tailnet.nodes.has(id)) return;
    this.#t.disconnect(id);
    this.deliver();
  }

  /** Delivers what the tailnet's last command did, or lets it wait. */
  deliver(): void {
    const { effects, now } = this.#t;
    const waiting = this.#waiting ?? noEffects();
    gather(waiting, effects);
    this.#waiting = waiting;
    if (!this.#gathers || urgencyOf(effects, now) === "now") this.tellWaiting();
  }

  /** Delivers what has waited. */
  tellWaiting(): void {
    const { tailnet, now } = this.#t;
    const effects = this.#waiting ?? noEffects();
    this.#waiting = undefined;
    this.delivered.clear();
    for (const [id, delta] of netmapDeltas(tailnet, effects, this.streams)) {
      const text = this.encoder.delta(tailnet, this.#t.node(id), delta);
      if (text === undefined) continue;
      this.delivered.set(id, text);
      this.streams.get(id)?.client.apply(text);
    }
    for (const [id, effect] of effects.nodes) {
      const stream = this.streams.get(id);
      if (stream === undefined || !endsStreams(effect, now)) continue;
      const { before, after } = effect;
      if (before !== null && after === null) stream.client.apply(this.encoder.farewell(tailnet, before, now));
      this.streams.delete(id);
    }
  }

  /** What a client would have that opened a stream now, from an encoder that remembers nothing. */
  fresh(id: NodeId): NetmapClient {
    const client = new NetmapClient();
    client.apply(new NetmapEncoder(DEPLOYMENT).full(this.#t.tailnet, this.#t.node(id), this.#t.now));
    return client;
  }
}
