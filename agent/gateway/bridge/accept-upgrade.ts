// From an upgrade request to a bridge or a refusal (kubernetes.md C.1 G1, C.4). The client learns of success only when
// the Worker has taken its connection; until then its bytes are kept and its leaving cancels the dial.
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Log } from "../../log.ts";
import { endToEnd, headerPairs, hintHeaders, isLoop, requestHeaders, responseHeaders } from "../http/headers.ts";
import { BRIDGES_MAX } from "../limits.ts";
import type { Metrics } from "../metrics.ts";
import { CLIENT_GONE } from "../upstream/dialer.ts";
import type { WebSocketTarget } from "../upstream/handshake.ts";
import type { Opened } from "../upstream/outcome.ts";
import { type Route, type Routes, UNKNOWN_HOST } from "../upstream/routes.ts";
import type { WorkerStream } from "../websocket/worker-stream.ts";
import type { Bridge, Bridges, EndCause } from "./bridges.ts";
import { type Refusal, writeRefusal } from "./refusal.ts";
import { Relay } from "./relay.ts";
import { Tunnel } from "./tunnel.ts";
import { CONTROL_PROTOCOL, readUpgrade, type UpgradeRequest } from "./upgrade.ts";
import { WaitingClient } from "./waiting-client.ts";

/** What accepting works with. */
export interface AcceptParts {
  readonly routes: Routes;
  readonly bridges: Bridges;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly isDraining: () => boolean;
}

/** What a bridge comes about with, once it is known where it leads. */
interface BridgeParts extends AcceptParts {
  readonly route: Route;
}

