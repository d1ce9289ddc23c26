// The Worker and the gateway as two processes that can be killed and started one by one, each as a person who hosts
// flarescale starts it: `npm run serve` and `flarescale gateway`. Ports, certificate and state stay from start to start.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { administratorToken, createAuthKey } from "../../../../scripts/stack/first-administrator.ts";
import { selfDerpMap } from "../../../../scripts/stack/self-derp-map.ts";
import { openStateFolder, readCredentials, type StateFolder } from "../../../../scripts/stack/state-folder.ts";
import { Api } from "../api.ts";
import { Child, isRunning } from "../child.ts";
import { freeLoopbackPort } from "../local-http.ts";
import { scratchDir } from "../run.ts";
import { fetchServerKey } from "../scripted-node.ts";
import { until } from "../until.ts";

const root = resolve(import.meta.dirname, "../../../..");

/** What can be killed. */
export type Part = "worker" | "gateway";

interface GatewayAddress {
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly stunPort?: number;
  readonly certSha256: string;
}

/** A control plane in two processes. */
export class Parts {
  readonly api: Api;
  readonly authKey: string;
  readonly controlUrl: string;
  readonly workerUrl: string;
  readonly folder: StateFolder;
  readonly serverPublicKey: Uint8Array;
  readonly #processes: Processes;

  private constructor(processes: Processes, known: { apiToken: string; authKey: string; serverPublicKey: Uint8Array }) {
    this.#processes = processes;
    this.controlUrl = processes.controlUrl;
    this.workerUrl = processes.workerUrl;
    this.folder = processes.folder;
    this.authKey = known.authKey;
    this.serverPublicKey = known.serverPublicKey;
    this.api = new Api(processes.workerUrl, known.apiToken);
  }

  /** Starts both and waits until the Worker answers. @param listen address for everything */
  static async start(listen: string): Promise<Parts> {
    const processes = new Processes(listen, await freeLoopbackPort());
    await processes.startGateway();
    await processes.startWorker(root);
    const { workerUrl, folder } = processes;
    const apiToken = await administratorToken(workerUrl, folder);
    const authKey = await createAuthKey(workerUrl, apiToken, folder);
    return new Parts(processes, { apiToken, authKey, serverPublicKey: await fetchServerKey(workerUrl) });
  }

  /** Ends parts with SIGKILL, all at the same moment; returns when they are gone. */
  async kill(parts: readonly Part[]): Promise<void> {
    await Promise.all(parts.map((part) => this.#processes.kill(part)));
  }

  /** Ports and certificate of the gateway. */
  get gatewayAddress(): GatewayAddress {
    return this.#processes.gatewayAddress;
  }

  /** The gateway's certificate in PEM, for clients that check it. */
  get certificatePath(): string {
    return join(this.folder.gateway, "gateway-tls.pem");
  }

  /** Starts what is not running, from the repository or another tree; waits until both answer. */
  async start(tree = root): Promise<void> {
    await Promise.all([this.#processes.startGateway(), this.#processes.startWorker(tree)]);
  }

  /** Ends the Worker with SIGTERM, as a deployment does. */
  async stopWorker(): Promise<void> {
    await this.#processes.worker?.stop();
  }

  /** Ends everything with SIGTERM. */
  async stop(): Promise<void> {
    await this.#processes.gateway?.stop();
    await this.stopWorker();
  }
}

/** The processes themselves. */
class Processes {
  worker: Child | undefined;
  gateway: Child | undefined;
  readonly folder = openStateFolder(scratchDir("crash"));
  readonly workerUrl: string;
  #address: GatewayAddress | undefined;
  readonly #listen: string;
  readonly #workerPort: number;

  constructor(listen: string, workerPort: number) {
    this.#listen = listen;
    this.#workerPort = workerPort;
    this.workerUrl = `http://${listen}:${workerPort}`;
  }

  get controlUrl(): string {
    return `http://${this.#listen}:${this.gatewayAddress.httpPort}`;
  }

  async startGateway(): Promise<void> {
    if (this.gateway?.isRunning) return;
    let line: string | undefined;
    const ports = this.#address ?? { httpPort: 0, httpsPort: 0, stunPort: 0 };
    this.gateway = new Child({
      name: "gateway",
      onLine: (text) => {
        line ??= text;
      },
      command: [
        process.execPath,
        join(root, "agent/main.ts"),
        "gateway",
        `--upstream=${this.workerUrl}`,
        `--listen=${this.#listen}`,
        `--name=${this.#listen}`,
        `--http-port=${ports.httpPort}`,
        `--https-port=${ports.httpsPort}`,
        `--stun-port=${ports.stunPort}`,
        `--state=${this.folder.gateway}`,
        "--drain-seconds=0",
        "--json",
      ],
    });
    this.#address = JSON.parse(await this.gateway.until("listening", () => line, { everyMs: 10 })) as GatewayAddress;
  }

  async startWorker(tree: string): Promise<void> {
    if (this.worker?.isRunning) return;
    this.worker = new Child({
      name: "worker",
      deathSignal: "TERM",
      cwd: tree,
      env: {
        HOME: this.folder.root,
        BOOTSTRAP_SECRET: readCredentials(this.folder).bootstrapSecret,
        PUBLIC_URL: this.workerUrl,
        CONTROL_URL: this.controlUrl,
        DERP_MAP: selfDerpMap(this.#listen, this.gatewayAddress),
      },
      command: [
        process.execPath,
        join(tree, "scripts/serve.ts"),
        `--listen=${this.#listen}`,
        `--hostname=${this.#listen}`,
        `--port=${this.#workerPort}`,
        `--state=${this.folder.root}`,
      ],
    });
    await this.worker.until("answers", async () => (await fetch(`${this.workerUrl}/health`)).ok, { everyMs: 20 });
  }

  async kill(part: Part): Promise<void> {
    const child = this[part];
    if (!child?.isRunning) throw new Error(`the ${part} does not run`);
    if (part === "gateway") {
      await child.kill();
      return;
    }
    const workerd = workerdOf(child.pid);
    process.kill(workerd, "SIGKILL");
    await until("workerd is gone", () => !isRunning(workerd), { everyMs: 5 });
    await child.exited; // serve ends with its workerd
  }

  get gatewayAddress(): GatewayAddress {
    if (this.#address === undefined) throw new Error("the gateway has not started yet");
    return this.#address;
  }
}

/** The workerd among the children of `serve`, which has kept its bundler too. */
function workerdOf(serve: number): number {
  const children = readFileSync(`/proc/${serve}/task/${serve}/children`, "utf8").split(" ").filter(Boolean);
  const workerd = children.find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "workerd");
  if (workerd === undefined) throw new Error("serve has no workerd");
  return Number(workerd);
}
