// Prometheus metrics of the process itself, for every role that lasts. They cost nothing between two scrapes: a gateway
// with nothing to do shall do nothing.
import { type EventLoopUtilization, performance } from "node:perf_hooks";
import { collectDefaultMetrics, Gauge, type Registry } from "prom-client";

/** prom-client samples the event loop's delay 100 times a second for these, which costs 0.2 s of CPU a minute. */
const SAMPLED = ["min", "max", "mean", "stddev", "p50", "p90", "p99"].map(
  (what) => `nodejs_eventloop_lag_${what}_seconds`,
);
/** How seldom it can be told to sample: the longest timer that there is. */
const NEVER_MS = 2 ** 31 - 1;

/** Adds prom-client's default metrics, but for what needs sampling, and the share of time that the event loop works. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  for (const name of SAMPLED) registry.removeSingleMetric(name);
  let before: EventLoopUtilization | undefined;
  new Gauge({
    name: "nodejs_eventloop_utilization",
    help: "Share of the time since the last scrape that the event loop was not idle, 0 to 1",
    registers: [registry],
    collect() {
      const now = performance.eventLoopUtilization();
      this.set(performance.eventLoopUtilization(now, before).utilization);
      before = now;
    },
  });
}
