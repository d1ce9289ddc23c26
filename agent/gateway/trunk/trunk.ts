// One trunk: a WebSocket to the Worker that carries the control connections of several clients, each on a channel
// (docs/decisions/0013-trunks.md). It is never paused: who takes nothing holds up its own channel.
import { ProtocolError } from "../../../worker/protocol/errors.ts";
import { TrunkDecoder } from "../../../worker/protocol/trunk/decode.ts";
import {
  TRUNK_FULL,
  TRUNK_MAX_CHANNEL,
  TRUNK_MAX_CHANNELS,
  type TrunkFrame,
  TrunkFrameType,
} from "../../../worker/protocol/trunk/frame.ts";
import { type Failure, networkFailure, statusFailure } from "../upstream/outcome.ts";
import { CloseCode } from "../websocket/frame.ts";
import type { WebSocketStream } from "../websocket/websocket-stream.ts";
import type { StreamEnd, StreamEvents } from "../websocket/worker-stream.ts";
import { Channel, type ChannelCarrier, type Elsewhere, type OpenFailure, type OpenOutcome } from "./channel.ts";
import { Outbox } from "./outbox.ts";

/** Who has the trunk. */
export interface TrunkOwner {
  /** It has one channel more or less. */
  changed(trunk: Trunk): void;
  /** It takes no more channels, for good. Comes once. */
  gone(trunk: Trunk): void;
}

const ELSEWHERE: Elsewhere = { kind: "elsewhere" };
/** The client that an OPEN was for has left; nobody reads this. */
const LEFT: Failure = { ...networkFailure(new Error("abandoned")), isPassing: false };
/** What broke off while an OPEN was unanswered. */
const BROKEN = networkFailure(Object.assign(new Error("the trunk ended"), { code: "ECONNRESET" }));

/** A trunk that stands. */
export class Trunk implements StreamEvents, ChannelCarrier {
  readonly outbox: Outbox;
  readonly #stream: WebSocketStream;
  readonly #owner: TrunkOwner;
  readonly #decoder = new TrunkDecoder("worker");
  readonly #channels = new Map<number, Channel>();
  #nextChannel = 1;
  /** Set when the Worker says that it has no room, until a channel ends. */
  #isFull = false;
  /** Reads so far. */
  #reads = 0;
  /** Set when an OPEN was given up before anything was heard, until something is: perhaps nobody is there any more. */
  #isDoubtful = false;
  #isOver = false;
  /** The beat that first saw it without channels. */
  #idleSince: number | undefined;

  /** @param stream open and paused; nobody else uses it */
  constructor(stream: WebSocketStream, owner: TrunkOwner) {
    this.#stream = stream;
    this.#owner = owner;
    this.outbox = new Outbox(stream);
  }

  /** Begins to read. */
  start(): void {
    this.#stream.listen(this);
    this.#stream.resume();
  }

  /** Channels that are open, or asked for. */
  get size(): number {
    return this.#channels.size;
  }

  get hasRoom(): boolean {
    if (this.#isOver || this.#isFull || this.#isDoubtful) return false;
    return this.#channels.size < TRUNK_MAX_CHANNELS && this.#nextChannel <= TRUNK_MAX_CHANNEL;
  }

  /** Asks for a channel; the trunk has room. When `signal` aborts, the Worker is told and the outcome means nothing. */
  open(initiation: Uint8Array, signal: AbortSignal): Promise<OpenOutcome> {
    return new Promise((resolve) => {
      const id = this.#nextChannel;
      const reads = this.#reads;
      const leave = () => {
        this.#isDoubtful = this.#reads === reads;
        channel.abandon(LEFT);
      };
      const channel = new Channel(id, this, (outcome) => {
        signal.removeEventListener("abort", leave);
        resolve(outcome);
      });
      this.#nextChannel += 1;
      this.#idleSince = undefined;
      this.#channels.set(id, channel);
      signal.addEventListener("abort", leave, { once: true });
      this.outbox.add(TrunkFrameType.OPEN, id, [initiation]);
      this.#owner.changed(this);
    });
  }

  release(id: number): void {
    if (!this.#channels.delete(id)) return;
    this.#isFull = false;
    this.#owner.changed(this);
  }

  /** Called every few seconds: watches over the Worker, and tells how long there has been no channel. */
  beat(nowMs: number): number | undefined {
    this.#stream.beat(nowMs);
    if (this.#channels.size > 0) return undefined;
    this.#idleSince ??= nowMs;
    return nowMs - this.#idleSince;
  }

  /** Ends it in good order, and its channels with it. */
  end(code: number): void {
    if (this.#isOver) return;
    this.#finish({ code }, ELSEWHERE);
    this.outbox.flush();
    this.#stream.close(code);
  }

  /** Takes bytes of the WebSocket. */
  data(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#reads += 1;
    if (this.#isDoubtful) {
      this.#isDoubtful = false;
      this.#owner.changed(this);
    }
    try {
      this.#decoder.receive(bytes, this.#take);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#finish({ code: CloseCode.PROTOCOL_ERROR, fault: "violation" }, BROKEN);
      this.#stream.close(CloseCode.PROTOCOL_ERROR);
    }
  }

  /** The WebSocket is gone. A Worker that closes a trunk which it saw without channels means none of its clients. */
  close(end: StreamEnd): void {
    this.#finish(end, end.code === CloseCode.NORMAL && end.fault === undefined ? ELSEWHERE : BROKEN);
  }

  readonly #take = (frame: TrunkFrame): void => {
    const channel = this.#channels.get(frame.channel);
    if (channel !== undefined) {
      this.#handTo(channel, frame);
    } else if (frame.channel >= this.#nextChannel) {
      throw new ProtocolError("trunk", "frame of a channel that was never opened");
    } // others were on their way when their channel ended
  };

  #handTo(channel: Channel, frame: TrunkFrame): void {
    switch (frame.type) {
      case "accept":
        channel.accept(frame.bytes);
        break;
      case "data":
        channel.receive(frame.bytes);
        break;
      case "refuse":
        this.#refuse(channel, frame);
        break;
      case "close":
        channel.end({ code: frame.code }, BROKEN);
        break;
      default: // the decoder lets no other type of a Worker through
    }
  }

  #refuse(channel: Channel, { status, retryAfter, text }: Extract<TrunkFrame, { type: "refuse" }>): void {
    const words = text.trim();
    const isFull = status === 503 && text === TRUNK_FULL;
    channel.refuse(
      isFull ? ELSEWHERE : statusFailure(status, words || undefined, retryAfter ? `${retryAfter}` : undefined),
    );
    if (!isFull) return;
    this.#isFull = this.#channels.size > 0;
    this.#owner.changed(this);
  }

  #finish(end: StreamEnd, failure: OpenFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.gone(this);
    for (const channel of this.#channels.values()) channel.end(end, failure);
    this.#channels.clear();
  }
}
