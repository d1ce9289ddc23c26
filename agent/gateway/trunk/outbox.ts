// What leaves on a trunk: the frames of one turn of the event loop are one WebSocket message, whoever they are from.
import { encodeTrunkHeader, TRUNK_HEADER_LENGTH } from "../../../worker/protocol/trunk/frame.ts";
import { COALESCE_MAX } from "../limits.ts";
import { atEndOfTurn, type TurnTask } from "../websocket/end-of-turn.ts";
import type { WebSocketStream } from "../websocket/websocket-stream.ts";

/** Gathers frames. */
export class Outbox implements TurnTask {
  readonly #stream: Pick<WebSocketStream, "send">;
  #parts: Uint8Array[] = [];
  #length = 0;
  #written: (() => void)[] = [];
  #isDue = false;

  constructor(stream: Pick<WebSocketStream, "send">) {
    this.#stream = stream;
  }

  /**
   * Adds one frame; its payload, the parts joined, is read when the message is sent.
   * @param written called when it has left the process, or cannot any more
   */
  add(type: number, channel: number, payload: readonly Uint8Array[], written?: () => void): void {
    let length = 0;
    for (const part of payload) length += part.length;
    const size = TRUNK_HEADER_LENGTH + length;
    if (this.#length > 0 && this.#length + size > COALESCE_MAX + TRUNK_HEADER_LENGTH) this.flush();
    if (!this.#isDue) {
      this.#isDue = true;
      atEndOfTurn(this);
    }
    this.#parts.push(encodeTrunkHeader(type, channel, length), ...payload);
    this.#length += size;
    if (written !== undefined) this.#written.push(written);
  }

  /** Sends what is gathered. */
  flush(): void {
    if (this.#length === 0) return;
    const written = this.#written;
    this.#stream.send(this.#parts, () => {
      for (const tell of written) tell();
    });
    this.#parts = [];
    this.#length = 0;
    this.#written = [];
  }

  endTurn(): void {
    this.#isDue = false;
    this.flush();
  }
}
