// The object's one alarm, shared by map keep-alives and the tailnet's deadlines. Both times are stored, so that an
// alarm that is only a keep-alive need not load the tailnet (platform.md 2.2, 3.3).

/** Interval of keep-alives: the client's watchdog is 120 s and an alarm may slip by up to 60 s (control-protocol.md 5.4). */
const KEEP_ALIVE_MS = 47_000;
/** When due work that failed is tried again. */
const RETRY_MS = 60_000;

/** What the alarm shall do now. */
export interface DueWork {
  readonly isKeepAliveDue: boolean;
  readonly isDeadlineDue: boolean;
}

/** Keeps the alarm at the earliest of the times asked for. */
export class AlarmClock {
  readonly #storage: DurableObjectStorage;
  #keepAliveAt: number | undefined;
  #deadlineAt: number | undefined;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#keepAliveAt = storage.kv.get<number>("keep-alive-at");
    this.#deadlineAt = storage.kv.get<number>("deadline-at");
  }

  /** Starts keep-alives, if they do not run; a series that the platform gave up starts anew. */
  startKeepAlives(now: number): void {
    if (this.#keepAliveAt !== undefined && this.#keepAliveAt > now - KEEP_ALIVE_MS) return;
    this.#setKeepAlive(now + KEEP_ALIVE_MS);
    this.#schedule();
  }

  /** Asks for a wake at `at`, unless an earlier one is set. */
  wakeBy(at: number): void {
    if (this.#deadlineAt === undefined || at < this.#deadlineAt) this.setDeadline(at);
  }

  /** Sets the next deadline, or none. */
  setDeadline(at: number | undefined): void {
    if (at === this.#deadlineAt) return;
    this.#deadlineAt = at;
    if (at === undefined) this.#storage.kv.delete("deadline-at");
    else this.#storage.kv.put("deadline-at", at);
    this.#schedule();
  }

  /**
   * Tells what is due, with the next alarm already set: work that fails must neither end the series nor repeat at once.
   * Whoever does the due work then sets the true deadline.
   */
  ring(now: number, hasConnections: boolean): DueWork {
    const isKeepAliveDue = this.#keepAliveAt !== undefined && this.#keepAliveAt <= now;
    const isDeadlineDue = this.#deadlineAt !== undefined && this.#deadlineAt <= now;
    if (isKeepAliveDue) this.#setKeepAlive(hasConnections ? now + KEEP_ALIVE_MS : undefined);
    if (isDeadlineDue) this.#deadlineAt = now + RETRY_MS;
    this.#schedule();
    return { isKeepAliveDue, isDeadlineDue };
  }

  #setKeepAlive(at: number | undefined): void {
    this.#keepAliveAt = at;
    if (at === undefined) this.#storage.kv.delete("keep-alive-at");
    else this.#storage.kv.put("keep-alive-at", at);
  }

  #schedule(): void {
    const at = Math.min(this.#keepAliveAt ?? Number.POSITIVE_INFINITY, this.#deadlineAt ?? Number.POSITIVE_INFINITY);
    const done = Number.isFinite(at) ? this.#storage.setAlarm(at) : this.#storage.deleteAlarm();
    done.catch(() => undefined); // a failed write resets the object, which reports it
  }
}
