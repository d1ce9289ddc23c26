// The Durable Object of one DERP region: the sockets of its clients, its key and its alarm. What it does with them is in
// derp/relay.ts. Clients speak DERP over WebSockets with the subprotocol `derp` (control-protocol.md 7.2); native clients
// come through a gateway.
import { DurableObject } from "cloudflare:workers";
import { readRelay } from "../env.ts";
import { REGION_ID_HEADER } from "../platform/forwarded-headers.ts";
import { noiseCrypto } from "../platform/noise-crypto.ts";
import { randomBytes } from "../platform/random.ts";
import { offersSubprotocol } from "../platform/subprotocols.ts";
import { askAboutRelay } from "../platform/tailnets.ts";
import { FairShare } from "../protocol/derp/fair-share.ts";
import { parseNodeKey } from "../protocol/keys.ts";
import { DERP_KEEP_ALIVE_MS, DERP_LOGIN_MS, DERP_RECHECK_MS } from "../protocol/limits.ts";
import type { KeyPair } from "../protocol/noise/handshake.ts";
import { Admission } from "./derp/admission.ts";
import { originOf } from "./derp/origin.ts";
import { PartialFrames } from "./derp/partial-frames.ts";
import { Relay, type RelayStatistics } from "./derp/relay.ts";

/** Clients of a region that is no longer configured look for another home, and ask for it again for so long. */
const RETIRED_TRY_FOR_MS = 10_000;

/** One DERP region. */
export class DerpRegionObject extends DurableObject<Env> {
  readonly #relay: Relay;
  readonly #regionIds: readonly string[];
  #keys: KeyPair | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { regions, isOpen, meshKey, clientRate, regionRate } = readRelay(env);
    this.#regionIds = regions.map(({ id }) => String(id));
    this.#relay = new Relay({
      sockets: () => ctx.getWebSockets(),
      partials: new PartialFrames(ctx.storage.kv),
      admission: new Admission(async (nodeKeys) => askAboutRelay(env, nodeKeys), isOpen),
      share: new FairShare(regionRate, clientRate),
      keys: () => this.#keyPair(),
      meshKey,
    });
  }

  /** Upgrades of clients that offer the subprotocol `derp`. */
  override async fetch(request: Request): Promise<Response> {
    if (!offersSubprotocol(request.headers, "derp"))
      return new Response("WebSocket subprotocol derp is required\n", { status: 400 });
    const nowMs = Date.now();
    await this.#wakeBy(nowMs + DERP_LOGIN_MS);
    this.#noteRegion(request.headers.get(REGION_ID_HEADER));
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    this.#relay.greet(server, originOf(request.headers), nowMs);
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": "derp" } });
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    await this.#relay.receive(socket, message);
  }

  override webSocketClose(socket: WebSocket): void {
    this.#relay.closed(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#relay.closed(socket);
  }

  override async alarm(): Promise<void> {
    const nowMs = Date.now();
    await this.ctx.storage.setAlarm(nowMs + DERP_KEEP_ALIVE_MS);
    if (!this.#isConfigured()) this.#relay.retire(0, RETIRED_TRY_FOR_MS);
    const nextMs = this.#relay.tick(nowMs);
    if (nextMs === undefined) await this.ctx.storage.deleteAlarm();
    else if (nextMs < nowMs + DERP_KEEP_ALIVE_MS) await this.ctx.storage.setAlarm(nextMs);
    // An alarm rings in each keep-alive interval; the first of every ten minutes asks.
    if (nextMs !== undefined && nowMs % DERP_RECHECK_MS < DERP_KEEP_ALIVE_MS) await this.#relay.recheck();
  }

  /** Closes the connections of nodes that may no longer use the relay. Malformed keys are ignored. */
  closeConnectionsOf(nodeKeys: readonly string[]): void {
    for (const text of nodeKeys) {
      const nodeKey = parseNodeKey(text);
      if (nodeKey !== undefined) this.#relay.revoke(nodeKey);
    }
  }

  /** Counts since the object woke. */
  statistics(): RelayStatistics {
    return this.#relay.statistics();
  }

  /**
   * Sends all clients away before a planned interruption, and tells them when to come back and for how long to try.
   * @returns how many were told
   */
  restart(reconnectInMs: number, tryForMs: number): number {
    return this.#relay.retire(reconnectInMs, tryForMs);
  }

  async #wakeBy(dueMs: number): Promise<void> {
    const alarmMs = await this.ctx.storage.getAlarm();
    if (alarmMs === null || alarmMs > dueMs) await this.ctx.storage.setAlarm(dueMs);
  }

  #noteRegion(id: string | null): void {
    if (id !== null && this.ctx.storage.kv.get("region-id") !== id) this.ctx.storage.kv.put("region-id", id);
  }

  /** A region that was taken out of the settings has no new clients, and must let go of those that it has. */
  #isConfigured(): boolean {
    const id = this.ctx.storage.kv.get<string>("region-id");
    return id === undefined || this.#regionIds.includes(id);
  }

  // Clients read the key anew on every connection, so it matters to nobody but must survive hibernation between the
  // greeting and the login.
  #keyPair(): KeyPair {
    if (this.#keys === undefined) {
      let privateKey = this.ctx.storage.kv.get<Uint8Array>("private-key");
      if (privateKey === undefined) {
        privateKey = randomBytes(32);
        this.ctx.storage.kv.put("private-key", privateKey);
      }
      this.#keys = { privateKey, publicKey: noiseCrypto.publicKey(privateKey) };
    }
    return this.#keys;
  }
}
