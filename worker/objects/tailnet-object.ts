// The Durable Object of one tailnet: its database, its state and all of its control connections. Thin: each entry point
// hands on to the part that does the work. RPC methods return plain data; refusals are values, never exceptions.
import { DurableObject } from "cloudflare:workers";
import { MIGRATIONS } from "../../db/migrations.ts";
import { openDatabase } from "../../db/open.ts";
import { PolicyVersions } from "../../db/policy-versions.ts";
import { TailnetStore } from "../../db/tailnet-store.ts";
import { StreamBuffer } from "../connection/stream-buffer.ts";
import { TOO_MANY_HANDSHAKES } from "../control/rate-limit.ts";
import { readSettings } from "../env.ts";
import { noiseCrypto } from "../platform/noise-crypto.ts";
import { randomBytes } from "../platform/random.ts";
import { relayOf } from "../platform/relays.ts";
import { offersSubprotocol } from "../platform/subprotocols.ts";
import { fromBase64, fromHex, toHex } from "../protocol/bytes.ts";
import { machineKeyOf, type NodeKey, parseNodeKey } from "../protocol/keys.ts";
import type { KeyPair } from "../protocol/noise/handshake.ts";
import { TRUNK_PROTOCOL } from "../protocol/trunk/frame.ts";
import { AlarmClock } from "../runtime/alarm-clock.ts";
import { GatheredNews } from "../runtime/gathered-news.ts";
import { TailnetRuntime } from "../runtime/tailnet-runtime.ts";
import { type KeySet, TokenIssuer } from "../runtime/token-issuer.ts";
import { importEntries } from "../tailnet/audit/audit-changes.ts";
import type { AuditEvent } from "../tailnet/audit/audit-event.ts";
import type { Change } from "../tailnet/change.ts";
import type { Actor } from "../tailnet/entities/actor.ts";
import { describeExpiredKeys, haveKeysExpired } from "../tailnet/entities/configuration/issuer.ts";
import { isServed } from "../tailnet/entities/node.ts";
import { tailnetIdOf } from "../tailnet/entities/tailnet-id.ts";
import { describeFault } from "../tailnet/stored-policy.ts";
import { nodeByKey } from "../tailnet/tailnet.ts";
import { type AdministrationCall, administer } from "./administration/administration.ts";
import { type AdministrationLimits, administrationLimits } from "./administration/limits.ts";
import type { TransferPort } from "./administration/resource-context.ts";
import { ControlServer } from "./control-server.ts";

/** Under this key lies the digest of the file that was imported. */
const IMPORTED = "imported";
/** Parameter of an upgrade with a client's initiation. */
const HANDSHAKE = "X-Tailscale-Handshake";

