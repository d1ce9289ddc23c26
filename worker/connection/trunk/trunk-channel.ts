// A channel of a trunk as the carrier of one control connection. What is sent on it collects until the trunk sends for all
// of its channels, and never exceeds what the gateway has given credit for.
import { concat, EMPTY } from "../../protocol/bytes.ts";
import {
  encodeTrunkFrame,
  encodeTrunkHeader,
  TRUNK_MAX_PAYLOAD,
  TRUNK_WINDOW,
  TrunkFrameType,
} from "../../protocol/trunk/frame.ts";
import type { Carrier } from "../carrier.ts";
import type { ConnectionState } from "../connection-state.ts";
import type { ControlConnection } from "../control-connection.ts";

/**
 * Credit that response bodies leave over, for what HTTP/2 must say in any case: acknowledgements, windows, heads. A client
 * that goes on asking without taking anything uses it up, and is dropped.
 */
const RESERVE = 16 << 10;

/** What a channel needs from its trunk. */
export interface ChannelHost {
  readonly isOpen: boolean;
  /** The channel has something to store or to send. */
  changed(channel: TrunkChannel): void;
  /** The channel has ended; it may still have something to send. */
  ended(channel: TrunkChannel): void;
}

/** A whole frame in parts. */
export type TrunkParts = readonly Uint8Array[];

/** One channel. */
export class TrunkChannel implements Carrier {
  readonly number: number;
  /** The connection that it carries; given right after both were made. */
  connection: ControlConnection | undefined;
  /** State of the connection as it was last encoded, and whether that is what storage has of it. */
  encoded: Uint8Array = EMPTY;
  isInStorage = false;
  isStale = false;
  readonly #host: ChannelHost;
  #credit: number;
  #isAccepted: boolean;
  #isEnded = false;
  #isOverdrawn = false;
  #waiting: Uint8Array[] = [];
  #closeCode: number | undefined;

  /** A channel that was just asked for, or one that is restored with its credit. */
  constructor(host: ChannelHost, number: number, restoredCredit?: number) {
    this.#host = host;
    this.number = number;
    this.#credit = restoredCredit ?? TRUNK_WINDOW;
    this.#isAccepted = restoredCredit !== undefined;
  }

  get isOpen(): boolean {
    return !this.#isEnded && this.#host.isOpen;
  }

  get room(): number {
    return this.#credit - RESERVE;
  }

  /** Bytes that may still be sent. */
  get credit(): number {
    return this.#credit;
  }

  /** More was to be sent than there is credit for: the client takes nothing. */
  get isOverdrawn(): boolean {
    return this.#isOverdrawn;
  }

  /** The client has taken bytes. @returns false when it cannot have */
  addCredit(bytes: number): boolean {
    if (this.#credit + bytes > TRUNK_WINDOW) return false;
    this.#credit += bytes;
    this.#host.changed(this);
    return true;
  }

  send(_state: ConnectionState, sealed: Uint8Array): void {
    if (sealed.length > this.#credit) this.#isOverdrawn = true;
    else if (sealed.length > 0) {
      this.#credit -= sealed.length;
      this.#waiting.push(sealed);
    }
    this.#host.changed(this);
  }

  close(_state: ConnectionState, code: number): void {
    this.#closeCode = code;
    this.#isEnded = true;
    this.#host.ended(this);
  }

  /** The gateway has closed the channel, or the trunk is gone: nothing more is sent. */
  abandon(): void {
    this.#isEnded = true;
    this.#waiting = [];
    this.#host.ended(this);
  }

  /** Appends the frames of all that waits to be sent. */
  takeFrames(frames: TrunkParts[]): void {
    const [first = EMPTY] = this.#waiting;
    const bytes = this.#waiting.length <= 1 ? first : concat(this.#waiting);
    this.#waiting = [];
    for (let at = 0; at < bytes.length; at += TRUNK_MAX_PAYLOAD) {
      const payload = bytes.length <= TRUNK_MAX_PAYLOAD ? bytes : bytes.subarray(at, at + TRUNK_MAX_PAYLOAD);
      const type = this.#isAccepted ? TrunkFrameType.DATA : TrunkFrameType.ACCEPT;
      this.#isAccepted = true;
      frames.push([encodeTrunkHeader(type, this.number, payload.length), payload]);
    }
    if (this.#closeCode === undefined) return;
    frames.push([encodeTrunkFrame({ type: "close", channel: this.number, code: this.#closeCode })]);
    this.#closeCode = undefined;
  }
}
