// Our product as one child process: scripts/start.ts runs the Worker in workerd and a gateway before it, prints one line
// of JSON when both are ready, and ends them with itself.
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Api } from "./api.ts";
import { Child, type Exit, isRunning } from "./child.ts";
import type { Environment } from "./command.ts";
import type { DerpRegion } from "./derper.ts";
import { freeLoopbackPort, freeUdpPort } from "./local-http.ts";
import type { Namespace } from "./netns.ts";
import { scratchDir } from "./run.ts";
import { until } from "./until.ts";

/** start.ts gives its parts 10 s before it kills them; killed itself, it would leave them behind. */
const stopMs = 45_000;

const root = resolve(import.meta.dirname, "../../..");

/** How to start it. Ports are free ones unless given. */
export interface FlarescaleOptions {
  /** Address to listen on: loopback, or the host's address on a `Network`. */
  readonly listen?: string;
  /** Name or address in its URLs; `listen` by default. */
  readonly hostname?: string;
  /** DERP map for the clients, instead of the one with our own relay. */
  readonly derpMap?: { readonly Regions: Readonly<Record<string, DerpRegion>> };
  /** Regions of our own (DERP_REGIONS), instead of the one that comes by itself. */
  readonly derpRegions?: readonly object[];
  readonly httpPort?: number;
  readonly httpsPort?: number;
  readonly workerPort?: number;
  /** UDP port of its STUN server, or false for none. */
  readonly stunPort?: number | false;
  /** State of an earlier run, to go on with. */
  readonly stateDir?: string;
  readonly namespace?: Namespace | undefined;
  readonly args?: readonly string[];
  readonly env?: Environment;
}

/** The line of JSON that start.ts prints when all is ready. */
export interface Ready {
  /** What clients take as --login-server: the gateway. */
  readonly controlUrl: string;
  /** The Worker itself, for WebSocket clients and tests that leave the gateway out. */
  readonly workerUrl: string;
  readonly apiUrl: string;
  /** A reusable auth key. */
  readonly authKey: string;
  readonly apiToken: string;
  /** Process ids of its parts. */
  readonly pids: readonly number[];
}

/** A running control plane. */
export interface Flarescale extends Ready {
  readonly api: Api;
  readonly stateDir: string;
  readonly child: Child;
  /** Ends it with SIGTERM. */
  stop(): Promise<Exit>;
  /** Ends it and all its parts at once, as a power cut would. */
  kill(): Promise<Exit>;
  /** Starts it again, after its end, with its state and on the same ports. */
  restart(): Promise<Flarescale>;
  /** Ends one part at once; start.ts then ends all the others. */
  killPart(part: "worker" | "gateway"): void;
}

/** Starts flarescale and waits until it is ready. */
export async function startFlarescale(options: FlarescaleOptions = {}): Promise<Flarescale> {
  const { listen = "127.0.0.1", namespace } = options;
  const ports = await portsOf(options);
  const stateDir = options.stateDir ?? scratchDir("flarescale");
  let ready: Ready | undefined;
  const child = new Child({
    name: "flarescale",
    namespace,
    cwd: root,
    deathSignal: "TERM",
    env: { HOME: stateDir, WRANGLER_SEND_METRICS: "false", DO_NOT_TRACK: "1", ...options.env },
    command: [
      process.execPath,
      resolve(root, "scripts/start.ts"),
      "--json",
      `--state=${stateDir}`,
      `--listen=${listen}`,
      `--http-port=${ports.httpPort}`,
      `--https-port=${ports.httpsPort}`,
      `--worker-port=${ports.workerPort}`,
      `--stun-port=${ports.stunPort || "off"}`,
      `--hostname=${options.hostname ?? listen}`,
      ...(options.derpMap ? [`--derp-map=${jsonFile(stateDir, "derp-map", options.derpMap)}`] : []),
      ...(options.derpRegions ? [`--derp-regions=${jsonFile(stateDir, "derp-regions", options.derpRegions)}`] : []),
      ...(options.args ?? []),
    ],
    onLine: (line) => {
      ready ??= JSON.parse(line) as Ready;
    },
  });
  const values = await child.until("ready", () => ready, { timeoutMs: 120_000 });
  return {
    ...values,
    api: new Api(`http://${listen}:${ports.workerPort}`, values.apiToken), // apiUrl may have a name for the clients only
    stateDir,
    child,
    stop: () => child.stop(stopMs),
    kill: () => killAll(child, values.pids),
    restart: () => startFlarescale({ ...options, ...ports, stateDir }),
    killPart: (part) => killProcess(pidOf(part, values.pids)),
  };
}

/** The ports asked for, or free ones: chosen here and not by the parts, so that a restart can have them again. */
async function portsOf(options: FlarescaleOptions) {
  return {
    httpPort: options.httpPort ?? (await freeLoopbackPort()),
    httpsPort: options.httpsPort ?? (await freeLoopbackPort()),
    workerPort: options.workerPort ?? (await freeLoopbackPort()),
    stunPort: options.stunPort ?? (await freeUdpPort()),
  };
}

function jsonFile(dir: string, name: string, content: object): string {
  const path = join(dir, `${name}.json`);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

async function killAll(child: Child, parts: readonly number[]): Promise<Exit> {
  const exit = await child.kill(); // first, so that it does not end them gently
  for (const pid of parts) killProcess(pid);
  await until("parts are gone", () => !parts.some(isRunning), { everyMs: 10 }); // and their ports are free again
  return exit;
}

function pidOf(part: "worker" | "gateway", pids: readonly number[]): number {
  const isGateway = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("agent/main.ts");
  const pid = pids.find((each) => isGateway(each) === (part === "gateway"));
  if (pid === undefined) throw new Error(`no ${part} among ${pids.join(", ")}`);
  return pid;
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended already
  }
}
