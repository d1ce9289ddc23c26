// Opens WebSockets to the Worker for clients that wait (kubernetes.md C.1 G1, G2, G9): each dial takes its turn at the
// limiter, is tried again while the Worker looks like it is being deployed, and ends within the client's patience. Three
// forms come out: for native clients a channel of a trunk, or a WebSocket of their own, and for JS clients, which speak
// WebSocket themselves, a connection after its 101. An OPEN on a trunk takes its turn as a dial does: to the Worker most
// of both is the handshake. The trunk's own dial takes none.
import { setTimeout as sleep } from "node:timers/promises";
import { TRUNK_PROTOCOL } from "../../../worker/protocol/trunk/frame.ts";
import { type Refusal, refusal } from "../bridge/refusal.ts";
import { ownHeaders } from "../http/headers.ts";
import { DIAL_BUDGET_MS } from "../limits.ts";
import { TrunkPool } from "../trunk/trunk-pool.ts";
import type { WorkerStream } from "../websocket/worker-stream.ts";
import type { DialLimiter } from "./dial-limiter.ts";
import {
  openSwitched,
  openWebSocket,
  type SwitchedConnection,
  type SwitchedRequest,
  type WebSocketTarget,
} from "./handshake.ts";
import type { Failure, Opened } from "./outcome.ts";
import type { Upstream } from "./upstream.ts";

/** First pause before another try; doubles, and is jittered by half. */
const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 1_000;

type Attempt<Connection> = (signal: AbortSignal) => Promise<Opened<Connection> | Failure>;

/** The end of a dial whose client did not wait for it. */
export const CLIENT_GONE = refusal("client-gone", 502, "the client has gone");
const TIMED_OUT = refusal("timeout", 502, "the control server did not answer in time");
const BUSY: Refusal = {
  ...refusal("dial-limit", 503, "too many clients are connecting at once; try again"),
  retryAfter: "5",
};

const TRUNK: WebSocketTarget = { path: "/ts2021", protocol: TRUNK_PROTOCOL, headers: ownHeaders() };

/** Dials for a whole gateway. */
export class Dialer {
  /** The trunks to this Worker. */
  readonly trunks: TrunkPool;
  readonly #upstream: Upstream;
  readonly #limiter: DialLimiter;

  constructor(upstream: Upstream, limiter: DialLimiter) {
    this.#upstream = upstream;
    this.#limiter = limiter;
    this.trunks = new TrunkPool((signal) => openWebSocket(upstream, TRUNK, signal));
  }

  /** Opens a control connection: on a trunk, or by the target when the Worker does not know trunks. It is paused. */
  openControl(
    initiation: Uint8Array,
    target: () => WebSocketTarget,
    clientGone: AbortSignal,
  ): Promise<Opened<WorkerStream> | Refusal> {
    return this.#dial<WorkerStream>(async (signal) => {
      const outcome = await this.trunks.open(initiation, signal);
      return outcome.kind === "no-trunks" ? await openWebSocket(this.#upstream, target(), signal) : outcome;
    }, clientGone);
  }

  /** Opens a WebSocket. It is paused, so that no message passes before the caller listens. */
  openWebSocket(target: WebSocketTarget, clientGone: AbortSignal): Promise<Opened<WorkerStream> | Refusal> {
    return this.#dial((signal) => openWebSocket(this.#upstream, target, signal), clientGone);
  }

  /** Sends a client's own WebSocket request (path, raw headers) and hands over the connection after the 101. */
  openSwitched(request: SwitchedRequest, clientGone: AbortSignal): Promise<Opened<SwitchedConnection> | Refusal> {
    return this.#dial((signal) => openSwitched(this.#upstream, request, signal), clientGone);
  }

  async #dial<Connection>(
    attempt: Attempt<Connection>,
    clientGone: AbortSignal,
  ): Promise<Opened<Connection> | Refusal> {
    const endsAt = performance.now() + DIAL_BUDGET_MS;
    const patience = new AbortController();
    const { signal } = patience;
    // By hand: AbortSignal.timeout would go off for every dial, long after most have succeeded, and any() costs much.
    const giveUp = () => patience.abort();
    const timer = setTimeout(giveUp, DIAL_BUDGET_MS);
    clientGone.addEventListener("abort", giveUp, { once: true });
    let last: Refusal | undefined;
    try {
      clientGone.throwIfAborted();
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
      if (clientGone.aborted) return CLIENT_GONE;
      if (!signal.aborted) throw error;
      return last ?? TIMED_OUT;
    } finally {
      clearTimeout(timer);
      clientGone.removeEventListener("abort", giveUp);
    }
  }
}
