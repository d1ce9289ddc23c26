// The policy engine by itself, in Node and inside workerd, on tailnets of 200 users, 500 rules and 50 tags. No clock moves
// inside workerd while it works: work is asked for over HTTP, and the CPU time of the process is read from outside.
//
//   node test/bench/policy/policy.bench.ts [--write] [nodes…]
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { preciseCpuMs } from "../../../scripts/processor-time.ts";
import { bundleWorker } from "../../../scripts/worker/worker-bundle.ts";
import { workerdBinary } from "../../../scripts/worker/workerd-process.ts";
import { readWranglerSettings } from "../../../scripts/worker/wrangler-settings.ts";
import { Child } from "../../e2e/support/child.ts";
import { freeLoopbackPort } from "../../e2e/support/local-http.ts";
import { scratchDir } from "../../e2e/support/run.ts";
import { type PolicyFigures, policyTable, writePolicy } from "../report.ts";
import type { Figures } from "../row.ts";
import { residentKb } from "../server-cost.ts";
import { measureWork } from "./measure.ts";

const COUNTS = [100, 1_000, 10_000];

/** Runs the bench for each number of nodes. */
export async function benchPolicy(counts: readonly number[] = COUNTS): Promise<PolicyFigures> {
  const bundle = await bundledWorker();
  const figures = new Map<number, { readonly node: Figures; readonly workerd: Figures }>();
  for (const count of counts)
    figures.set(count, { node: await inNode(count), workerd: await inWorkerd(bundle, count) });
  return figures;
}

async function inNode(count: number): Promise<Figures> {
  const script = join(import.meta.dirname, "in-node.ts");
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", script, String(count)]);
  return JSON.parse(stdout) as Figures;
}

/** @returns the configuration file for workerd, beside the bundle that it names */
async function bundledWorker(): Promise<string> {
  const folder = scratchDir("policy-bench");
  await bundleWorker(join(import.meta.dirname, "bench-worker.ts"), join(folder, "worker.js"));
  const config = join(folder, "workerd.capnp");
  const { compatibilityDate } = readWranglerSettings();
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "bench", worker = (
    modules = [(name = "worker.js", esModule = embed "worker.js")],
    compatibilityDate = "${compatibilityDate}",
  ))],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "bench")],
);
`,
  );
  return config;
}

async function inWorkerd(config: string, count: number): Promise<Figures> {
  const port = await freeLoopbackPort();
  const command = [workerdBinary(), "serve", `--socket-addr=http=127.0.0.1:${port}`, config];
  const child = new Child({ name: "policy-bench-workerd", command });
  try {
    const url = `http://127.0.0.1:${port}`;
    await child.until("answers", async () => (await fetch(url)).status === 400);
    const emptyKb = residentKb([child.pid]);
    const figures = await measureWork(async (work, times) => {
      const before = preciseCpuMs(child.pid);
      const answer = await fetch(`${url}/?nodes=${count}&work=${work}&times=${times}`);
      const text = await answer.text();
      if (!answer.ok) throw new Error(`workerd answered ${answer.status}: ${text}`);
      return preciseCpuMs(child.pid) - before;
    });
    return { ...figures, "memory after all of it: MB": (residentKb([child.pid]) - emptyKb) / 1_000 };
  } finally {
    await child.kill();
  }
}

if (import.meta.main) {
  const [first, ...rest] = process.argv.slice(2);
  const isWritten = first === "--write";
  const counts = (isWritten ? rest : process.argv.slice(2)).map(Number);
  const figures = await benchPolicy(counts.length > 0 ? counts : COUNTS);
  console.log(policyTable(figures));
  if (isWritten) writePolicy(figures);
  process.exit(0);
}
