// The packets of one message on their way to their destinations. Sending costs per message, hardly per byte, so each
// destination gets all that the message has for it as one. Frames keep their length when they are relayed, so neighbours
// stay neighbours and are sent as they lie in the sender's message; only what lies apart is joined by a copy.
import { concat } from "../../protocol/bytes.ts";
import type { Connection } from "./connection.ts";

/** Packets that have been accepted for relaying but not sent yet; views of one message. */
export class Outbox {
  readonly #parts = new Map<Connection, Uint8Array[]>();
  #last: Connection | undefined;
  #lastParts: Uint8Array[] = [];

  /** Adds a frame for a destination whose window is open. */
  add(destination: Connection, frame: Uint8Array): void {
    destination.reserve(frame.length);
    if (destination !== this.#last) this.#turnTo(destination);
    const parts = this.#lastParts;
    const before = parts.at(-1);
    if (before?.buffer === frame.buffer && before.byteOffset + before.length === frame.byteOffset) {
      parts[parts.length - 1] = new Uint8Array(frame.buffer, before.byteOffset, before.length + frame.length);
    } else {
      parts.push(frame);
    }
  }

  /** Sends what has been added. */
  flush(): void {
    for (const [destination, parts] of this.#parts) {
      const [only] = parts;
      destination.transmit(parts.length === 1 && only !== undefined ? only : concat(parts));
    }
    this.#parts.clear();
    this.#last = undefined;
  }

  #turnTo(destination: Connection): void {
    let parts = this.#parts.get(destination);
    if (parts === undefined) {
      parts = [];
      this.#parts.set(destination, parts);
    }
    this.#last = destination;
    this.#lastParts = parts;
  }
}
