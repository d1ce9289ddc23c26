// Upgrades a connection to the Worker to WebSocket (RFC 6455 §4.1), in the two forms that bridges need.
import { createHash, randomBytes } from "node:crypto";
import http, { type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { ignoreUntilClose } from "../bridge/socket-end.ts";
import { WebSocketStream } from "../websocket/websocket-stream.ts";
import { type Failure, networkFailure, type Opened, readFailure } from "./outcome.ts";
import type { Intake, Upstream } from "./upstream.ts";

/** A connection that has switched to WebSocket, with the head of the 101 and the bytes that came behind it. */
export interface SwitchedConnection {
  readonly socket: Socket;
  readonly rawHeaders: readonly string[];
  readonly head: Buffer;
}

/** A client's own WebSocket request. */
export interface SwitchedRequest {
  readonly path: string;
  /** Raw; those of the WebSocket handshake besides Connection and Upgrade among them. */
  readonly headers: readonly string[];
}

/** What a tunnel asks for. */
export interface WebSocketTarget {
  /** Path and query. */
  readonly path: string;
  readonly protocol: string;
  /** Raw headers besides those of the WebSocket handshake. */
  readonly headers: readonly string[];
}

/** The answer to a subprotocol that a Worker does not know. */
const BAD_REQUEST = 400;
const OTHER_PROTOCOL = "the server selected another subprotocol";
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Opens a WebSocket of ours. It is paused, so that nothing passes before the caller listens. */
export async function openWebSocket(
  upstream: Upstream,
  { path, protocol, headers }: WebSocketTarget,
  signal: AbortSignal,
): Promise<Opened<WebSocketStream> | Failure> {
  const key = randomBytes(16).toString("base64");
  const ours = ["Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", key, "Sec-WebSocket-Protocol", protocol];
  const intake: Intake = { receive: () => {} };
  const request = { path, headers: ["Host", upstream.origin.host, ...ours, ...headers] };
  const outcome = await openSwitched(upstream, request, signal, intake);
  if (outcome.kind === "refused") return outcome.status === BAD_REQUEST ? unknownProtocol(outcome) : outcome;
  const { socket, head, response } = outcome.connection;
  const fault = faultOf(response, key, protocol);
  if (fault === undefined) return { kind: "opened", connection: joinStream(socket, head, intake) };
  socket.destroy();
  const failure = networkFailure(new Error(fault));
  return fault === OTHER_PROTOCOL ? unknownProtocol(failure) : failure;
}

function unknownProtocol(failure: Failure): Failure {
  return { ...failure, isUnknownProtocol: true };
}

/** Sends a client's own WebSocket request and hands over the connection after the 101, paused. */
export function openSwitched(
  upstream: Upstream,
  { path, headers }: SwitchedRequest,
  signal: AbortSignal,
  intake?: Intake,
): Promise<Opened<SwitchedConnection & { readonly response: IncomingMessage }> | Failure> {
  return new Promise((resolve) => {
    const request = http.request({
      method: "GET",
      path,
      headers: [...headers, "Connection", "Upgrade", "Upgrade", "websocket"],
      createConnection: () => connect(upstream, intake),
    });
    const abort = () => request.destroy();
    const settle = (outcome: Awaited<ReturnType<typeof openSwitched>>) => {
      signal.removeEventListener("abort", abort);
      resolve(outcome);
    };
    signal.addEventListener("abort", abort, { once: true });
    request.once("upgrade", (response, socket, head) => {
      socket.pause();
      socket.on("error", ignoreUntilClose);
      settle({ kind: "opened", connection: { socket, rawHeaders: response.rawHeaders, head, response } });
    });
    request.once("response", (response) => {
      void readFailure(response).then((outcome) => {
        request.destroy();
        settle(outcome);
      });
    });
    request.on("error", (error) => settle(networkFailure(error)));
    request.end();
  });
}

/** Until the handshake is over, what comes into the intake is for the HTTP client, which listens for "data". */
function connect(upstream: Upstream, intake: Intake | undefined): Socket {
  const socket = upstream.connect(intake);
  if (intake !== undefined) intake.receive = (bytes) => socket.emit("data", Buffer.from(bytes));
  return socket;
}

// A function of its own, so that the stream keeps nothing of the handshake in memory.
function joinStream(socket: Socket, head: Buffer, intake: Intake): WebSocketStream {
  const stream = new WebSocketStream(socket, head);
  intake.receive = (bytes) => stream.receive(bytes);
  return stream;
}

/** What is wrong with the answer to a handshake. */
function faultOf({ headers }: IncomingMessage, key: string, protocol: string): string | undefined {
  if (headers.upgrade?.toLowerCase() !== "websocket") return "the server switched to another protocol";
  const accept = createHash("sha1").update(`${key}${GUID}`).digest("base64");
  if (headers["sec-websocket-accept"] !== accept) return "the server's answer belongs to another handshake";
  if (headers["sec-websocket-protocol"] !== protocol) return OTHER_PROTOCOL;
  if (headers["sec-websocket-extensions"] !== undefined) return "the server selected an extension";
  return undefined;
}
