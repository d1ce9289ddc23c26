// How much may be on its way to one client. The platform's WebSockets take everything and tell nothing, so a client that
// reads slowly would grow our memory without end. DERP has what we need instead: a client answers Ping with Pong in the
// order in which it reads, so a Pong says that everything before its Ping has arrived. Beyond a window of unacknowledged
// bytes packets wait in two short queues, path discovery first, and the oldest are dropped, as derpserver does.
// Clients that do not answer Ping (probers) get one window for each keep-alive.
import { equalBytes } from "../bytes.ts";
import { DERP_ACK_EVERY, DERP_MAX_QUEUED, DERP_SEND_WINDOW } from "../limits.ts";

interface OutstandingPing {
  readonly nonce: Uint8Array;
  /** Value of the byte counter that its Pong acknowledges. */
  readonly upTo: number;
  readonly sentAtMs: number;
}

/** Accounts for what is sent to one client and keeps what has to wait. */
export class SendQueue {
  readonly #acks: boolean;
  readonly #pings: OutstandingPing[] = [];
  readonly #urgent: Uint8Array[] = [];
  readonly #ordinary: Uint8Array[] = [];
  #sent = 0;
  #acknowledged = 0;
  #pingedAt = 0;

  /** @param acks whether the client answers Ping */
  constructor(acks: boolean) {
    this.#acks = acks;
  }

  /** Whether a frame may be sent at once; otherwise it has to be pushed. */
  get isOpen(): boolean {
    return this.#hasRoom && this.#urgent.length === 0 && this.#ordinary.length === 0;
  }

  get #hasRoom(): boolean {
    return this.#sent - this.#acknowledged < DERP_SEND_WINDOW;
  }

  /** Counts bytes that were sent. Returns true when a Ping is due; the caller then sends one and calls {@link notePing}. */
  noteSent(length: number): boolean {
    this.#sent += length;
    return this.#acks && this.#sent - this.#pingedAt >= DERP_ACK_EVERY;
  }

  /** Remembers a Ping; its nonce must be unpredictable, or a client could acknowledge what it never read. */
  notePing(nonce: Uint8Array, nowMs: number): void {
    this.#pingedAt = this.#sent;
    this.#pings.push({ nonce, upTo: this.#sent, sentAtMs: nowMs });
  }

  /** Takes the nonce of a Pong; those that we never sent change nothing. */
  acknowledge(nonce: Uint8Array): void {
    const index = this.#pings.findIndex((ping) => equalBytes(ping.nonce, nonce));
    const ping = this.#pings[index];
    if (ping === undefined) return;
    this.#acknowledged = ping.upTo;
    this.#pings.splice(0, index + 1);
  }

  /** Opens the window of a client that cannot acknowledge. */
  noteKeepAlive(): void {
    if (!this.#acks) this.#acknowledged = this.#sent;
  }

  /** Lets a frame wait; the frame must not be a view of something larger. Returns how many were dropped for it: 0 or 1. */
  push(frame: Uint8Array, isUrgent: boolean): number {
    const queue = isUrgent ? this.#urgent : this.#ordinary;
    queue.push(frame);
    if (queue.length <= DERP_MAX_QUEUED) return 0;
    queue.shift();
    return 1;
  }

  /** The next waiting frame that may be sent now, urgent ones first. */
  take(): Uint8Array | undefined {
    return this.#hasRoom ? (this.#urgent.shift() ?? this.#ordinary.shift()) : undefined;
  }

  /** When the oldest unanswered Ping was sent; undefined when all are answered. */
  get waitingSinceMs(): number | undefined {
    return this.#pings[0]?.sentAtMs;
  }
}
