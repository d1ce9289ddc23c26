// One control connection on a trunk, from its OPEN to its CLOSE. It has a window of its own: while its client takes
// nothing, the Worker runs out of credit for it alone, and what is on its way waits here.
import { ProtocolError } from "../../../worker/protocol/errors.ts";
import { TRUNK_MAX_PAYLOAD, TRUNK_WINDOW, TrunkFrameType } from "../../../worker/protocol/trunk/frame.ts";
import { TRUNK_CREDIT_AT } from "../limits.ts";
import type { Failure, Opened } from "../upstream/outcome.ts";
import { CloseCode } from "../websocket/frame.ts";
import type { StreamEnd, StreamEvents, WorkerStream } from "../websocket/worker-stream.ts";
import { HeldBytes } from "./held-bytes.ts";
import type { Outbox } from "./outbox.ts";

/** An OPEN without an answer that means anything: it belongs on another trunk. */
export interface Elsewhere {
  readonly kind: "elsewhere";
}
/** An OPEN that failed. */
export type OpenFailure = Failure | Elsewhere;
/** What came of an OPEN. */
export type OpenOutcome = Opened<Channel> | OpenFailure;

/** What a channel needs of its trunk. */
export interface ChannelCarrier {
  readonly outbox: Outbox;
  /** Forgets a channel: nothing more of it counts. */
  release(id: number): void;
}

/** What the last bytes of a channel are handed over in. */
const PIECE_MAX = TRUNK_MAX_PAYLOAD;
const GIVEN_UP: StreamEnd = { code: CloseCode.ABNORMAL };

/** A channel, paused until somebody listens. */
export class Channel implements WorkerStream {
  readonly #id: number;
  readonly #carrier: ChannelCarrier;
  /** Who waits for the Worker's answer to the OPEN. */
  #answer: ((outcome: OpenOutcome) => void) | undefined;
  #events: StreamEvents | undefined;
  #held: HeldBytes | undefined;
  /** Bytes received that no credit was given for. */
  #uncredited = 0;
  #isPaused = true;
  /** Set when nothing more comes; told once what is held has been handed over. */
  #end: StreamEnd | undefined;
  #hasTold = false;

  constructor(id: number, carrier: ChannelCarrier, answer: (outcome: OpenOutcome) => void) {
    this.#id = id;
    this.#carrier = carrier;
    this.#answer = answer;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get heldBytes(): number {
    return this.#held?.length ?? 0;
  }

  listen(events: StreamEvents): void {
    this.#events = events;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    while (!this.#isPaused && this.#held !== undefined) {
      const bytes = this.#held.take(PIECE_MAX);
      if (this.#held.length === 0) this.#held = undefined;
      this.#events?.data(bytes);
    }
    if (this.#isPaused) return;
    this.#giveCredit();
    this.#tellEnd();
  }

  send(parts: readonly Uint8Array[], written: () => void): void {
    if (this.#end !== undefined) {
      written();
      return;
    }
    let length = 0;
    for (const part of parts) length += part.length;
    if (length <= TRUNK_MAX_PAYLOAD) this.#carrier.outbox.add(TrunkFrameType.DATA, this.#id, parts, written);
    else this.#sendPieces(parts, written);
  }

  /** The trunk watches over the Worker for all of its channels. */
  beat(): void {}

  /** What the Worker has on its way is not waited for: no side answers a CLOSE. */
  close(code: number): void {
    this.#held = undefined;
    this.#isPaused = false;
    if (this.#end === undefined) this.#sendClose(code);
    this.#finish(GIVEN_UP);
    this.#tellEnd();
  }

  terminate(): void {
    this.close(CloseCode.NORMAL);
  }

  /** The Worker takes the connection. @throws ProtocolError `trunk` when it has answered already, or says too much */
  accept(bytes: Uint8Array): void {
    const answer = this.#answer;
    if (answer === undefined) throw new ProtocolError("trunk", "a second answer to an OPEN");
    this.#answer = undefined;
    answer({ kind: "opened", connection: this });
    if (bytes.length > 0) this.#take(bytes);
  }

  /** The Worker does not, or cannot any more. @throws ProtocolError `trunk` when it has accepted it already */
  refuse(failure: OpenFailure): void {
    const answer = this.#answer;
    if (answer === undefined) throw new ProtocolError("trunk", "a second answer to an OPEN");
    this.#answer = undefined;
    this.#finish(GIVEN_UP);
    answer(failure);
  }

  /** Takes bytes of the Worker. @throws ProtocolError `trunk` before its answer, or beyond the window */
  receive(bytes: Uint8Array): void {
    if (this.#answer !== undefined) throw new ProtocolError("trunk", "bytes before the answer to an OPEN");
    this.#take(bytes);
  }

  /** The Worker has said the last of this channel, or the trunk is gone. */
  end(end: StreamEnd, failure: OpenFailure): void {
    if (this.#answer !== undefined) {
      this.refuse(failure);
      return;
    }
    this.#finish(end);
    if (!this.#isPaused) this.#tellEnd();
  }

  /** Whoever waited for the answer does not any more. */
  abandon(failure: OpenFailure): void {
    if (this.#answer === undefined) return;
    this.#sendClose(CloseCode.NORMAL);
    this.refuse(failure);
  }

  #take(bytes: Uint8Array): void {
    this.#uncredited += bytes.length;
    if (this.#uncredited > TRUNK_WINDOW) throw new ProtocolError("trunk", "bytes beyond the window");
    if (this.#isPaused) {
      this.#held ??= new HeldBytes();
      this.#held.add(bytes);
      return;
    }
    this.#events?.data(bytes);
    this.#giveCredit();
  }

  /** Credit for what the client has taken; none while it takes nothing. */
  #giveCredit(): void {
    const earned = this.#uncredited - this.heldBytes;
    if (earned < TRUNK_CREDIT_AT || this.#isPaused || this.#end !== undefined) return;
    this.#uncredited -= earned;
    const payload = Buffer.allocUnsafe(4);
    payload.writeUInt32BE(earned);
    this.#carrier.outbox.add(TrunkFrameType.CREDIT, this.#id, [payload]);
  }

  #sendPieces(parts: readonly Uint8Array[], written: () => void): void {
    const pieces = parts.flatMap((part) =>
      Array.from({ length: Math.ceil(part.length / PIECE_MAX) }, (_, at) =>
        part.subarray(at * PIECE_MAX, (at + 1) * PIECE_MAX),
      ),
    );
    for (const [at, piece] of pieces.entries()) {
      const told = at === pieces.length - 1 ? written : undefined;
      this.#carrier.outbox.add(TrunkFrameType.DATA, this.#id, [piece], told);
    }
  }

  #sendClose(code: number): void {
    const payload = Buffer.allocUnsafe(2);
    payload.writeUInt16BE(code);
    this.#carrier.outbox.add(TrunkFrameType.CLOSE, this.#id, [payload]);
  }

  #finish(end: StreamEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#carrier.release(this.#id);
  }

  #tellEnd(): void {
    if (this.#end === undefined || this.#held !== undefined || this.#hasTold) return;
    this.#hasTold = true;
    this.#events?.close(this.#end);
  }
}
