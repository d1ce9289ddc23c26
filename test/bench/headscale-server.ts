// A headscale binary with a configuration of its own: SQLite, policy in the database, a local DERP map, quiet. It
// contacts nobody. docs/performance.md says how to build one.

import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Child } from "../e2e/support/child.ts";
import { minimalEnvironment } from "../e2e/support/command.ts";
import { freeLoopbackPort } from "../e2e/support/local-http.ts";
import { scratchDir } from "../e2e/support/run.ts";
import { addDevices } from "./api/devices.ts";
import { type BenchServer, deviceCalls } from "./bench-server.ts";
import type { HeapSubject } from "./idle/heap-rows.ts";
import { Load } from "./load.ts";
import { residentKb } from "./server-cost.ts";

const run = promisify(execFile);

/** It works out who sees whom when it starts, which takes long with thousands of nodes. */
const START_MS = 120_000;
const EVERYBODY = [{ src: ["*"], dst: ["*"], ip: ["*"] }];

/** Starts it with one user. @param devices nodes that it knows from before @throws Error when the binary is not headscale */
export async function startHeadscaleServer(
  binary: string,
  loadBinary: string,
  devices = 0,
): Promise<BenchServer & Pick<HeapSubject, "heapKb">> {
  const dir = scratchDir("headscale");
  const config = join(dir, "config.yaml");
  const port = await freeLoopbackPort();
  const url = `http://127.0.0.1:${port}`;
  const metricsPort = await freeLoopbackPort();
  writeFileSync(config, configuration(dir, port, metricsPort));
  writeFileSync(join(dir, "derp.yaml"), DERP_MAP);
  const start = async () => {
    const started = new Child({ name: "headscale", command: [binary, "serve", "-c", config], env: { HOME: dir } });
    await started.until("answers", async () => (await fetch(`${url}/health`)).ok, { timeoutMs: START_MS });
    return started;
  };
  let child = await start();
  const cli = async (...args: string[]) => {
    const options = { env: { ...minimalEnvironment(), HOME: dir } };
    return JSON.parse((await run(binary, [...args, "-c", config, "-o", "json"], options)).stdout) as unknown;
  };
  const user = (await cli("users", "create", "bench")) as { id: string | number };
  const { key } = (await cli("preauthkeys", "create", "-u", String(user.id), "--reusable", "-e", "24h")) as {
    key: string;
  };
  const token = (await cli("apikeys", "create", "-e", "24h")) as string | { key: string };
  if (devices > 0) {
    await child.stop();
    addDevices(join(dir, "db.sqlite"), devices);
    child = await start();
  }
  const { publicKey } = (await (await fetch(`${url}/key?v=142`)).json()) as { publicKey: string };
  const load = Load.start(loadBinary, "load-headscale", publicKey, key);
  const processes = { server: [child.pid], gateways: [] };
  const bearer = typeof token === "string" ? token : token.key;
  const header = { Authorization: `Bearer ${bearer}`, "Content-Type": "application/json" };
  const api = `${url}/api/v2`; // the same calls as ours; users and pre-auth keys are not in it
  const secret = await clientSecret(api, header);
  return {
    name: "headscale",
    load,
    processes,
    ways: new Map([["directly", [url]]]),
    emptyKb: { server: residentKb(processes.server), usedGateway: 0 },
    heapKb: () => goHeapKb(`http://127.0.0.1:${metricsPort}`),
    setPolicy: (lastPort) => {
      const policy = JSON.stringify({ grants: [{ src: ["*"], dst: ["*"], ip: [`tcp:1-${lastPort}`] }] });
      return { method: "PUT", url: `${url}/api/v1/policy`, header, body: JSON.stringify({ policy }) };
    },
    defineTags: (tags) => {
      const policy = { tagOwners: Object.fromEntries(tags.map((tag) => [tag, ["bench@"]])), grants: EVERYBODY };
      return {
        method: "PUT",
        url: `${url}/api/v1/policy`,
        header,
        body: JSON.stringify({ policy: JSON.stringify(policy) }),
      };
    },
    ...deviceCalls(api, header, secret),
    stop: async () => {
      await load.stop();
      await child.kill();
    },
  };
}

/** One of its own whose heap can be told. */
export async function startHeadscaleHeap(binary: string, loadBinary: string): Promise<HeapSubject> {
  const server = await startHeadscaleServer(binary, loadBinary);
  const { load, ways, heapKb } = server;
  return { load, urls: ways.get("directly") ?? [], heapKb, stop: () => server.stop() };
}

/** The Go heap after a collection: objects alone, as V8 tells it too; no free places between them, no stacks and no code. */
async function goHeapKb(metrics: string): Promise<number> {
  for (let n = 0; n < 2; n++) await (await fetch(`${metrics}/debug/gc`)).text(); // finalizers run after the first
  const text = await (await fetch(`${metrics}/metrics`)).text();
  return Number(/^go_memstats_heap_alloc_bytes (\S+)$/m.exec(text)?.[1]) / 1_024;
}

async function clientSecret(api: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const body = JSON.stringify({ keyType: "client", scopes: ["devices:core:read"], tags: [], description: "bench" });
  const response = await fetch(`${api}/tailnet/-/keys`, { method: "POST", headers, body });
  if (!response.ok) throw new Error(`headscale made no OAuth client: ${await response.text()}`);
  return ((await response.json()) as { key: string }).key;
}

/** Version that the binary tells. */
export async function headscaleVersion(binary: string): Promise<string> {
  const { stdout } = await run(binary, ["version"], { env: { ...minimalEnvironment(), HOME: scratchDir("version") } });
  const version = /headscale version (\S+)/.exec(stdout)?.[1] ?? "of unknown version";
  const commit = /commit: ([0-9a-f]{7})/.exec(stdout)?.[1];
  return commit === undefined ? version : `${version} ${commit}`;
}

/** Defaults where they do not matter; a quiet log and no outside contact everywhere. */
function configuration(dir: string, port: number, metricsPort: number): string {
  return `
server_url: http://127.0.0.1:${port}
listen_addr: 127.0.0.1:${port}
metrics_listen_addr: 127.0.0.1:${metricsPort}
grpc_listen_addr: 127.0.0.1:0
noise: { private_key_path: ${dir}/noise.key }
prefixes: { v4: 100.64.0.0/10, v6: "fd7a:115c:a1e0::/48", allocation: sequential }
derp:
  server: { enabled: false }
  urls: []
  paths: [${dir}/derp.yaml]
  auto_update_enabled: false
disable_check_updates: true
database:
  type: sqlite
  gorm: { prepare_stmt: true, parameterized_queries: true, skip_err_record_not_found: true }
  sqlite: { path: ${dir}/db.sqlite, write_ahead_log: true, wal_autocheckpoint: 1000 }
log: { level: error, format: text }
policy: { mode: database }
dns: { magic_dns: true, base_domain: bench.internal, override_local_dns: false }
unix_socket: ${dir}/headscale.sock
unix_socket_permission: "0700"
logtail: { enabled: false }
`;
}

const DERP_MAP = `
regions:
  1:
    regionid: 1
    regioncode: bench
    regionname: Bench
    nodes:
      - { name: 1a, regionid: 1, hostname: relay.invalid, ipv4: 127.0.0.1, stunport: -1, derpport: 1 }
`;
