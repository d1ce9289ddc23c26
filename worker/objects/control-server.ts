// The control connections of one tailnet: accepts sockets, hands their bytes on and keeps track of who watches what.
// Everything that outlives an event is in the sockets' attachments and in SQLite.

import type { ConnectionState } from "../connection/connection-state.ts";
import { ControlConnection } from "../connection/control-connection.ts";
import { openSession, refuseHandshake } from "../connection/open-session.ts";
import { SessionIndex, type StreamRef } from "../connection/session-index.ts";
import { SocketCarrier } from "../connection/socket-carrier.ts";
import type { StreamBuffer } from "../connection/stream-buffer.ts";
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

/** Serves the control protocol to the sockets of one object. */
export class ControlServer {
  readonly #ports: ControlServerPorts;
  readonly #connections = new Map<string, ControlConnection>();
  readonly #bySocket = new WeakMap<WebSocket, ControlConnection>();
  readonly #limits = new ControlLimits();
  readonly #streams: ControlStreams;
  #sessions: SessionIndex | undefined;

  constructor(ports: ControlServerPorts) {
    this.#ports = ports;
    this.#streams = new ControlStreams({
      settings: ports.settings,
      tokens: ports.tokens,
      limits: this.#limits,
      runtime: () => ports.runtime(),
      sessions: () => this.sessions(),
      over: ({ state }) => this.#connections.delete(state.id),
    });
  }

  /** Who is connected; read from the sockets' attachments when first asked after a wake. */
  sessions(): SessionIndex {
    if (this.#sessions !== undefined) return this.#sessions;
    const connections = this.#ports.ctx.getWebSockets().map((socket) => this.#connectionOf(socket));
    this.#ports.buffer.keepOnly(new Set(connections.map((connection) => connection.state.id)));
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
      const ports = { crypto: noiseCrypto, keys: this.#ports.noiseKeys(), random: randomBytes };
      const origin = { openedAt: Date.now(), remoteAddress, publicOrigin };
      const session = await openSession(ports, initiation, origin);
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

  /** Bytes from a client. */
  receive(socket: WebSocket, message: string | ArrayBuffer): void {
    if (typeof message === "string") {
      socket.close(1003, "binary messages only");
      return;
    }
    if (message.byteLength > WEBSOCKET_MAX_RECEIVE) {
      socket.close(1009, "message too big");
      return;
    }
    const connection = this.#connectionOf(socket);
    if (!connection.isOpen) return; // what a client sent before it saw our close
    this.#streams.receive(connection, new Uint8Array(message));
  }

  /** The socket is gone. */
  closed(socket: WebSocket): void {
    this.#streams.drop(this.#connectionOf(socket), 1000, "");
    socket.close(); // answers the client's close frame, which a socket that hibernates does not by itself
  }

  /** Sends a keep-alive on every map stream; drops clients that take nothing, or have asked for nothing. */
  keepAlive(now: number): void {
    const frame = keepAliveFrame(now);
    for (const socket of this.#ports.ctx.getWebSockets()) {
      const connection = this.#connectionOf(socket);
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
      this.#streams.drop(this.#connectionOf(socket), 1012, "server restarts");
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

  /**
   * The connection of a socket. Two objects for one connection would use nonces twice, so the name in the attachment
   * decides, not the identity of the socket object.
   */
  #connectionOf(socket: WebSocket): ControlConnection {
    const known = this.#bySocket.get(socket);
    if (known !== undefined) return known;
    const state = socket.deserializeAttachment() as ConnectionState;
    const connection = this.#connections.get(state.id);
    if (connection === undefined) return this.#connect(socket, state);
    this.#bySocket.set(socket, connection);
    return connection;
  }

  #connect(socket: WebSocket, state: ConnectionState): ControlConnection {
    const ports = { crypto: noiseCrypto, buffer: this.#ports.buffer };
    const connection = new ControlConnection(new SocketCarrier(socket), state, ports);
    this.#connections.set(state.id, connection);
    this.#bySocket.set(socket, connection);
    return connection;
  }
}
