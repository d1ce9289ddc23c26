// Packets for one destination that lie side by side in the sender's message, sent as one. Frames keep their length when
// they are relayed, so neighbours stay neighbours, and what arrived together in one message leaves in one: sending costs
// per message, hardly per byte.
import type { Connection } from "./connection.ts";

/** The packets of a message that have been accepted for relaying but not sent yet. */
export class PacketRun {
  #destination: Connection | undefined;
  #buffer: ArrayBufferLike = new ArrayBuffer(0);
  #start = 0;
  #end = 0;

  /** Adds a frame, a view of the sender's message, for a destination. */
  add(destination: Connection, frame: Uint8Array): void {
    const continues =
      destination === this.#destination && frame.buffer === this.#buffer && frame.byteOffset === this.#end;
    if (!continues) {
      this.flush();
      this.#destination = destination;
      this.#buffer = frame.buffer;
      this.#start = frame.byteOffset;
    }
    this.#end = frame.byteOffset + frame.length;
  }

  /** Sends what has been added. */
  flush(): void {
    this.#destination?.send(new Uint8Array(this.#buffer, this.#start, this.#end - this.#start));
    this.#destination = undefined;
  }
}
