// The control connections of one tailnet: accepts sockets, hands their bytes on and keeps track of who watches what.
// Everything that outlives an event is in the sockets' attachments and in SQLite.

import type { ConnectionState } from "../connection/connection-state.ts";
import { ControlConnection } from "../connection/control-connection.ts";
import { openSession, refuseHandshake, type SessionPorts } from "../connection/open-session.ts";
import { SessionIndex, type StreamRef } from "../connection/session-index.ts";
import { SocketCarrier } from "../connection/socket-carrier.ts";
import type { StreamBuffer } from "../connection/stream-buffer.ts";
import { Trunk, type TrunkAttachment } from "../connection/trunk/trunk.ts";
import { whyUseless } from "../connection/usefulness.ts";
import { ControlLimits, sourceOf } from "../control/rate-limit.ts";
import type { Settings } from "../env.ts";
import { noiseCrypto } from "../platform/noise-crypto.ts";
import { randomBytes } from "../platform/random.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { WEBSOCKET_MAX_RECEIVE } from "../protocol/limits.ts";
import type { KeyPair } from "../protocol/noise/handshake.ts";
import type { AlarmClock } from "../runtime/alarm-clock.ts";
import { keepAliveFrame } from "../runtime/map-frame.ts";
import type { TailnetRuntime } from "../runtime/tailnet-runtime.ts";
import type { TokenIssuer } from "../runtime/token-issuer.ts";
import { ControlStreams } from "./control-streams.ts";
import { ControlTrunks } from "./control-trunks.ts";

/** What the server needs from its object. */
export interface ControlServerPorts {
  readonly ctx: DurableObjectState;
  readonly buffer: StreamBuffer;
  readonly clock: AlarmClock;
  readonly settings: Settings;
  readonly tokens: TokenIssuer;
  noiseKeys(): KeyPair;
  runtime(): TailnetRuntime;
}

/** What a socket carries: one connection, or the channels of a trunk. */
type Carried = ControlConnection | Trunk;

/** Serves the control protocol to the sockets of one object. */
export class ControlServer {
  readonly #ports: ControlServerPorts;
  readonly #byId = new Map<string, Carried>();
  readonly #bySocket = new WeakMap<WebSocket, Carried>();
  readonly #limits = new ControlLimits();
  readonly #streams: ControlStreams;
  readonly #trunks: ControlTrunks;
  #sessions: SessionIndex | undefined;

