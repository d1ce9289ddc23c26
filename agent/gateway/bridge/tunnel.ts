// One native client (control or DERP) joined to one stream of the Worker, a WebSocket of its own or a channel of a trunk
// (kubernetes.md C.1 G3–G8). Bytes are opaque: message boundaries mean nothing in either direction. Both directions have
// backpressure, so that a slow client makes the Worker wait and the other way round; the end of one side is the end of
// the other.
import type { Socket } from "node:net";
import { CHUNK_COST, CLIENT_STALL_MS, COALESCE_MAX, PAUSE_ABOVE, RESUME_BELOW } from "../limits.ts";
import { writeCopy } from "../websocket/buffer-pool.ts";
import { atEndOfTurn, type TurnTask } from "../websocket/end-of-turn.ts";
import { CloseCode } from "../websocket/frame.ts";
import type { StreamEnd, StreamEvents, WorkerStream } from "../websocket/worker-stream.ts";
import type { Bridge, EndCause, Traffic } from "./bridges.ts";
import { endLingering, resetAfterFlush } from "./socket-end.ts";

/** Close codes of the Worker that are no error: done, going away, no code given, restarting. */
const CLEAN_CODES: ReadonlySet<number> = new Set([CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.NO_STATUS, 1012]);

/** What a tunnel joins, and whom it tells about its end. */
export interface TunnelParts {
  readonly kind: "control" | "derp";
  /** Paused behind its request head; somebody listens to its errors. */
  readonly client: Socket;
  /** Open and paused. */
  readonly worker: WorkerStream;
  readonly traffic: Traffic;
  readonly onEnd: (tunnel: Tunnel, cause: EndCause) => void;
}

/** A bridge between two byte streams. It is its own listener, so that an idle one keeps little. */
export class Tunnel implements Bridge, StreamEvents, TurnTask {
  readonly kind: "control" | "derp";
  readonly #client: Socket;
  readonly #worker: WorkerStream;
  readonly #traffic: Traffic;
  readonly #onEnd: TunnelParts["onEnd"];
  /** Reads of the client that wait for the Worker, and what they cost. */
  readonly #queue: Buffer[] = [];
  #queuedCost = 0;
  /** Bytes handed to the Worker's stream and not yet written to its connection. */
  #inFlight = 0;
  #isFlushDue = false;
  /** Set when the bridge begins to end; the first cause counts. */
  #cause: EndCause | undefined;
  /** The beat that first saw the client hold the Worker back, until it takes something. */
  #stalledAt: number | undefined;

  constructor({ kind, client, worker, traffic, onEnd }: TunnelParts) {
    this.kind = kind;
    this.#client = client;
    this.#worker = worker;
    this.#traffic = traffic;
    this.#onEnd = onEnd;
  }

  get bufferedBytes(): number {
    return this.#queuedCost + this.#inFlight + this.#client.writableLength + this.#worker.heldBytes;
  }

  /** Begins to carry; `early` are bytes that the client sent before. */
  start(early: readonly Buffer[]): void {
    this.#listen();
    for (const chunk of early) this.#readClient(chunk);
    this.#worker.resume();
    this.#client.resume();
  }

  beat(nowMs: number): void {
    if (this.#cause !== undefined) return;
    if (!this.#worker.isPaused) {
      this.#worker.beat(nowMs);
      return;
    }
    this.#stalledAt ??= nowMs;
    if (nowMs - this.#stalledAt >= CLIENT_STALL_MS) this.#abort("client-stalled");
  }

  drain(): void {
    this.#closeWorker("drain", CloseCode.GOING_AWAY, "gateway draining");
  }

  #listen(): void {
    this.#client
      .on("data", (chunk: Buffer) => this.#readClient(chunk))
      .on("drain", () => {
        this.#stalledAt = undefined;
        this.#worker.resume();
      })
      .on("end", () => this.#closeWorker("client-closed", CloseCode.NORMAL))
      .on("close", () => this.#closeWorker("client-reset", CloseCode.NORMAL));
    this.#worker.listen(this);
  }

  #readClient(chunk: Buffer): void {
    if (this.#cause !== undefined) return;
    this.#traffic.toWorker += chunk.length;
    this.#queue.push(chunk);
    this.#queuedCost += chunk.length + CHUNK_COST;
    // Reads go out while the connection keeps up, otherwise they wait for it; what comes in one turn of the event loop is
    // joined: TLS hands out each of a client's records by itself, and a relay client makes one of each packet.
    if (this.#inFlight === 0 && !this.#isFlushDue) {
      this.#isFlushDue = true;
      atEndOfTurn(this);
    }
    if (this.#queuedCost + this.#inFlight > PAUSE_ABOVE) this.#client.pause();
  }

  /** Sends what the client has sent in one turn. */
  endTurn(): void {
    this.#isFlushDue = false;
    if (this.#cause === undefined) this.#flush();
  }

  #flush(limit = RESUME_BELOW): void {
    while (this.#queue.length > 0 && this.#inFlight < limit) {
      const { chunks, length } = this.#takeMessage();
      this.#inFlight += length;
      this.#worker.send(chunks, () => {
        this.#inFlight -= length;
        this.#wrote();
      });
    }
  }

  #wrote(): void {
    this.#flush();
    if (this.#client.isPaused() && this.#queuedCost + this.#inFlight <= RESUME_BELOW) this.#client.resume();
  }

  /** The first waiting reads as one message. A single read is at most 64 KiB, so no message is longer than that. */
  #takeMessage(): { readonly chunks: readonly Buffer[]; readonly length: number } {
    let count = 0;
    let length = 0;
    for (const chunk of this.#queue) {
      if (count > 0 && length + chunk.length > COALESCE_MAX) break;
      length += chunk.length;
      count += 1;
    }
    this.#queuedCost -= length + count * CHUNK_COST;
    return { chunks: this.#queue.splice(0, count), length };
  }

  /** Takes bytes of the Worker. */
  data(bytes: Uint8Array): void {
    this.#traffic.toClient += bytes.length;
    if (this.#client.writable && !writeCopy(this.#client, bytes)) this.#worker.pause();
  }

  /** Sends what is queued and the close frame. What the Worker still says is passed on until it closes too. */
  #closeWorker(cause: EndCause, code: number, reason?: string): void {
    if (this.#cause !== undefined) {
      this.#worker.resume(); // the client has closed meanwhile: nothing holds back the Worker's close frame any more
      return;
    }
    this.#cause = cause;
    this.#flush(Number.POSITIVE_INFINITY);
    this.#worker.resume();
    this.#worker.close(code, reason);
  }

  #abort(cause: EndCause): void {
    this.#cause = cause;
    this.#worker.terminate();
  }

  /** The Worker's stream has ended: the client gets what is left, then a FIN after a clean end and a reset after an error. */
  close(end: StreamEnd): void {
    this.#cause ??= causeOf(end);
    this.#queue.length = 0;
    this.#queuedCost = 0;
    if (!this.#client.destroyed) {
      if (isCleanEnd(this.#cause)) endLingering(this.#client);
      else resetAfterFlush(this.#client);
    }
    this.#onEnd(this, this.#cause);
  }
}

function causeOf({ code, fault }: StreamEnd): EndCause {
  if (fault !== undefined) return fault === "silence" ? "worker-silent" : "worker-violation";
  return CLEAN_CODES.has(code) ? "worker-closed" : "worker-error";
}

function isCleanEnd(cause: EndCause): boolean {
  return cause === "client-closed" || cause === "worker-closed" || cause === "drain";
}