/** Head of the answer to a native control client; it compares the value of `Upgrade` byte for byte. */
const CONTROL_HEAD = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${CONTROL_PROTOCOL}\r\nConnection: upgrade\r\n\r\n`;
const DERP_HEAD = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n";

/** Clients by WebSocket take short messages only; to us their length does not matter. */
const TAKES_LONG_MESSAGES = ["Flarescale-Messages", "long"] as const;

/** Answers one upgrade request; never throws. */
export function acceptUpgrade(parts: AcceptParts, request: IncomingMessage, socket: Socket, head: Buffer): void {
  const client = new WaitingClient(socket, head);
  const wanted = readUpgrade(request);
  const route = parts.routes.find(request.headers.host);
  const obstacle = wanted.kind === "refused" ? wanted : findObstacle(parts, request);
  if (obstacle !== undefined) refuse(parts, client, obstacle, false);
  else if (route === undefined) refuse(parts, client, UNKNOWN_HOST, isFastStart(wanted));
  else if (wanted.kind !== "refused") void bridge({ ...parts, route }, request, client, wanted);
}

/** What keeps a sound request from getting a bridge; asked before the dial and once more after it. */
function findObstacle({ bridges, isDraining }: AcceptParts, request: IncomingMessage): Refusal | undefined {
  const refused = { kind: "refused", status: 503, retryAfter: "1" } as const;
  if (isLoop(request)) {
    return { kind: "refused", cause: "loop", status: 508, text: "the gateway's upstream leads back to the gateway" };
  }
  if (isDraining()) return { ...refused, cause: "draining", text: "this gateway is shutting down; try again" };
  if (bridges.size >= BRIDGES_MAX)
    return { ...refused, cause: "bridge-limit", text: "this gateway is full; try again" };
  return undefined;
}

async function bridge(
  parts: BridgeParts,
  request: IncomingMessage,
  client: WaitingClient,
  wanted: UpgradeRequest,
): Promise<void> {
  const startedAt = performance.now();
  try {
    const outcome =
      wanted.kind === "websocket"
        ? await openRelay(parts, request, client)
        : await openTunnel(parts, request, client, wanted);
    if (outcome.kind === "refused") refuse(parts, client, outcome, isFastStart(wanted));
    else parts.metrics.dialed(wanted.kind, performance.now() - startedAt);
  } catch (error) {
    parts.log.error("bridge failed", { detail: error instanceof Error ? (error.stack ?? error.message) : "" });
    client.socket.destroy();
  }
}

async function openTunnel(
  parts: BridgeParts,
  request: IncomingMessage,
  client: WaitingClient,
  wanted: Exclude<UpgradeRequest, { kind: "websocket" }>,
): Promise<Refusal | { readonly kind: "bridged" }> {
  const outcome = await openStream(parts, request, client, wanted);
  if (outcome.kind === "refused") return outcome;
  const late = client.gone.aborted ? CLIENT_GONE : findObstacle(parts, request);
  if (late !== undefined) {
    outcome.connection.terminate();
    return late;
  }
  const tunnel = new Tunnel({
    kind: wanted.kind,
    client: client.socket,
    worker: outcome.connection,
    traffic: parts.bridges.traffic[wanted.kind],
    onEnd: ender(parts),
  });
  parts.bridges.add(tunnel);
  const early = client.release();
  client.socket.cork(); // the head and the Worker's first bytes leave together
  if (wanted.kind === "control") client.socket.write(CONTROL_HEAD);
  else if (!wanted.isFastStart) client.socket.write(DERP_HEAD);
  tunnel.start(early);
  client.socket.uncork();
  return { kind: "bridged" };
}

function openStream(
  { route: { dialer } }: BridgeParts,
  request: IncomingMessage,
  { gone }: WaitingClient,
  wanted: Exclude<UpgradeRequest, { kind: "websocket" }>,
): Promise<Opened<WorkerStream> | Refusal> {
  if (wanted.kind === "derp") return dialer.openWebSocket(targetOf(request, wanted), gone);
  return dialer.openControl(Buffer.from(wanted.handshake, "base64"), () => targetOf(request, wanted), gone);
}

function isFastStart(wanted: UpgradeRequest | Refusal): boolean {
  return wanted.kind === "derp" && wanted.isFastStart;
}

function targetOf(request: IncomingMessage, wanted: Exclude<UpgradeRequest, { kind: "websocket" }>): WebSocketTarget {
  const headers = hintHeaders(request);
  if (wanted.kind === "derp") {
    return { path: "/derp", protocol: "derp", headers: [...headers, ...TAKES_LONG_MESSAGES] };
  }
  const path = `/ts2021?X-Tailscale-Handshake=${encodeURIComponent(wanted.handshake)}`;
  return { path, protocol: CONTROL_PROTOCOL, headers };
}

async function openRelay(
  parts: BridgeParts,
  request: IncomingMessage,
  client: WaitingClient,
): Promise<Refusal | { readonly kind: "bridged" }> {
  // Compression is not offered: the bytes are encrypted already, and the Worker would only pay for trying.
  const headers = endToEnd(requestHeaders(request, parts.route.upstream.origin), isExtensions);
  const outcome = await parts.route.dialer.openSwitched({ path: request.url ?? "/", headers }, client.gone);
  if (outcome.kind === "refused") return outcome;
  const { socket, rawHeaders, head } = outcome.connection;
  const late = client.gone.aborted ? CLIENT_GONE : findObstacle(parts, request);
  if (late !== undefined) {
    socket.destroy();
    return late;
  }
  const relay = new Relay({
    client: client.socket,
    worker: socket,
    traffic: parts.bridges.traffic.websocket,
    onEnd: ender(parts),
  });
  parts.bridges.add(relay);
  const early = client.release();
  client.socket.write(switchedHead(responseHeaders(rawHeaders)), "latin1");
  relay.start(early, head);
  return { kind: "bridged" };
}

function isExtensions(name: string): boolean {
  return name === "sec-websocket-extensions";
}

function switchedHead(headers: readonly string[]): string {
  let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  for (const [name, value] of headerPairs(headers)) text += `${name}: ${value}\r\n`;
  return `${text}\r\n`;
}

/** Listener for the end of bridges; one for all, so that a bridge keeps nothing of its request. */
function ender({ bridges }: AcceptParts): (bridge: Bridge, cause: EndCause) => void {
  return (bridge, cause) => bridges.end(bridge, cause);
}

function refuse({ metrics, log }: AcceptParts, client: WaitingClient, refusal: Refusal, isWordless: boolean): void {
  const { cause, status, detail } = refusal;
  metrics.refused(cause);
  client.release();
  if (cause !== "client-gone")
    log.warn("upgrade refused", { cause, status, detail, client: client.socket.remoteAddress });
  // A client that reads frames already must not be given words.
  if (isWordless || cause === "client-gone") client.socket.destroy();
  else writeRefusal(client.socket, refusal);
}
