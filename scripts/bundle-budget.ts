// Measures the bundle that `wrangler deploy` would upload, and fails when it exceeds scripts/bundle-budget.json.
//
// Size: what wrangler writes on a dry run, without the source map, raw and compressed as the platform counts it.
// Start-up CPU: processor time of a workerd that loads the bundle and answers its first request, less the same for a
// Worker that does nothing, each the least of several runs. The least is what the code costs; everything above is the
// machine's noise. (`wrangler check startup` samples every millisecond, attributes half of the time to "(program)" and
// spreads over 20 %; this spreads over 5 %, and shows that the deployed bundle starts and answers.) Linux only, since
// it reads /proc.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { execute } from "./checks/execute.ts";
import { ProcessGroup } from "./process-group.ts";
import { preciseCpuMs } from "./processor-time.ts";
import { workerdConfig } from "./worker/workerd-config.ts";
import { startWorkerd } from "./worker/workerd-process.ts";
import { readWranglerSettings, type WranglerSettings } from "./worker/wrangler-settings.ts";

const RUNS = 7;
const ENTRY = "index.js";
const IDLE_ENTRY = "idle.js";

interface Budget {
  readonly rawKiB: number;
  readonly gzipKiB: number;
  readonly startupCpuMs: number;
}

const budget = JSON.parse(readFileSync(new URL("bundle-budget.json", import.meta.url), "utf8")) as Budget;
const folder = mkdtempSync(path.join(tmpdir(), "flarescale-bundle-"));
try {
  process.exitCode = report(await measure(folder)) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}

async function measure(into: string): Promise<Budget> {
  const args = ["deploy", "--dry-run", "--outdir", into];
  const { ok, output } = await execute({ command: "wrangler", args, timeLimitMinutes: 2, show: false });
  if (!ok) throw new Error(`wrangler deploy --dry-run failed:\n${output}`);
  const modules = readdirSync(into).filter((name) => !name.endsWith(".map") && name !== "README.md");
  const bytes = Buffer.concat(modules.map((name) => readFileSync(path.join(into, name))));
  const settings = readWranglerSettings();
  const texts = modules.filter((name) => name !== ENTRY);
  const config = path.join(into, "real.capnp");
  writeFileSync(config, workerdConfig(settings, ENTRY, texts));
  const idleConfig = path.join(into, "idle.capnp");
  writeFileSync(idleConfig, workerdConfig(settings, IDLE_ENTRY));
  writeFileSync(path.join(into, IDLE_ENTRY), idleWorker(settings));
  const startupCpuMs = (await leastStartup(config, settings)) - (await leastStartup(idleConfig, settings));
  return { rawKiB: bytes.length / 1024, gzipKiB: gzipSync(bytes).length / 1024, startupCpuMs };
}

/** A Worker with the same classes that does nothing. */
function idleWorker({ objects }: WranglerSettings): string {
  const classes = objects.map(({ className }) => `export class ${className} extends DurableObject {}`);
  return `import { DurableObject } from "cloudflare:workers";
${classes.join("\n")}
export default { fetch: () => new Response("ok") };
`;
}

async function leastStartup(config: string, { vars }: WranglerSettings): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) times.push(await startupCpuMs(config, vars));
  return Math.min(...times);
}

/** Processor time in milliseconds that a workerd has used when its first answer is there. */
async function startupCpuMs(config: string, vars: WranglerSettings["vars"]): Promise<number> {
  const processes = new ProcessGroup();
  try {
    const state = path.join(path.dirname(config), "state");
    const port = await startWorkerd(processes, { config, address: "127.0.0.1:0", state, vars });
    const [pid] = processes.pids;
    if (pid === undefined) throw new Error("workerd is not running");
    await fetch(`http://127.0.0.1:${port}/`); // whatever the answer is, no Durable Object has a part in it
    const used = preciseCpuMs(pid);
    const health = await fetch(`http://127.0.0.1:${port}/health`);
    if (!health.ok) throw new Error(`the bundle answers /health with ${health.status}: ${await health.text()}`);
    return used;
  } finally {
    await processes.stop();
  }
}

function report(measured: Budget): boolean {
  const lines: [string, keyof Budget, string][] = [
    ["bundle, raw", "rawKiB", "KiB"],
    ["bundle, gzip", "gzipKiB", "KiB"],
    ["start-up CPU", "startupCpuMs", "ms"],
  ];
  for (const [what, key, unit] of lines) {
    const verdict = measured[key] <= budget[key] ? "within" : "EXCEEDS";
    console.log(
      `${what.padEnd(13)} ${measured[key].toFixed(1)} ${unit}, ${verdict} the budget of ${budget[key]} ${unit}`,
    );
  }
  return lines.every(([, key]) => measured[key] <= budget[key]);
}
