// What clients ask for on the streams of their connections: requests are answered, map streams opened, and requests that
// wait for a person parked. How the connections are carried is nothing to this part.
import type { MapStream, RequestStream, StreamState } from "../connection/connection-state.ts";
import type { ControlConnection } from "../connection/control-connection.ts";
import type { SessionIndex, StreamRef } from "../connection/session-index.ts";
import { type ControlContext, type ControlReply, text } from "../control/control-endpoint.ts";
import { bodyLimitOf, dispatch } from "../control/dispatch.ts";
import type { ControlLimits } from "../control/rate-limit.ts";
import { replyToWaiting } from "../control/waiting.ts";
import type { Settings } from "../env.ts";
import { EMPTY } from "../protocol/bytes.ts";
import { ProtocolError } from "../protocol/errors.ts";
import type { Http2Event } from "../protocol/http2/connection.ts";
import type { TailnetRuntime } from "../runtime/tailnet-runtime.ts";
import type { TokenIssuer } from "../runtime/token-issuer.ts";
import { connectNode, disconnectNode } from "../tailnet/commands/nodes/presence.ts";

/** What serving streams needs. */
export interface StreamsPorts {
  readonly settings: Settings;
  readonly tokens: TokenIssuer;
  readonly limits: ControlLimits;
  runtime(): TailnetRuntime;
  sessions(): SessionIndex;
  /** A connection has ended. */
  over(connection: ControlConnection): void;
}

/** Serves the streams of all connections of one object. */
export class ControlStreams {
  readonly #ports: StreamsPorts;

  constructor(ports: StreamsPorts) {
    this.#ports = ports;
  }

  /** Bytes from a client. A connection whose client breaks a protocol, or that fails, ends; nobody else's does. */
  receive(connection: ControlConnection, bytes: Uint8Array): void {
    try {
      for (const event of connection.receive(bytes, Date.now())) this.#handle(connection, event);
      connection.flush();
    } catch (error) {
      this.fail(connection, error);
    }
  }

  /** The way to the client takes more than before. */
  resume(connection: ControlConnection): void {
    try {
      connection.drain(0, Date.now());
      connection.flush();
    } catch (error) {
      this.fail(connection, error);
    }
  }

  /** Answers a request that waited for a person; one that has nothing to hear yet goes on waiting. */
  wake({ connection, stream }: StreamRef): void {
    const { tailnet } = this.#ports.runtime();
    const reply = replyToWaiting(tailnet, stream, this.#ports.settings.magicDnsSuffix, Date.now());
    if (reply === undefined) return;
    this.#ports.sessions().remove({ connection, stream });
    this.#reply(connection, stream.id, reply);
    connection.flush();
  }

  /** Ends a connection, and what its streams were for; of an error of its own, its client is told. */
  drop(connection: ControlConnection, code: number, reason: string, error?: ProtocolError): void {
    this.#ports.over(connection);
    for (const stream of connection.close(code, reason, error)) this.#ended(connection, stream);
  }

  /** Ends a connection for an error. */
  fail(connection: ControlConnection, error: unknown): void {
    if (error instanceof ProtocolError) this.drop(connection, 1002, "protocol error", error);
    else {
      console.error("control connection failed:", error);
      this.drop(connection, 1011, "internal error");
    }
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
        connection.drain(event.streamId, Date.now());
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
    const { settings, tokens, limits } = this.#ports;
    const origin = settings.publicUrl || connection.state.publicOrigin;
    return {
      runtime: this.#ports.runtime(),
      deployment: settings,
      tokens,
      issuer: origin,
      now: Date.now(),
      limits,
      loginUrl: (pendingId) => `${origin}/a/${pendingId}`,
      sshCheckUrl: (checkId) => `${origin}/ssh/${checkId}`,
    };
  }

  #park(connection: ControlConnection, stream: StreamState): void {
    connection.setStream(stream);
    this.#ports.sessions().add({ connection, stream });
  }

  /** Opens a node's map stream in place of older ones; the first message is made after its peers know it is online. */
  #openMap(connection: ControlConnection, stream: MapStream, first: () => Uint8Array): void {
    const now = Date.now();
    const sessions = this.#ports.sessions();
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

  /** A stream was ended by the client or with its connection. */
  #ended(connection: ControlConnection, stream: StreamState): void {
    if (stream.kind === "request" || stream.kind === "response") return;
    const sessions = this.#ports.sessions();
    sessions.remove({ connection, stream });
    if (stream.kind !== "map" || sessions.mapsOf(stream.nodeId).length > 0) return;
    const actor = { kind: "node", nodeKey: stream.nodeKey } as const;
    this.#ports.runtime().execute(actor, (tailnet, { now }) => disconnectNode(tailnet, stream.nodeId, now));
  }
}