/** One tailnet. */
export class TailnetObject extends DurableObject<Env> {
  readonly #store: TailnetStore;
  readonly #policyVersions: PolicyVersions;
  readonly #clock: AlarmClock;
  readonly #tokens: TokenIssuer;
  readonly #control: ControlServer;
  readonly #settings;
  readonly #limits: AdministrationLimits;
  #runtime: TailnetRuntime | undefined;
  #noiseKeys: KeyPair | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#settings = readSettings(env);
    this.#limits = administrationLimits(this.#settings.apiRequestsPerSecond);
    const db = openDatabase(ctx.storage, MIGRATIONS);
    this.#store = new TailnetStore(db);
    this.#policyVersions = new PolicyVersions(db);
    this.#clock = new AlarmClock(ctx.storage);
    this.#tokens = new TokenIssuer(db);
    this.#control = new ControlServer({
      ctx,
      buffer: new StreamBuffer(db),
      clock: this.#clock,
      settings: this.#settings,
      tokens: this.#tokens,
      noiseKeys: () => this.#keys(),
      runtime: () => this.#tailnet(),
    });
  }

  /** Upgrades of the control protocol: `GET /ts2021` with the initiation in the query, or, for a trunk, without one. */
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const isTrunk = !url.searchParams.has(HANDSHAKE) && offersSubprotocol(request.headers, TRUNK_PROTOCOL);
    const initiation = initiationOf(url);
    if (initiation === undefined && !isTrunk)
      return new Response(`${HANDSHAKE} is missing or not base64\n`, { status: 400 });
    const address = request.headers.get("cf-connecting-ip") ?? "";
    const wait = this.#control.handshakeWait(address, Date.now());
    if (wait > 0) {
      return new Response(TOO_MANY_HANDSHAKES, {
        status: 429,
        headers: { "retry-after": String(wait) },
      });
    }
    const webSocket =
      initiation === undefined
        ? this.#control.acceptTrunk(address, url.origin)
        : await this.#control.accept(initiation, address, url.origin);
    const headers = { "sec-websocket-protocol": isTrunk ? TRUNK_PROTOCOL : "tailscale-control-protocol" };
    return new Response(null, { status: 101, webSocket, headers });
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    await this.#control.receive(socket, message);
  }

  override webSocketClose(socket: WebSocket): void {
    this.#control.closed(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#control.closed(socket);
  }

  override async alarm(): Promise<void> {
    const now = Date.now();
    const due = this.#clock.ring(now, this.#control.hasConnections());
    try {
      if (due.isKeepAliveDue) this.#control.keepAlive(now);
      if (GatheredNews.isLost(this.ctx.storage.kv)) this.#tailnet(); // it recovers as it is loaded
      if (due.isDeadlineDue) await this.#tailnet().meetDeadlines();
    } catch (error) {
      console.error("alarm failed:", error); // six failures in a row would end the series
    }
  }

  /** Loads the tailnet. @returns what its operator must look after; empty when all is well */
  health(): readonly string[] {
    const { policyFault, records } = this.#tailnet().tailnet;
    const now = Date.now();
    const expired = [...records.issuers.values()].filter((issuer) => haveKeysExpired(issuer, now));
    return [...(policyFault === null ? [] : [describeFault(policyFault)]), ...expired.map(describeExpiredKeys)];
  }

  /** Public half of the Noise key, `mkey:…`. */
  publicKey(): string {
    return machineKeyOf(this.#keys().publicKey);
  }

  /** What verifies the identity tokens of this tailnet's nodes. */
  identityKeys(): KeySet {
    return this.#tokens.keySet(Date.now());
  }

  /** Those of the node keys whose holders may use the relays: nodes that are served. */
  whichMayUseRelay(nodeKeys: readonly string[]): string[] {
    const now = Date.now();
    return nodeKeys.filter((text) => {
      const key = parseNodeKey(text);
      const node = key === undefined ? undefined : nodeByKey(this.#tailnet().tailnet, key);
      return node !== undefined && isServed(node, now);
    });
  }

  /** Calls one operation of the administration; routes reach it through `administrationOf`, which has the types. */
  administer(call: AdministrationCall): unknown {
    const sessionKey = () => this.#privateKey("session");
    const tailnetId = tailnetIdOf(this.#keys().publicKey);
    return administer(
      {
        runtime: this.#tailnet(),
        settings: this.#settings,
        limits: this.#limits,
        sessionKey,
        tailnetId,
        policyVersions: this.#policyVersions,
        transferPort: this.#transferPort,
      },
      call,
    );
  }

  readonly #transferPort: TransferPort = {
    keys: () => {
      const { noise = "", session } = this.#store.privateKeys();
      return session === undefined ? { noise } : { noise, session };
    },
    importedDigest: () => this.ctx.storage.kv.get<string>(IMPORTED),
    replace: ({ digest, ...replacement }, actor) => {
      this.#control.closeAll();
      this.#store.replace(replacement, this.#importEntries(replacement.changes, actor));
      this.ctx.storage.kv.put(IMPORTED, digest);
      this.#runtime = undefined;
      this.#noiseKeys = undefined;
      this.#clock.wakeBy(Date.now()); // the deadlines are others now
    },
  };

  #importEntries(changes: readonly Change[], actor: Actor): AuditEvent[] {
    const groupId = () => toHex(randomBytes(16));
    return importEntries(this.#tailnet().tailnet, changes, { actor, now: Date.now(), groupId });
  }

  #tailnet(): TailnetRuntime {
    this.#runtime ??= new TailnetRuntime({
      store: this.#store,
      clock: this.#clock,
      kv: this.ctx.storage.kv,
      deployment: this.#settings,
      privateWorld: this.#settings.privateWorld,
      publicUrl: this.#settings.publicUrl,
      tokens: this.#tokens,
      sessions: () => this.#control.sessions(),
      revoke: (nodeKeys) => this.ctx.waitUntil(this.#revokeAtRelays(nodeKeys)),
      wake: (waiting) => this.#control.wake(waiting),
    });
    return this.#runtime;
  }

  async #revokeAtRelays(nodeKeys: readonly NodeKey[]): Promise<void> {
    const { regions } = this.#settings.relay;
    const told = regions.map(async (region) => relayOf(this.env, region).closeConnectionsOf(nodeKeys));
    for (const { status, ...outcome } of await Promise.allSettled(told)) {
      if (status === "rejected") console.error("relay was not told of revoked keys; it asks again later:", outcome);
    }
  }

  #keys(): KeyPair {
    if (this.#noiseKeys === undefined) {
      const privateKey = this.#privateKey("noise");
      this.#noiseKeys = { privateKey, publicKey: noiseCrypto.publicKey(privateKey) };
    }
    return this.#noiseKeys;
  }

  #privateKey(purpose: "noise" | "session"): Uint8Array {
    const key = fromHex(this.#store.privateKey(purpose, () => toHex(randomBytes(32))));
    if (key === undefined) throw new Error(`stored ${purpose} key is damaged`);
    return key;
  }
}

/** The initiation in a request's query. Clients escape `+`; one that did not arrives as a blank. */
function initiationOf(url: URL): Uint8Array | undefined {
  const text = url.searchParams.get(HANDSHAKE)?.replaceAll(" ", "+");
  if (text === undefined || text === "" || text.length > 4_096) return undefined;
  return fromBase64(text);
}
