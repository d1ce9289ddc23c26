// A client between its upgrade request and the bridge (kubernetes.md C.1 G10): keeps what it sends meanwhile, within a
// limit, and notices when it leaves, so that its dial does not cost the Worker anything.
import type { Socket } from "node:net";
import { EARLY_BYTES_MAX } from "../limits.ts";
import { ignoreUntilClose } from "./socket-end.ts";

/** Holds a client's socket while the Worker is dialled. */
export class WaitingClient {
  readonly socket: Socket;
  readonly #gone = new AbortController();
  readonly #chunks: Buffer[] = [];
  #length = 0;

  /** `head` are the bytes that came with the request. */
  constructor(socket: Socket, head: Buffer) {
    this.socket = socket;
    if (head.length > 0) this.#keep(head);
    socket.on("data", this.#keep).on("end", this.#leave).on("close", this.#leave);
    socket.on("error", ignoreUntilClose); // stays: from here on somebody always listens
  }

  /** Aborted when the client closes or resets its connection. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Lets go of the socket, paused, and returns what came so far. */
  release(): readonly Buffer[] {
    this.socket.pause();
    this.socket.off("data", this.#keep).off("end", this.#leave).off("close", this.#leave);
    return this.#chunks;
  }

  readonly #keep = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length > EARLY_BYTES_MAX) this.socket.pause();
  };

  readonly #leave = (): void => this.#gone.abort();
}
