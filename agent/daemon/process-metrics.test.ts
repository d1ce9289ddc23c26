import { execFile } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { collectProcessMetrics } from "./process-metrics.ts";

const run = promisify(execFile);

/** How often a process that has these metrics, and nothing to do, wakes in a second: the calmest of ten. */
async function wakesOfAnIdleSecond(): Promise<number> {
  const script = `
    import { Registry } from "prom-client";
    import { collectProcessMetrics } from ${JSON.stringify(pathToFileURL(path.join(import.meta.dirname, "process-metrics.ts")))};
    collectProcessMetrics(new Registry());
    const wakes = () => process.resourceUsage().voluntaryContextSwitches;
    let calmest = Infinity;
    // Threads that finish the start wake it too, and later on a busy machine: so more than one second, if need be.
    for (let second = 0; second < 10 && calmest >= 20; second++) {
      const before = wakes();
      await new Promise((done) => setTimeout(done, 1_000));
      calmest = Math.min(calmest, wakes() - before);
    }
    console.log(calmest);
  `;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: import.meta.dirname,
  });
  return Number(stdout);
}

describe("metrics of the process", () => {
  it("do not wake it between scrapes", async () => {
    expect(await wakesOfAnIdleSecond()).toBeLessThan(20);
  });

  it("tell CPU, memory, the event loop's lag and its utilization, and nothing that was never sampled", async () => {
    const registry = new Registry();
    collectProcessMetrics(registry);
    await registry.metrics();
    const text = await registry.metrics();
    for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "nodejs_eventloop_lag_seconds"]) {
      expect(text).toMatch(new RegExp(`^${name} [0-9]`, "m"));
    }
    const utilization = Number(/^nodejs_eventloop_utilization (\S+)$/m.exec(text)?.[1]);
    expect(utilization).toBeGreaterThanOrEqual(0);
    expect(utilization).toBeLessThanOrEqual(1);
    expect(text).not.toContain("nodejs_eventloop_lag_p99_seconds");
  });
});
