// Everything that is no bridge goes to the Worker as plain HTTP (kubernetes.md C.3): `/key`, the REST API, login pages.
// Method, target and end-to-end headers stay, bodies are streamed in both directions. `/generate_204` is answered here,
// because it asks about this place in the network and not about the Worker (control-protocol.md 7.10).
import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { API_BODY_MAX } from "../../../worker/protocol/limits.ts";
import type { Log } from "../../log.ts";
import { ignoreUntilClose } from "../bridge/socket-end.ts";
import { missingUpgrade, pathOf } from "../bridge/upgrade.ts";
import { HTTP_IDLE_MS, HTTP_STREAM_IDLE_MS } from "../limits.ts";
import type { Metrics } from "../metrics.ts";
import { type Routes, UNKNOWN_HOST } from "../upstream/routes.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { isLoop, requestHeaders, responseHeaders } from "./headers.ts";

/** What the pass-through works with. */
export interface PassThroughParts {
  readonly routes: Routes;
  readonly metrics: Pick<Metrics, "answered">;
  readonly log: Log;
  /** While true, connections end with their current response. */
  readonly isDraining: () => boolean;
}

/** Answers one plain request. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Builds the handler of plain requests. */
export function passThrough(parts: PassThroughParts): RequestHandler {
  return (request, response) => {
    if (parts.isDraining()) response.shouldKeepAlive = false;
    request.on("error", ignoreUntilClose);
    response.on("close", () => parts.metrics.answered(response.statusCode));
    if (answerHere(request, response)) return;
    const route = parts.routes.find(request.headers.host);
    if (route === undefined) refuse(response, UNKNOWN_HOST.status, UNKNOWN_HOST.text);
    else forward({ log: parts.log, upstream: route.upstream }, request, response);
  };
}

/** Answers what needs no Worker: the probe, and what must not or cannot be passed on. */
function answerHere(request: IncomingMessage, response: ServerResponse): boolean {
  const target = request.url ?? "";
  if (!target.startsWith("/")) return refuse(response, 400, "the request target must be a path");
  if (isLoop(request)) return refuse(response, 508, "the gateway's upstream leads back to the gateway");
  if (Number(request.headers["content-length"] ?? 0) > API_BODY_MAX) return refuse(response, 413, TOO_LARGE);
  const path = pathOf(target);
  if (path === "/generate_204") return noContent(request, response);
  if (path === "/ts2021") {
    const { status, text } = missingUpgrade();
    response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" });
    response.end(`${text}\n`);
    return true;
  }
  return false;
}

const TOO_LARGE = `the request body is larger than ${API_BODY_MAX >> 20} MiB`;

/**
 * A refusal in the form that API clients read. What is left of the body is read and thrown away: closing on a client
 * that still sends would reset the connection, and it would never see the answer. The request timeout bounds it.
 */
function refuse(response: ServerResponse, status: number, message: string): true {
  if (response.headersSent) {
    response.destroy();
    return true;
  }
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    ...(status === 502 && { "Retry-After": "5" }),
  });
  response.end(`${JSON.stringify({ message })}\n`);
  response.req.removeAllListeners("data").resume();
  return true;
}

function noContent(request: IncomingMessage, response: ServerResponse): true {
  const challenge = request.headers["x-tailscale-challenge"];
  const isEchoed = typeof challenge === "string" && /^[A-Za-z0-9.:_-]{1,64}$/.test(challenge);
  response.writeHead(204, {
    "Cache-Control": "no-cache, no-store, must-revalidate, no-transform, max-age=0",
    ...(isEchoed && { "X-Tailscale-Response": `response ${challenge}` }),
  });
  response.end();
  return true;
}

interface ForwardParts {
  readonly upstream: Upstream;
  readonly log: Log;
}

function forward(parts: ForwardParts, request: IncomingMessage, response: ServerResponse): void {
  const { upstream, log } = parts;
  const method = request.method ?? "GET";
  const outgoing = upstream.request({
    method,
    path: request.url ?? "/",
    headers: [...requestHeaders(request, upstream.origin), ...bodyHeaders(request, method)],
  });
  outgoing.setTimeout(HTTP_IDLE_MS, () => outgoing.destroy(new Error("idle")));
  outgoing.on("response", (incoming) => void answer(incoming, response));
  outgoing.on("error", (error: NodeJS.ErrnoException) => {
    if (response.destroyed || response.writableEnded) return;
    if (isRetryable(outgoing, error, request, response)) return forward(parts, request, response);
    if (error instanceof BodyTooLarge) return refuse(response, 413, TOO_LARGE);
    log.warn("request failed", { method, detail: error.code ?? error.message });
    refuse(response, 502, "the control server cannot be reached");
  });
  response.on("close", () => outgoing.destroy());
  sendBody(request, outgoing);
}

/**
 * A kept connection that the Worker's side closed just as the request went out. Only a request without a body is sent
 * again; the new one may meet another stale connection, of which there are finitely many.
 */
function isRetryable(
  outgoing: ClientRequest,
  error: NodeJS.ErrnoException,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  return outgoing.reusedSocket && error.code === "ECONNRESET" && !hasBody(request) && !response.headersSent;
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
}

/** Framing of the body towards the Worker. Without these lines Node would announce a chunked body for an empty POST. */
function bodyHeaders(request: IncomingMessage, method: string): string[] {
  if (request.headers["transfer-encoding"] !== undefined) return ["Transfer-Encoding", "chunked"];
  if (request.headers["content-length"] !== undefined) return []; // it is among the end-to-end headers
  return method === "GET" || method === "HEAD" ? [] : ["Content-Length", "0"];
}

/** Passes the body on; its length is counted, because a chunked one does not announce it. */
function sendBody(request: IncomingMessage, outgoing: ClientRequest): void {
  if (!hasBody(request)) {
    outgoing.end();
    return;
  }
  let length = 0;
  request.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length > API_BODY_MAX) outgoing.destroy(new BodyTooLarge());
    else if (!outgoing.write(chunk)) request.pause();
  });
  outgoing.on("drain", () => request.resume());
  request.on("end", () => outgoing.end());
}

class BodyTooLarge extends Error {}

async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const isStream = incoming.headers["content-length"] === undefined;
  if (isStream) incoming.setTimeout(HTTP_STREAM_IDLE_MS);
  try {
    response.writeHead(incoming.statusCode ?? 502, responseHeaders(incoming.rawHeaders));
    if (isStream) response.flushHeaders();
    await pipeline(incoming, response);
  } catch {
    response.destroy(); // the head is out: a cut connection is the only way left to tell
  }
}
