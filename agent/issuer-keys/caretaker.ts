// Looks after the keys of an issuer again and again: what came of it goes to the log and to the metrics, and a failure is
// tried again sooner.
import { setTimeout as sleep } from "node:timers/promises";
import { Counter, Gauge, Registry } from "prom-client";
import { collectProcessMetrics } from "../daemon/process-metrics.ts";
import type { Log } from "../log.ts";
import { type KeyKeeper, type Round, timeOf } from "./keeper.ts";

/** First pause after a failure; doubles up to the interval. */
const RETRY_MS = 5_000;

/** Waits so many milliseconds, or until the signal. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

const pauseFor: Wait = async (ms, signal) => {
  await sleep(ms, undefined, { signal }).catch(() => {});
};

/** The rounds of a keeper. */
export class Caretaker {
  readonly registry = new Registry();
  readonly #keeper: Pick<KeyKeeper, "round">;
  readonly #log: Log;
  readonly #onChange: (round: Round) => void;
  readonly #rounds: Counter<"outcome">;
  readonly #expiry: Gauge<"issuer">;
  #expiresAt = 0;
  #failures = 0;

  /** `onChange` hears of rounds that set or confirmed keys. */
  constructor(keeper: Pick<KeyKeeper, "round">, log: Log, onChange: (round: Round) => void) {
    this.#keeper = keeper;
    this.#log = log;
    this.#onChange = onChange;
    const registers = [this.registry];
    collectProcessMetrics(this.registry);
    this.#rounds = new Counter({
      name: "flarescale_issuer_keys_rounds_total",
      help: "Looks at the issuer by what came of them: set, confirmed, unchanged, failed",
      labelNames: ["outcome"],
      registers,
    });
    this.#expiry = new Gauge({
      name: "flarescale_issuer_keys_expire_timestamp_seconds",
      help: "When the server stops believing the keys unless they are confirmed; absent before the first round",
      labelNames: ["issuer"],
      registers,
    });
  }

  /** When the server stops believing the keys, in milliseconds since 1970; 0 before the first round. */
  get expiresAt(): number {
    return this.#expiresAt;
  }

  /** Looks at least once in `intervalMs`, until the signal. */
  async run(intervalMs: number, signal: AbortSignal, wait: Wait = pauseFor): Promise<void> {
    while (!signal.aborted) {
      await this.#look(signal);
      const retryMs = Math.min(intervalMs, RETRY_MS * 2 ** (this.#failures - 1));
      const pause = this.#failures === 0 ? intervalMs : retryMs;
      // Shorter by chance, never longer: agents of many clusters shall not ask in step.
      await wait(pause * (0.8 + 0.2 * Math.random()), signal);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    try {
      const round = await this.#keeper.round(signal);
      this.#failures = 0;
      this.#expiresAt = round.expiresAt;
      this.#rounds.inc({ outcome: round.outcome });
      this.#expiry.set({ issuer: round.issuer }, round.expiresAt / 1_000);
      if (round.outcome === "unchanged") return;
      const { issuer, keyIds } = round;
      this.#log.info(`keys ${round.outcome}`, { issuer, keyIds: keyIds.join(" "), expires: timeOf(round.expiresAt) });
      this.#onChange(round);
    } catch (error) {
      if (!signal.aborted) this.#fail(error as Error);
    }
  }

  #fail({ message: reason }: Error): void {
    this.#failures += 1;
    this.#rounds.inc({ outcome: "failed" });
    const isKnown = this.#expiresAt > 0;
    const fields = { reason, failures: this.#failures, ...(isKnown && { expires: timeOf(this.#expiresAt) }) };
    if (isKnown && this.#expiresAt <= Date.now()) this.#log.error("the server has let the keys expire", fields);
    else this.#log.warn("keys were not looked after", fields);
  }
}
