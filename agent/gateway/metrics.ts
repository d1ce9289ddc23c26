// Prometheus metrics of a gateway (kubernetes.md C.1 G12). Hot paths count in plain numbers; what they counted is read
// when somebody scrapes.
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { collectProcessMetrics } from "../daemon/process-metrics.ts";
import { BRIDGE_KINDS, type Bridge, type BridgeKind, type Bridges, type EndCause } from "./bridge/bridges.ts";
import type { RefusalCause } from "./bridge/refusal.ts";

/** Where events are counted. */
export interface Metrics {
  dialed(kind: BridgeKind, ms: number): void;
  refused(cause: RefusalCause): void;
  ended(bridge: Bridge, cause: EndCause, ageMs: number): void;
  answered(status: number): void;
  /** All of them. */
  readonly registry: Registry;
}

/** What is read at a scrape. */
export interface MetricSources {
  readonly bridges: Pick<Bridges, "traffic"> & Iterable<Bridge>;
  readonly trunks: { readonly count: number; readonly channels: number };
  readonly queuedDials: () => number;
}

const PREFIX = "flarescale_gateway_";

/** Builds the metrics; `sources` is asked from the first scrape on. */
export function createMetrics(sources: () => MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectProcessMetrics(registry);
  addScraped(registers, sources);
  const dialSeconds = new Histogram({
    name: `${PREFIX}dial_seconds`,
    help: "Time from a client's upgrade request to the open WebSocket",
    labelNames: ["kind"],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4],
    registers,
  });
  const ageSeconds = new Histogram({
    name: `${PREFIX}bridge_age_seconds`,
    help: "Age of bridges when they ended",
    labelNames: ["kind"],
    buckets: [1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800],
    registers,
  });
  const refusals = new Counter({
    name: `${PREFIX}refusals_total`,
    help: "Upgrade requests that got no bridge",
    labelNames: ["cause"],
    registers,
  });
  const ends = new Counter({
    name: `${PREFIX}bridge_ends_total`,
    help: "Bridges that ended",
    labelNames: ["kind", "cause"],
    registers,
  });
  const responses = new Counter({
    name: `${PREFIX}http_responses_total`,
    help: "Plain HTTP requests by class of the answer",
    labelNames: ["status"],
    registers,
  });
  return {
    dialed: (kind, ms) => dialSeconds.observe({ kind }, ms / 1_000),
    refused: (cause) => refusals.inc({ cause }),
    ended: (bridge, cause, ageMs) => {
      ends.inc({ kind: bridge.kind, cause });
      ageSeconds.observe({ kind: bridge.kind }, ageMs / 1_000);
    },
    answered: (status) => responses.inc({ status: `${Math.trunc(status / 100)}xx` }),
    registry,
  };
}

/** Values that other parts hold already. */
function addScraped(registers: Registry[], sources: () => MetricSources): void {
  new Gauge({
    name: `${PREFIX}bridges`,
    help: "Bridges that stand",
    labelNames: ["kind"],
    registers,
    collect() {
      for (const kind of BRIDGE_KINDS) this.set({ kind }, 0);
      for (const { kind } of sources().bridges) this.inc({ kind });
    },
  });
  new Gauge({
    name: `${PREFIX}trunks`,
    help: "WebSockets to the Worker that native control clients share",
    registers,
    collect() {
      this.set(sources().trunks.count);
    },
  });
  new Gauge({
    name: `${PREFIX}trunk_channels`,
    help: "Control connections on trunks; the other control bridges have a WebSocket of their own",
    registers,
    collect() {
      this.set(sources().trunks.channels);
    },
  });
  new Gauge({
    name: `${PREFIX}buffered_bytes`,
    help: "Bytes that wait in the bridges, both directions",
    registers,
    collect() {
      let sum = 0;
      for (const { bufferedBytes } of sources().bridges) sum += bufferedBytes;
      this.set(sum);
    },
  });
  new Gauge({
    name: `${PREFIX}queued_dials`,
    help: "Dials that wait for the limiter",
    registers,
    collect() {
      this.set(sources().queuedDials());
    },
  });
  new Counter({
    name: `${PREFIX}bytes_total`,
    help: "Bytes carried by bridges",
    labelNames: ["kind", "direction"],
    registers,
    collect() {
      this.reset();
      for (const kind of BRIDGE_KINDS) {
        const { toWorker, toClient } = sources().bridges.traffic[kind];
        this.inc({ kind, direction: "to_worker" }, toWorker);
        this.inc({ kind, direction: "to_client" }, toClient);
      }
    },
  });
}
