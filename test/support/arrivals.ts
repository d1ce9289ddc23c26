// Waits of a test's client for what the server has still to send.

/** Wakes who waits each time that something arrives. */
export class Arrivals {
  readonly #closeCode: () => number | undefined;
  #waiters: (() => void)[] = [];

  /** @param closeCode of the client's connection, once closed: nothing arrives any more */
  constructor(closeCode: () => number | undefined) {
    this.#closeCode = closeCode;
  }

  /** Something has arrived, or the connection is closed. */
  note(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Waits until something holds; it is looked at after every arrival. @throws Error after 40 s */
  async until(holds: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + 40_000;
    while (!holds()) {
      const code = this.#closeCode();
      if (code !== undefined) throw new Error(`closed with ${code} while waiting for ${what}`);
      if (Date.now() > deadline) throw new Error(`timed out waiting for ${what}`);
      await Promise.race([
        new Promise<void>((resolve) => this.#waiters.push(resolve)),
        new Promise<void>((resolve) => setTimeout(resolve, 200)),
      ]);
    }
  }
}
