// The Durable Object of one DERP region: the sockets of its clients, its key and its alarm. What it does with them is in
// derp/relay.ts. Clients speak DERP over WebSockets with the subprotocol `derp` (control-protocol.md 7.2); native clients
// come through a gateway.
import { DurableObject } from "cloudflare:workers";
import { TAILNET_ID_HEADER } from "../platform/forwarded-headers.ts";
import { noiseCrypto } from "../platform/noise-crypto.ts";
import { randomBytes } from "../platform/random.ts";
import { parseNodeKey } from "../protocol/keys.ts";
import { DERP_KEEP_ALIVE_MS, DERP_LOGIN_MS } from "../protocol/limits.ts";
import type { KeyPair } from "../protocol/noise/handshake.ts";
import { Admission } from "./derp/admission.ts";
import { PartialFrames } from "./derp/partial-frames.ts";
import { Relay, type RelayStatistics } from "./derp/relay.ts";

/** One DERP region. */
export class DerpRegionObject extends DurableObject<Env> {
  readonly #relay: Relay;
  #keys: KeyPair | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#relay = new Relay({
      sockets: () => ctx.getWebSockets(),
      partials: new PartialFrames(ctx.storage.kv),
      admission: new Admission(async (tailnetId, nodeKey) => {
        return await env.TAILNET.get(env.TAILNET.idFromString(tailnetId)).mayUseRelay(nodeKey);
      }),
      keys: () => this.#keyPair(),
    });
  }

  /** Upgrades of clients that offer the subprotocol `derp`. */
  override async fetch(request: Request): Promise<Response> {
    const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
    if (!offered.includes("derp")) return new Response("WebSocket subprotocol derp is required\n", { status: 400 });
    const tailnetId = request.headers.get(TAILNET_ID_HEADER);
    if (tailnetId === null) throw new Error(`request without ${TAILNET_ID_HEADER}`);
    const nowMs = Date.now();
    await this.#wakeBy(nowMs + DERP_LOGIN_MS);
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    this.#relay.greet(server, tailnetId, nowMs);
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
    const nextMs = this.#relay.tick(nowMs);
    if (nextMs === undefined) await this.ctx.storage.deleteAlarm();
    else if (nextMs < nowMs + DERP_KEEP_ALIVE_MS) await this.ctx.storage.setAlarm(nextMs);
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

  async #wakeBy(dueMs: number): Promise<void> {
    const alarmMs = await this.ctx.storage.getAlarm();
    if (alarmMs === null || alarmMs > dueMs) await this.ctx.storage.setAlarm(dueMs);
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
