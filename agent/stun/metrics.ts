// Prometheus metrics of a STUN server. What arrives is counted in plain numbers and read when somebody scrapes.
import { Counter, Gauge, type Registry } from "prom-client";
import type { StunProblem } from "../../worker/protocol/stun.ts";

/** What became of a datagram; a label of the metrics. */
export type Outcome = "answered" | StunProblem | "not-tailscale" | "source-limit" | "total-limit" | "send-failed";
export type Family = "ipv4" | "ipv6";

/** Counts by outcome. */
export type Counts = Record<Outcome, number>;

/** Counts of nothing. */
export function noCounts(): Counts {
  return {
    answered: 0,
    "not-stun": 0,
    "other-message": 0,
    malformed: 0,
    "unknown-attribute": 0,
    "bad-fingerprint": 0,
    "not-tailscale": 0,
    "source-limit": 0,
    "total-limit": 0,
    "send-failed": 0,
  };
}

/** What is read at a scrape. */
export interface StunSources {
  readonly counts: Readonly<Record<Family, Readonly<Counts>>>;
  readonly sources: number;
}

/** Adds the metrics of a STUN server to a registry. */
export function registerStunMetrics(registry: Registry, read: () => StunSources): void {
  const registers = [registry];
  new Counter({
    name: "flarescale_stun_datagrams_total",
    help: "Datagrams by what became of them",
    labelNames: ["family", "outcome"],
    registers,
    collect() {
      this.reset();
      for (const [family, counts] of Object.entries(read().counts)) {
        for (const [outcome, count] of Object.entries(counts)) this.inc({ family, outcome }, count);
      }
    },
  });
  new Gauge({
    name: "flarescale_stun_sources",
    help: "Sources that the limit per source remembers",
    registers,
    collect() {
      this.set(read().sources);
    },
  });
}
