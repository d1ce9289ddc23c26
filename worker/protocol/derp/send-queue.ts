// How much may be on its way to one client. The platform's WebSockets take everything and tell nothing, so a client that
// reads slowly would grow our memory without end. DERP has what we need instead: a client answers Ping with Pong in the
// order in which it reads, so a Pong says that everything before its Ping has arrived. Beyond a window of unacknowledged
// bytes packets wait in two short queues, path discovery first, and the oldest are dropped, as derpserver does.
// All windows of a region share one budget: each may take a quarter of what is left of it, so that one client alone has a
// wide window and a crowd of slow ones cannot fill the memory (dynamic thresholds, Choudhury and Hahne 1998).
// Clients that do not answer Ping (probers) get one window for each keep-alive.
import { equalBytes } from "../bytes.ts";
import {
  DERP_ACK_EVERY,
  DERP_MAX_QUEUED,
  DERP_MAX_QUEUED_BYTES,
  DERP_MIN_SEND_WINDOW,
  DERP_REGION_WINDOW,
  DERP_SEND_WINDOW,
} from "../limits.ts";

const SHARE_OF_REST = 4;

interface OutstandingPing {
  readonly nonce: Uint8Array;
  /** Value of the byte counter that its Pong acknowledges. */
  readonly upTo: number;
  readonly sentAtMs: number;
}

/** What all queues of a region share. */
export class SendBudget {
  /** Bytes on their way that nobody has acknowledged. */
  unacknowledged = 0;

  /** How much may be on its way to one client now. */
  get window(): number {
    const share = (DERP_REGION_WINDOW - this.unacknowledged) / SHARE_OF_REST;
    return Math.max(DERP_MIN_SEND_WINDOW, Math.min(DERP_SEND_WINDOW, share));
  }
}

/** Accounts for what is sent to one client and keeps what has to wait. */
export class SendQueue {
  readonly #acks: boolean;
  readonly #budget: SendBudget;
  readonly #pings: OutstandingPing[] = [];
  readonly #urgent: Uint8Array[] = [];
  readonly #ordinary: Uint8Array[] = [];
  #queuedBytes = 0;
  #sent = 0;
  #acknowledged = 0;
  #pingedAt = 0;

  /** @param acks whether the client answers Ping */
  constructor(acks: boolean, budget: SendBudget) {
    this.#acks = acks;
    this.#budget = budget;
  }

  /** Whether a frame may be sent at once; otherwise it has to be pushed. */
  get isOpen(): boolean {
    return this.#hasRoom && this.#queuedBytes === 0;
  }

  get #hasRoom(): boolean {
    return this.#sent - this.#acknowledged < this.#budget.window;
  }

  /** Counts bytes that are sent. */
  noteSent(length: number): void {
    this.#sent += length;
    this.#budget.unacknowledged += length;
  }

  /** Whether a Ping should follow what was sent; the caller then sends one and calls {@link notePing}. */
  get isPingDue(): boolean {
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
    this.#pings.splice(0, index + 1);
    this.#arrived(ping.upTo);
  }

  /** Opens the window of a client that cannot acknowledge. */
  noteKeepAlive(): void {
    if (!this.#acks) this.#arrived(this.#sent);
  }

  /** Gives back what the client holds of the budget, when it has left. */
  close(): void {
    this.#arrived(this.#sent);
  }

  /** Lets a frame wait; the frame must not be a view of something larger. Returns how many were dropped for it. */
  push(frame: Uint8Array, isUrgent: boolean): number {
    const queue = isUrgent ? this.#urgent : this.#ordinary;
    queue.push(frame);
    this.#queuedBytes += frame.length;
    let dropped = 0;
    for (; queue.length > DERP_MAX_QUEUED; dropped++) this.#drop(queue);
    // Path discovery is the last to suffer when packets are large.
    for (; this.#queuedBytes > DERP_MAX_QUEUED_BYTES; dropped++) {
      this.#drop(this.#ordinary.length > 0 ? this.#ordinary : this.#urgent);
    }
    return dropped;
  }

  /** The next waiting frame that may be sent now, urgent ones first. */
  take(): Uint8Array | undefined {
    if (!this.#hasRoom) return undefined;
    const frame = this.#urgent.shift() ?? this.#ordinary.shift();
    this.#queuedBytes -= frame?.length ?? 0;
    return frame;
  }

  /** When the oldest unanswered Ping was sent; undefined when all are answered. */
  get waitingSinceMs(): number | undefined {
    return this.#pings[0]?.sentAtMs;
  }

  #drop(queue: Uint8Array[]): void {
    this.#queuedBytes -= queue.shift()?.length ?? 0;
  }

  #arrived(upTo: number): void {
    this.#budget.unacknowledged -= upTo - this.#acknowledged;
    this.#acknowledged = upTo;
  }
}
