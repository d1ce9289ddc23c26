// Writes in rounds what may be written late: that the streams of online nodes came and went. When many nodes come back at
// once, each would write that its stream ended, and a moment later that it has one again: two transactions a node, for
// each of which a disk is waited for, and with them everybody else. In rounds a herd costs a few, and who was gone for
// less than a round costs nothing.
//
// A timer may be lost with its instance. Nothing is owed for it: whoever loads an online node looks for its streams
// (TailnetRuntime), and the alarm of its grace is set without delay.

/** Least time between two rounds, ms. */
const ROUND_MS = 250;

/** The rounds of one tailnet. */
export class LateWrites {
  readonly #write: () => void;
  #lastAt = Number.NEGATIVE_INFINITY;
  #isDue = false;

  constructor(write: () => void) {
    this.#write = write;
  }

  /** Something is to be written: now, or with the next round when the last one was just before. */
  add(now: number): void {
    if (this.#isDue) return;
    const wait = this.#lastAt + ROUND_MS - now;
    if (wait <= 0) {
      this.#lastAt = now;
      this.#write();
      return;
    }
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      this.#lastAt = Date.now();
      try {
        this.#write();
      } catch (error) {
        console.error("presence was not stored; it is tried again with the next change:", error);
      }
    }, wait);
  }
}
