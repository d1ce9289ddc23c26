// One JS client joined to the Worker after both have switched to WebSocket: raw bytes both ways. The frames are not
// looked at, so that subprotocol, message sizes, pings and the closing handshake stay between the two.
import type { Socket } from "node:net";
import type { Bridge, EndCause, Traffic } from "./bridges.ts";
import { endLingering, resetAfterFlush } from "./socket-end.ts";

/** What a relay joins, and whom it tells about its end. */
export interface RelayParts {
  readonly client: Socket;
  readonly worker: Socket;
  readonly traffic: Traffic;
  readonly onEnd: (relay: Relay, cause: EndCause) => void;
}

/** A bridge between two byte streams. */
export class Relay implements Bridge {
  readonly kind = "websocket";
  readonly #client: Socket;
  readonly #worker: Socket;
  readonly #traffic: Traffic;
  readonly #onEnd: RelayParts["onEnd"];
  #cause: EndCause | undefined;

  constructor({ client, worker, traffic, onEnd }: RelayParts) {
    this.#client = client;
    this.#worker = worker;
    this.#traffic = traffic;
    this.#onEnd = onEnd;
  }

  get bufferedBytes(): number {
    return this.#client.writableLength + this.#worker.writableLength;
  }

  /** Begins to carry; the heads are bytes that came behind the request and behind the 101. */
  start(clientHead: readonly Buffer[], workerHead: Buffer): void {
    const toWorker = this.#carry(this.#client, this.#worker, "toWorker");
    const toClient = this.#carry(this.#worker, this.#client, "toClient");
    this.#client
      .on("end", () => this.#finish("client-closed", this.#worker))
      .on("close", () => this.#closed(this.#worker));
    this.#worker
      .on("end", () => this.#finish("worker-closed", this.#client))
      .on("close", () => this.#closed(this.#client));
    this.#client.on("error", () => this.#break("client-reset", this.#worker));
    this.#worker.on("error", () => this.#break("worker-error", this.#client));
    for (const chunk of clientHead) toWorker(chunk);
    if (workerHead.length > 0) toClient(workerHead);
    this.#client.resume();
    this.#worker.resume();
  }

  /** Nothing to do: TCP keep-alive watches both sides, and the ends of the WebSocket watch each other. */
  beat(): void {}

  /** A close frame could land inside another frame, so both sides just see the end of the stream. */
  drain(): void {
    this.#cause ??= "drain";
    endLingering(this.#client);
    endLingering(this.#worker);
  }

  #carry(from: Socket, to: Socket, direction: keyof Traffic): (chunk: Buffer) => void {
    const pass = (chunk: Buffer): void => {
      this.#traffic[direction] += chunk.length;
      if (to.writable && !to.write(chunk)) from.pause();
    };
    from.on("data", pass);
    to.on("drain", () => from.resume());
    return pass;
  }

  #finish(cause: EndCause, other: Socket): void {
    this.#cause ??= cause;
    endLingering(other);
  }

  #break(cause: EndCause, other: Socket): void {
    this.#cause ??= cause;
    resetAfterFlush(other);
  }

  /** One side is closed; the other one may be half open still, and has nobody left to talk to. */
  #closed(other: Socket): void {
    if (other.destroyed) this.#onEnd(this, this.#cause ?? "client-closed");
    else endLingering(other);
  }
}
