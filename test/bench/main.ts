// `npm run bench`: measures flarescale as `npm start` runs it, on loopback, with scripted nodes (fleet.ts).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runCommand, UsageError } from "../../scripts/command-line.ts";
import { startFlarescale } from "../e2e/support/flarescale.ts";
import { fetchServerKey } from "../e2e/support/scripted-node.ts";
import { Fleet } from "./fleet.ts";
import { toJson, toTable } from "./report.ts";
import { type Figures, measure } from "./rows.ts";
import { machine, residentKb, serverProcesses } from "./server-cost.ts";

const HELP = `Measures flarescale as npm start runs it, on loopback.

Usage: npm run bench -- [options]

  --nodes COUNTS   sizes of the tailnet, rising, separated by commas (default 100,300)
  --via PATH       "gateway" (default), or "worker": by WebSocket, without the gateway
  --json           print one line of JSON instead of a table
  --help           this text
`;

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      nodes: { type: "string", default: "100,300" },
      via: { type: "string", default: "gateway" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const result = {
    machine: machine(),
    versions: { node: process.versions.node, workerd: workerdVersion() },
    figures: await run(sizes(values.nodes), path(values.via)),
  };
  process.stdout.write(`${values.json ? toJson(result) : toTable(result)}\n`);
  return 0;
});

async function run(counts: readonly number[], via: "gateway" | "worker"): Promise<Map<number, Figures>> {
  const flarescale = await startFlarescale();
  try {
    const { api, authKey, controlUrl, workerUrl, pids } = flarescale;
    const url = via === "gateway" ? controlUrl : workerUrl;
    const fleet = new Fleet({ url, via, serverPublicKey: await fetchServerKey(workerUrl) }, authKey);
    const processes = serverProcesses(pids);
    const emptyKb = { worker: residentKb(processes.worker), gateway: residentKb(processes.gateway) };
    const figures = new Map<number, Figures>();
    for (const count of counts) {
      console.error(`bench: ${count} nodes`);
      figures.set(count, await measure({ api, fleet, processes, emptyKb }, count));
    }
    for (const { node } of fleet.members) node.disconnect();
    return figures;
  } finally {
    await flarescale.stop();
  }
}

function sizes(text: string): number[] {
  const counts = text.split(",").map(Number);
  const isRising = counts.every((count, i) => Number.isInteger(count) && count > (counts[i - 1] ?? 20));
  if (!isRising) throw new UsageError("--nodes wants rising numbers above 20, separated by commas");
  return counts;
}

function path(text: string): "gateway" | "worker" {
  if (text === "gateway" || text === "worker") return text;
  throw new UsageError('--via wants "gateway" or "worker"');
}

function workerdVersion(): string {
  const modules = join(import.meta.dirname, "../../node_modules");
  const manifest = readFileSync(join(modules, "workerd", "package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
