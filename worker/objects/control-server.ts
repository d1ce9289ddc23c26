// The control connections of one tailnet: accepts sockets, feeds their bytes to the endpoints inside Noise and keeps
// track of who watches what. Everything that outlives an event is in the sockets' attachments and in SQLite.

import type { ConnectionState, MapStream, RequestStream, StreamState } from "../connection/connection-state.ts";
import { ControlConnection } from "../connection/control-connection.ts";
import { openSession, refuseHandshake } from "../connection/open-session.ts";
import { SessionIndex, type StreamRef } from "../connection/session-index.ts";
import type { StreamBuffer } from "../connection/stream-buffer.ts";
import { whyUseless } from "../connection/usefulness.ts";
import { type ControlContext, type ControlReply, text } from "../control/control-endpoint.ts";
import { bodyLimitOf, dispatch } from "../control/dispatch.ts";
import { ControlLimits, sourceOf } from "../control/rate-limit.ts";
import { replyToWaiting } from "../control/waiting.ts";
import type { Settings } from "../env.ts";
import { noiseCrypto } from "../platform/noise-crypto.ts";
import { randomBytes } from "../platform/random.ts";
import { EMPTY } from "../protocol/bytes.ts";
import { ProtocolError } from "../protocol/errors.ts";
import type { Http2Event } from "../protocol/http2/connection.ts";
import { WEBSOCKET_MAX_RECEIVE } from "../protocol/limits.ts";
import type { KeyPair } from "../protocol/noise/handshake.ts";
import type { AlarmClock } from "../runtime/alarm-clock.ts";
import { keepAliveFrame } from "../runtime/map-frame.ts";
import type { TailnetRuntime } from "../runtime/tailnet-runtime.ts";
import type { TokenIssuer } from "../runtime/token-issuer.ts";
import { connectNode, disconnectNode } from "../tailnet/commands/nodes/presence.ts";

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
  #sessions: SessionIndex | undefined;

  constructor(ports: ControlServerPorts) {
    this.#ports = ports;
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
      const connection = new ControlConnection(server, state, { crypto: noiseCrypto, buffer: this.#ports.buffer });
      this.#connections.set(state.id, connection);
      this.#bySocket.set(server, connection);
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
    try {
      for (const event of connection.receive(new Uint8Array(message), Date.now())) this.#handle(connection, event);
      connection.flush();
    } catch (error) {
      this.#fail(connection, error);
    }
  }

  /** The socket is gone. */
  closed(socket: WebSocket): void {
    this.#drop(this.#connectionOf(socket), 1000, "");
    socket.close(); // answers the client's close frame, which a socket that hibernates does not by itself
  }

  /** Sends a keep-alive on every map stream; drops clients that take nothing, or have asked for nothing. */
  keepAlive(now: number): void {
    const frame = keepAliveFrame(now);
    for (const socket of this.#ports.ctx.getWebSockets()) {
      const connection = this.#connectionOf(socket);
      const problem = whyUseless(connection.state, now);
      if (problem !== undefined) {
        this.#drop(connection, 1008, problem);
        continue;
      }
      const idle = connection.state.streams.filter(({ kind, held }) => kind === "map" && held === undefined);
      for (const stream of idle) connection.push(stream.id, frame, now);
      if (idle.length > 0) connection.flush();
    }
  }

  /** Lets go of everybody: the tailnet becomes another one. */
  closeAll(): void {
    for (const socket of this.#ports.ctx.getWebSockets())
      this.#drop(this.#connectionOf(socket), 1012, "server restarts");
    this.#sessions = undefined;
  }

  /** Whether anybody is connected. */
  hasConnections(): boolean {
    return this.#ports.ctx.getWebSockets().length > 0;
  }

  /** Answers a request that waited for a person; one that has nothing to hear yet goes on waiting. */
  wake({ connection, stream }: StreamRef): void {
    const { tailnet } = this.#ports.runtime();
    const reply = replyToWaiting(tailnet, stream, this.#ports.settings.magicDnsSuffix, Date.now());
    if (reply === undefined) return;
    this.sessions().remove({ connection, stream });
    this.#reply(connection, stream.id, reply);
    connection.flush();
  }

  /**
   * The connection of a socket. Two objects for one connection would use nonces twice, so the name in the attachment
   * decides, not the identity of the socket object.
   */
  #connectionOf(socket: WebSocket): ControlConnection {
    const known = this.#bySocket.get(socket);
    if (known !== undefined) return known;
    const state = socket.deserializeAttachment() as ConnectionState;
    const connection =
      this.#connections.get(state.id) ??
      new ControlConnection(socket, state, { crypto: noiseCrypto, buffer: this.#ports.buffer });
    this.#connections.set(state.id, connection);
    this.#bySocket.set(socket, connection);
    return connection;
  }

  #handle(connection: ControlConnection, event: Http2Event): void {
    switch (event.type) {
      case "request": {
        const { method, path } = event.head;
        const stream: RequestStream = {
          kind: "request",
          id: event.streamId,
          held: undefined,
          method,
          path,
          limit: bodyLimitOf(path),
          received: 0,
          inline: EMPTY,
          isSpilled: false,
        };
        connection.setStream(stream);
        if (event.endStream) this.#answer(connection, stream);
        return;
      }
      case "data": {
        const stream = connection.stream(event.streamId);
        if (stream?.kind !== "request") return;
        if (!connection.keepBody(stream, event.data)) {
          this.#reply(connection, stream.id, text(413, "request body too large"));
          return;
        }
        if (event.endStream) this.#answer(connection, stream);
        return;
      }
      case "reset": {
        const stream = connection.dropStream(event.streamId);
        if (stream !== undefined) this.#ended(connection, stream);
        return;
      }
      case "writable":
        connection.drain(event.streamId);
        return;
      case "goaway":
        return;
    }
  }

  #answer(connection: ControlConnection, stream: RequestStream): void {
    const { machineKey, remoteAddress } = connection.state;
    const request = {
      method: stream.method,
      path: stream.path,
      body: connection.takeBody(stream),
      machineKey,
      remoteAddress,
    };
    let reply: ControlReply;
    try {
      reply = dispatch(request, this.#context(connection));
    } catch (error) {
      console.error(`control ${stream.method} ${stream.path} failed:`, error);
      reply = text(500, "internal error");
    }
    this.#reply(connection, stream.id, reply);
  }

  #reply(connection: ControlConnection, streamId: number, reply: ControlReply): void {
    switch (reply.kind) {
      case "response":
        connection.respond(streamId, reply, Date.now());
        return;
      case "wait":
        this.#park(connection, { kind: "follow-up", id: streamId, held: undefined, pendingId: reply.pendingId });
        return;
      case "wait-for-ssh-check":
        this.#park(connection, { kind: "ssh-check", id: streamId, held: undefined, checkId: reply.checkId });
        return;
      case "map-stream": {
        const { nodeId, nodeKey, omitsPeers, first } = reply;
        this.#openMap(connection, { kind: "map", id: streamId, held: undefined, nodeId, nodeKey, omitsPeers }, first);
        return;
      }
    }
  }

  #context(connection: ControlConnection): ControlContext {
    const { settings, tokens } = this.#ports;
    const origin = settings.publicUrl || connection.state.publicOrigin;
    return {
      runtime: this.#ports.runtime(),
      deployment: settings,
      tokens,
      issuer: origin,
      now: Date.now(),
      limits: this.#limits,
      loginUrl: (pendingId) => `${origin}/a/${pendingId}`,
      sshCheckUrl: (checkId) => `${origin}/ssh/${checkId}`,
    };
  }

  #park(connection: ControlConnection, stream: StreamState): void {
    connection.setStream(stream);
    this.sessions().add({ connection, stream });
  }

  /** Opens a node's map stream in place of older ones; the first message is made after its peers know it is online. */
  #openMap(connection: ControlConnection, stream: MapStream, first: () => Uint8Array): void {
    const now = Date.now();
    const sessions = this.sessions();
    const runtime = this.#ports.runtime();
    connection.setStream(stream);
    connection.openBody(stream.id, 200);
    runtime.execute({ kind: "node", nodeKey: stream.nodeKey }, (tailnet) => connectNode(tailnet, stream.nodeId, now));
    for (const older of [...sessions.mapsOf(stream.nodeId)]) {
      sessions.remove(older);
      older.connection.endStream(older.stream.id, now);
      older.connection.flush();
    }
    sessions.add({ connection, stream });
    connection.push(stream.id, first(), now);
    const node = runtime.tailnet.nodes.get(stream.nodeId);
    if (node !== undefined) runtime.askNode(node, now);
  }

  /** A stream was ended by the client or with its socket. */
  #ended(connection: ControlConnection, stream: StreamState): void {
    if (stream.kind === "request" || stream.kind === "response") return;
    const sessions = this.sessions();
    sessions.remove({ connection, stream });
    if (stream.kind !== "map" || sessions.mapsOf(stream.nodeId).length > 0) return;
    const actor = { kind: "node", nodeKey: stream.nodeKey } as const;
    this.#ports.runtime().execute(actor, (tailnet, { now }) => disconnectNode(tailnet, stream.nodeId, now));
  }

  #drop(connection: ControlConnection, code: number, reason: string): void {
    this.#connections.delete(connection.state.id);
    for (const stream of connection.close(code, reason)) this.#ended(connection, stream);
  }

  #fail(connection: ControlConnection, error: unknown): void {
    if (!(error instanceof ProtocolError)) {
      console.error("control connection failed:", error);
      this.#drop(connection, 1011, "internal error");
      return;
    }
    connection.sendGoAway(error);
    this.#drop(connection, 1002, "protocol error");
  }
}
