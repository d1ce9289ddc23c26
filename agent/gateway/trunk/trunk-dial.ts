// A trunk that is being dialled, and the clients that wait for it. It belongs to none of them: one that leaves takes
// nothing from the others, and the last one ends the dial.
import { TRUNK_MAX_CHANNELS } from "../../../worker/protocol/trunk/frame.ts";
import { DIAL_BUDGET_MS } from "../limits.ts";
import { type Failure, networkFailure } from "../upstream/outcome.ts";
import type { Trunk } from "./trunk.ts";

/** What came of the dial. */
export type DialOutcome = { readonly kind: "stands"; readonly trunk: Trunk } | Failure;

const LEFT = networkFailure(new Error("abandoned"));

/** One dial. */
export class TrunkDial {
  readonly #end = new AbortController();
  readonly #outcome: Promise<DialOutcome>;
  #waiting = 0;

  /** @param dial begins at once */
  constructor(dial: (signal: AbortSignal) => Promise<DialOutcome>) {
    // However many join, nobody waits for a connection that hangs longer than the first one does.
    const timer = setTimeout(() => this.#end.abort(), DIAL_BUDGET_MS);
    this.#outcome = dial(this.#end.signal).finally(() => clearTimeout(timer));
  }

  /** Whether one more client fits the trunk. */
  get hasRoom(): boolean {
    return this.#waiting < TRUNK_MAX_CHANNELS;
  }

  /** Waits for the trunk; when `signal` aborts, the outcome means nothing. */
  async join(signal: AbortSignal): Promise<DialOutcome> {
    const { promise: left, resolve } = Promise.withResolvers<DialOutcome>();
    const leave = () => resolve(LEFT);
    signal.addEventListener("abort", leave, { once: true });
    this.#waiting += 1;
    const outcome = await Promise.race([this.#outcome, left]);
    signal.removeEventListener("abort", leave);
    this.#waiting -= 1;
    if (this.#waiting === 0) this.cancel();
    return outcome;
  }

  /** Ends it, if it has not ended. */
  cancel(): void {
    this.#end.abort();
  }
}
