// Opens WebSockets to the Worker for clients that wait (kubernetes.md C.1 G1, G2, G9): each dial takes its turn at the
// limiter, is tried again while the Worker looks like it is being deployed, and ends within the client's patience. Two
// forms come out: a WebSocket of ours, for native clients, and a connection after its 101, for JS clients that speak
// WebSocket themselves.
import http, { type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import { WEBSOCKET_MAX_RECEIVE } from "../../../worker/protocol/limits.ts";
import type { Refusal } from "../bridge/refusal.ts";
import { ignoreUntilClose } from "../bridge/socket-end.ts";
import { headerPairs } from "../http/headers.ts";
import { CLOSE_TIMEOUT_MS, DIAL_BUDGET_MS, REFUSAL_TEXT_MAX } from "../limits.ts";
import type { DialLimiter } from "./dial-limiter.ts";
import type { Upstream } from "./upstream.ts";

/** First pause before another try; doubles, and is jittered by half. */
const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 1_000;

/** A dial that succeeded. */
export interface Opened<Connection> {
  readonly kind: "opened";
  readonly connection: Connection;
}

/** A connection that has switched to WebSocket, with the head of the 101 and the bytes that came behind it. */
export interface SwitchedConnection {
  readonly socket: Socket;
  readonly rawHeaders: readonly string[];
  readonly head: Buffer;
}

/** What a tunnel asks for. */
export interface WebSocketTarget {
  /** Path and query. */
  readonly path: string;
  readonly protocol: string;
  /** Raw headers besides those of the WebSocket handshake. */
  readonly headers: readonly string[];
}

/** An option of ws that its types do not know yet. */
const CLOSE_TIMEOUT: object = { closeTimeout: CLOSE_TIMEOUT_MS };

/** One try that failed. */
interface Failure extends Refusal {
  /** Whether another try makes sense: network errors and 5xx go away when a deploy is over. */
  readonly isPassing: boolean;
}

type Attempt<Connection> = (signal: AbortSignal) => Promise<Opened<Connection> | Failure>;

/** Errors of a Worker that is being started anew. */
const PASSING_ERRORS = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
]);

/** The end of a dial whose client did not wait for it. */
export const CLIENT_GONE = refusal("client-gone", 502, "the client has gone");
const TIMED_OUT = refusal("timeout", 502, "the control server did not answer in time");
const BUSY: Refusal = {
  ...refusal("dial-limit", 503, "too many clients are connecting at once; try again"),
  retryAfter: "5",
};

/** Dials for a whole gateway. */
export class Dialer {
  readonly #upstream: Upstream;
  readonly #limiter: DialLimiter;

  constructor(upstream: Upstream, limiter: DialLimiter) {
    this.#upstream = upstream;
    this.#limiter = limiter;
  }

  /** Opens a WebSocket. It is paused, so that no message passes before the caller listens. */
  openWebSocket(target: WebSocketTarget, clientGone: AbortSignal): Promise<Opened<WebSocket> | Refusal> {
    return this.#dial((signal) => openWebSocket(this.#upstream, target, signal), clientGone);
  }

  /** Sends a client's own WebSocket request (path, raw headers) and hands over the connection after the 101. */
  openSwitched(
    request: { readonly path: string; readonly headers: string[] },
    clientGone: AbortSignal,
  ): Promise<Opened<SwitchedConnection> | Refusal> {
    return this.#dial((signal) => openSwitched(this.#upstream, request, signal), clientGone);
  }