  constructor(ports: ControlServerPorts) {
    this.#ports = ports;
    this.#streams = new ControlStreams({
      settings: ports.settings,
      tokens: ports.tokens,
      limits: this.#limits,
      runtime: () => ports.runtime(),
      sessions: () => this.sessions(),
      over: ({ state }) => this.#byId.delete(state.id),
    });
    this.#trunks = new ControlTrunks({
      kv: ports.ctx.storage.kv,
      buffer: ports.buffer,
      clock: ports.clock,
      limits: this.#limits,
      streams: this.#streams,
      session: () => this.#sessionPorts(),
      handshakeWait: (address, now) => this.handshakeWait(address, now),
    });
  }

  /** Who is connected; read from the sockets' attachments when first asked after a wake. */
  sessions(): SessionIndex {
    if (this.#sessions !== undefined) return this.#sessions;
    const all = this.#ports.ctx.getWebSockets().map((socket) => this.#carriedBy(socket));
    const connections = all.flatMap(connectionsOn);
    this.#ports.buffer.keepOnly(new Set(connections.map((connection) => connection.state.id)));
    this.#trunks.keepOnly(all.filter((carried) => carried instanceof Trunk));
    this.#sessions = new SessionIndex(connections);
    return this.#sessions;
  }

  /**
   * Whether a source may make a handshake, which costs four X25519 operations before anything is proved
   * (control-protocol.md 2.4). Without an address (plain workerd, where a gateway stands in front) nobody is counted: all
   * would share one bucket, and one peer could shut the others out. @returns 0, or seconds until it may
   */
  handshakeWait(remoteAddress: string, now: number): number {
    return remoteAddress === "" ? 0 : this.#limits.handshakes.take(sourceOf(remoteAddress), now);
  }

  /** Answers the upgrade: the handshake, then a socket whose first bytes are its response (control-protocol.md 1.4). */
  async accept(initiation: Uint8Array, remoteAddress: string, publicOrigin: string): Promise<WebSocket> {
    const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    try {
      const origin = { openedAt: Date.now(), remoteAddress, publicOrigin };
      const session = await openSession(this.#sessionPorts(), initiation, origin);
      this.#ports.ctx.acceptWebSocket(server);
      const { state, response, greeting } = session;
      const connection = this.#connect(server, state);
      connection.greet(response, greeting);
      this.#ports.clock.startKeepAlives(state.openedAt);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refuseHandshake(server, error);
    }
    return client;
  }

  /** Answers the upgrade of a gateway that wants a trunk. */
  acceptTrunk(remoteAddress: string, publicOrigin: string): WebSocket {
    const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    this.#ports.ctx.acceptWebSocket(server);
    this.#know(server, this.#trunks.open(server, remoteAddress, publicOrigin));
    return client;
  }

  /** A message from a client, or from a gateway. */
  async receive(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const carried = this.#carriedBy(socket);
    if (!carried.isOpen) return; // what was sent before our close was seen
    if (typeof message === "string") this.#end(carried, 1003, "binary messages only");
    else if (message.byteLength > WEBSOCKET_MAX_RECEIVE) this.#end(carried, 1009, "message too big");
    else if (carried instanceof Trunk) await this.#trunks.receive(carried, new Uint8Array(message));
    else this.#streams.receive(carried, new Uint8Array(message));
  }

  /** The socket is gone. */
  closed(socket: WebSocket): void {
    this.#end(this.#carriedBy(socket), 1000, "");
    socket.close(); // answers the client's close frame, which a socket that hibernates does not by itself
  }

  /**
   * Sends a keep-alive on every map stream; drops clients that take nothing, or have asked for nothing, and trunks that
   * carry nothing.
   */
  keepAlive(now: number): void {
    const frame = keepAliveFrame(now);
    const all = this.#ports.ctx.getWebSockets().map((socket) => this.#carriedBy(socket));
    for (const carried of all) {
      if (carried instanceof Trunk && carried.isUseless(now)) this.#end(carried, 1000, "no connections");
    }
    for (const connection of all.flatMap(connectionsOn)) {
      const problem = whyUseless(connection.state, now);
      if (problem !== undefined) {
        this.#streams.drop(connection, 1008, problem);
        continue;
      }
      const idle = connection.state.streams.filter(({ kind, held }) => kind === "map" && held === undefined);
      for (const stream of idle) connection.push(stream.id, frame, now);
      if (idle.length > 0) connection.flush();
    }
  }

  /** Lets go of everybody: the tailnet becomes another one. */
  closeAll(): void {
    for (const socket of this.#ports.ctx.getWebSockets()) {
      this.#end(this.#carriedBy(socket), 1012, "server restarts");
    }
    this.#sessions = undefined;
  }

  /** Whether anybody is connected. */
  hasConnections(): boolean {
    return this.#ports.ctx.getWebSockets().length > 0;
  }

  /** Answers a request that waited for a person; one that has nothing to hear yet goes on waiting. */
  wake(waiting: StreamRef): void {
    this.#streams.wake(waiting);
  }

  #end(carried: Carried, code: number, reason: string): void {
    if (!(carried instanceof Trunk)) this.#streams.drop(carried, code, reason);
    else {
      this.#byId.delete(carried.state.id);
      this.#trunks.close(carried, code, reason);
    }
  }

  /**
   * What a socket carries. Two objects for one connection would use nonces twice, so the name in the attachment
   * decides, not the identity of the socket object.
   */
  #carriedBy(socket: WebSocket): Carried {
    const known = this.#bySocket.get(socket);
    if (known !== undefined) return known;
    const attachment = socket.deserializeAttachment() as ConnectionState | TrunkAttachment;
    const byId = this.#byId.get(attachment.id);
    if (byId !== undefined) return this.#know(socket, byId);
    if ("trunk" in attachment) return this.#know(socket, this.#trunks.restore(socket, attachment));
    return this.#connect(socket, attachment);
  }

  #connect(socket: WebSocket, state: ConnectionState): ControlConnection {
    const ports = { crypto: noiseCrypto, buffer: this.#ports.buffer };
    return this.#know(socket, new ControlConnection(new SocketCarrier(socket), state, ports));
  }

  #know<C extends Carried>(socket: WebSocket, carried: C): C {
    this.#byId.set(carried.state.id, carried);
    this.#bySocket.set(socket, carried);
    return carried;
  }

  #sessionPorts(): SessionPorts {
    return { crypto: noiseCrypto, keys: this.#ports.noiseKeys(), random: randomBytes };
  }
}

function connectionsOn(carried: Carried): readonly ControlConnection[] {
  return carried instanceof Trunk ? carried.connections : [carried];
}
