// A server on loopback that plays the Worker for tests of the gateway and of the doctor: plain requests go to a
// function, WebSockets are handed to the test one by one.
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { TRUNK_PROTOCOL } from "../../worker/protocol/trunk/frame.ts";

/** One WebSocket that the stand-in accepted. */
export interface AcceptedSocket {
  readonly webSocket: WebSocket;
  readonly request: IncomingMessage;
}

/** How the stand-in behaves. */
export interface StandInOptions {
  readonly port?: number;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly onRequest?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Holds upgrades back until it resolves. */
  readonly beforeUpgrade?: () => Promise<void>;
  /** Accepts trunks (trunk-worker.ts); otherwise it answers as a Worker does that does not know them. */
  readonly knowsTrunks?: boolean;
  /** Subprotocol that it selects, whatever is offered; the first one offered by default. */
  readonly choose?: string;
  /** Answers an upgrade itself when it returns true. */
  readonly onUpgrade?: (request: IncomingMessage, socket: Socket) => boolean;
}

/** A running stand-in. */
export interface StandInWorker {
  readonly url: URL;
  readonly port: number;
  /** All upgrade requests so far, but those of trunks that it answered because it does not know them. */
  readonly upgrades: readonly IncomingMessage[];
  /** The next accepted WebSocket; waits for it. */
  next(): Promise<AcceptedSocket>;
  close(): Promise<void>;
}

/** Starts a stand-in. */
export async function startStandIn(options: StandInOptions = {}): Promise<StandInWorker> {
  const onRequest = options.onRequest ?? ((_, response: ServerResponse) => response.end("stand-in"));
  const server = options.tls
    ? https.createServer(options.tls, onRequest)
    : http.createServer({ maxHeaderSize: 64 << 10 }, onRequest);
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    handleProtocols: (offered) => options.choose ?? [...offered][0] ?? false,
  });
  const upgrades: IncomingMessage[] = [];
  const accepted: AcceptedSocket[] = [];
  const waiting: ((socket: AcceptedSocket) => void)[] = [];
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  const accept = (request: IncomingMessage, socket: Socket, head: Buffer) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on("error", () => {});
      const taker = waiting.shift();
      if (taker === undefined) accepted.push({ webSocket, request });
      else taker({ webSocket, request });
    });
  };
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const isUnknown = options.knowsTrunks !== true && request.headers["sec-websocket-protocol"] === TRUNK_PROTOCOL;
    const isAnswered = options.onUpgrade?.(request, socket) === true;
    if (isAnswered || !isUnknown) upgrades.push(request);
    if (isAnswered) return;
    if (isUnknown) {
      socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    if (options.beforeUpgrade === undefined) accept(request, socket, head);
    else void options.beforeUpgrade().then(() => accept(request, socket, head));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`${options.tls ? "https" : "http"}://127.0.0.1:${port}`),
    port,
    upgrades,
    next: () => {
      const socket = accepted.shift();
      return socket ? Promise.resolve(socket) : new Promise((resolve) => waiting.push(resolve));
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