  async #dial<Connection>(
    attempt: Attempt<Connection>,
    clientGone: AbortSignal,
  ): Promise<Opened<Connection> | Refusal> {
    const endsAt = performance.now() + DIAL_BUDGET_MS;
    const signal = AbortSignal.any([clientGone, AbortSignal.timeout(DIAL_BUDGET_MS)]);
    let last: Refusal | undefined;
    try {
      for (let round = 0; ; round++) {
        if (!(await this.#limiter.take(signal))) return last ?? BUSY;
        const outcome = await attempt(signal);
        if (outcome.kind === "refused") signal.throwIfAborted();
        if (outcome.kind === "opened" || !outcome.isPassing) return outcome;
        last = outcome;
        const pauseMs = Math.min(RETRY_FIRST_MS * 2 ** round, RETRY_MAX_MS) * (0.5 + Math.random());
        if (performance.now() + pauseMs >= endsAt) return last;
        await sleep(pauseMs, undefined, { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      return clientGone.aborted ? CLIENT_GONE : (last ?? TIMED_OUT);
    }
  }
}

function openWebSocket(
  upstream: Upstream,
  target: WebSocketTarget,
  signal: AbortSignal,
): Promise<Opened<WebSocket> | Failure> {
  return new Promise((resolve) => {
    const url = new URL(target.path, upstream.origin);
    url.protocol = upstream.origin.protocol === "https:" ? "wss:" : "ws:";
    const webSocket = new WebSocket(url, [target.protocol], {
      headers: Object.fromEntries(headerPairs(target.headers)),
      createConnection: upstream.connect as never, // typed for the server side of `net`; any Duplex will do
      perMessageDeflate: false,
      maxPayload: WEBSOCKET_MAX_RECEIVE,
      ...CLOSE_TIMEOUT,
    });
    const abort = () => webSocket.terminate();
    const settle = (outcome: Opened<WebSocket> | Failure) => {
      signal.removeEventListener("abort", abort);
      resolve(outcome);
    };
    signal.addEventListener("abort", abort, { once: true });
    webSocket.once("open", () => {
      webSocket.pause();
      webSocket.removeAllListeners(); // they would keep this dial in memory for as long as the bridge stands
      webSocket.on("error", ignoreUntilClose);
      settle({ kind: "opened", connection: webSocket });
    });
    webSocket.on("error", (error) => settle(networkFailure(error)));
    webSocket.once("unexpected-response", (request, response) => {
      void readFailure(response).then((outcome) => {
        request.destroy();
        settle(outcome);
      });
    });
  });
}

function openSwitched(
  upstream: Upstream,
  { path, headers }: { readonly path: string; readonly headers: string[] },
  signal: AbortSignal,
): Promise<Opened<SwitchedConnection> | Failure> {
  return new Promise((resolve) => {
    const request = http.request({
      method: "GET",
      path,
      headers: [...headers, "Connection", "Upgrade", "Upgrade", "websocket"],
      createConnection: upstream.connect,
    });
    const abort = () => request.destroy();
    const settle = (outcome: Opened<SwitchedConnection> | Failure) => {
      signal.removeEventListener("abort", abort);
      resolve(outcome);
    };
    signal.addEventListener("abort", abort, { once: true });
    request.once("upgrade", (response, socket, head) => {
      socket.on("error", ignoreUntilClose);
      settle({ kind: "opened", connection: { socket, rawHeaders: response.rawHeaders, head } });
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

function networkFailure(error: NodeJS.ErrnoException): Failure {
  return {
    ...refusal("network", 502, "the control server cannot be reached"),
    detail: error.code ?? error.message,
    isPassing: PASSING_ERRORS.has(error.code ?? ""),
  };
}

/** Turns the Worker's answer that is no 101 into ours: its status, and its text if that is short and plain. */
async function readFailure(response: IncomingMessage): Promise<Failure> {
  const status = response.statusCode ?? 502;
  const isError = status >= 400;
  const text = isError ? await shortText(response) : undefined;
  const retryAfter = response.headers["retry-after"];
  return {
    ...refusal("worker-status", isError ? status : 502, text ?? `the control server answered ${status}`),
    ...(retryAfter !== undefined && { retryAfter }),
    detail: String(status),
    isPassing: status >= 500 && retryAfter === undefined, // a Worker that names a time to come back means it
  };
}

async function shortText(response: IncomingMessage): Promise<string | undefined> {
  if (!/^(text\/plain|application\/json)\b/i.test(response.headers["content-type"] ?? "")) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > REFUSAL_TEXT_MAX) break;
    }
  } catch {
    return undefined; // the status is known, and the words are a courtesy
  }
  const text = Buffer.concat(chunks).subarray(0, REFUSAL_TEXT_MAX).toString("utf8").trim();
  return text === "" ? undefined : text;
}

function refusal(cause: Refusal["cause"], status: number, text: string): Refusal {
  return { kind: "refused", cause, status, text };
}
