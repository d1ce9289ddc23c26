// A whole flarescale on one machine: the Worker in a plain workerd and, when wanted, a gateway in front of it.
// The gateway comes first, since the Worker is told the gateway's ports and certificate; it waits for the Worker.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ProcessGroup } from "../process-group.ts";
import { bundleWorker } from "../worker/worker-bundle.ts";
import { workerdConfig } from "../worker/workerd-config.ts";
import { startWorkerd } from "../worker/workerd-process.ts";
import { readWranglerSettings } from "../worker/wrangler-settings.ts";
import { choosePort, hostPort, origin, reachable } from "./address.ts";
import { type GatewayOptions, startGateway } from "./gateway-process.ts";
import { selfDerpMap } from "./self-derp-map.ts";
import { claimFolder, holdFolder, releaseFolder, type StateFolder } from "./state-folder.ts";

const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 20;

/** How a stack is laid out. Port 0 takes a free port. */
export interface StackOptions {
  readonly folder: StateFolder;
  /** Address that everything listens on. */
  readonly listen: string;
  /** Name or address under which clients reach it; stands in URLs and in the gateway's certificate. */
  readonly hostname: string;
  readonly workerPort: number;
  /** Ports of the gateway; null runs none. */
  readonly gateway: Pick<GatewayOptions, "httpPort" | "httpsPort" | "stunPort"> | null;
  /** Variables and secrets of the Worker; they win over wrangler.toml and over what the stack works out. */
  readonly vars: Readonly<Record<string, string>>;
}

/** Where a running stack is reached. */
export interface Stack {
  /** Origin of the Worker as this machine reaches it, whatever the host name is. */
  readonly localUrl: string;
  /** Origin of the Worker, for browsers, API clients and WASM clients. */
  readonly workerUrl: string;
  /** Origin that native clients take as login server: the gateway's, or the Worker's when there is no gateway. */
  readonly controlUrl: string;
  /** Ids of the processes that serve. */
  readonly pids: readonly number[];
}

/** Runs a stack until SIGINT, SIGTERM or SIGHUP ends it or one of its processes fails, and resolves with the exit code
 *  for that. `onReady` is called once, when the Worker answers; what it throws ends the stack too. */
export async function runStack(options: StackOptions, onReady: (stack: Stack) => Promise<void>): Promise<number> {
  claimFolder(options.folder);
  const processes = new ProcessGroup();
  const signal = firstSignal();
  const failure = processes.failure.then((how) => new Error(how));
  const run = startStack(processes, options).then(onReady);
  const end = await Promise.race([signal, failure, run.then(() => Promise.race([signal, failure]), asError)]);
  if (end instanceof Error) console.error(`flarescale: ${end.message}`);
  await processes.stop();
  releaseFolder(options.folder);
  return end instanceof Error ? 1 : 0;
}

function firstSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, resolve);
  return promise;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Builds the Worker and starts everything; resolves when the Worker answers. */
async function startStack(processes: ProcessGroup, options: StackOptions): Promise<Stack> {
  const { folder, listen, hostname } = options;
  const settings = readWranglerSettings();
  const workerPort = await choosePort(listen, options.workerPort);
  const localUrl = origin("http", reachable(listen), workerPort);
  const [gateway] = await Promise.all([
    options.gateway &&
      startGateway(processes, { upstream: localUrl, listen, hostname, ...options.gateway, state: folder.gateway }),
    bundleWorker(settings.main, folder.bundle),
    writeFile(folder.config, workerdConfig(settings, path.basename(folder.bundle))),
  ]);
  const workerUrl = origin("http", hostname, workerPort);
  const controlUrl = gateway ? origin("http", hostname, gateway.httpPort) : workerUrl;
  await startWorkerd(processes, {
    config: folder.config,
    address: hostPort(listen, workerPort),
    state: folder.worker,
    vars: {
      ...settings.vars,
      PUBLIC_URL: workerUrl,
      CONTROL_URL: controlUrl,
      ...(gateway && { DERP_MAP: selfDerpMap(hostname, gateway) }),
      ...options.vars,
    },
  });
  holdFolder(folder, [process.pid, ...processes.pids]);
  await answers(`${localUrl}/health`);
  return { localUrl, workerUrl, controlUrl, pids: processes.pids };
}

/** Waits until the URL answers with success. @throws with the last reason when it does not in time. */
async function answers(url: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const refusal = await fetch(url).then(
      (response) => (response.ok ? null : `status ${response.status}`),
      (error: Error) => `${error.message}: ${(error.cause as Error | undefined)?.message ?? ""}`,
    );
    if (refusal === null) return;
    if (Date.now() > deadline) throw new Error(`no answer from ${url}: ${refusal}`);
    await sleep(READY_POLL_MS);
  }
}
