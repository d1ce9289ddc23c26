// A plain workerd whose isolate can be looked into, with the bench's load on it and no gateway.
import { mkdirSync, writeFileSync } from "node:fs";
import { administratorToken, createAuthKey } from "../../../scripts/stack/first-administrator.ts";
import { openStateFolder, readCredentials } from "../../../scripts/stack/state-folder.ts";
import { bundleWorker } from "../../../scripts/worker/worker-bundle.ts";
import { DISK_NAME, SOCKET_NAME, workerdConfig } from "../../../scripts/worker/workerd-config.ts";
import { workerdBinary } from "../../../scripts/worker/workerd-process.ts";
import { readWranglerSettings } from "../../../scripts/worker/wrangler-settings.ts";
import { Child } from "../../e2e/support/child.ts";
import { freeLoopbackPort } from "../../e2e/support/local-http.ts";
import { scratchDir } from "../../e2e/support/run.ts";
import { Load } from "../load.ts";

/** The inspector of the Worker's isolate. */
export class Inspector {
  readonly #socket: WebSocket;
  #last = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Connects to the first isolate. */
  static async open(port: number): Promise<Inspector> {
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as { webSocketDebuggerUrl: string }[];
    const socket = new WebSocket(targets[0]?.webSocketDebuggerUrl ?? "");
    await new Promise((opened, failed) => {
      socket.addEventListener("open", opened, { once: true });
      socket.addEventListener("error", () => failed(new Error("inspector does not answer")), { once: true });
    });
    return new Inspector(socket);
  }

  /** Calls a method of the protocol (https://chromedevtools.github.io/devtools-protocol/v8/) and waits for its result. */
  async call<T>(method: string, params = {}): Promise<T> {
    this.#last += 1;
    const id = this.#last;
    const { promise, resolve } = Promise.withResolvers<T>();
    const listener = (event: MessageEvent) => {
      const message = JSON.parse(String(event.data)) as { id?: number; result: T };
      if (message.id !== id) return;
      this.#socket.removeEventListener("message", listener);
      resolve(message.result);
    };
    this.#socket.addEventListener("message", listener);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return await promise;
  }
}

/** How its objects are kept. */
export interface InspectedOptions {
  /** Evicts objects that are quiet for ten seconds, as Cloudflare does. */
  readonly evicts?: boolean;
}

/** Starts workerd with its inspector open on loopback, an empty tailnet and the load program. */
export async function startInspected(loadBinary: string, { evicts = false }: InspectedOptions = {}) {
  const folder = openStateFolder(scratchDir("inspected"));
  const settings = readWranglerSettings();
  const [port, inspectorPort] = [await freeLoopbackPort(), await freeLoopbackPort()];
  mkdirSync(folder.worker, { recursive: true });
  await bundleWorker(settings.main, folder.bundle);
  const config = workerdConfig(settings, "worker.js");
  writeFileSync(
    folder.config,
    evicts ? config.replaceAll("preventEviction = true", "preventEviction = false") : config,
  );
  const url = `http://127.0.0.1:${port}`;
  const command = [
    ...[workerdBinary(), "serve", `--inspector-addr=127.0.0.1:${inspectorPort}`],
    ...[`--socket-addr=${SOCKET_NAME}=127.0.0.1:${port}`, `--directory-path=${DISK_NAME}=${folder.worker}`],
    folder.config,
  ];
  const secret = { BOOTSTRAP_SECRET: readCredentials(folder).bootstrapSecret };
  const env = { ...settings.vars, ...secret, PUBLIC_URL: url, CONTROL_URL: url };
  const child = new Child({ name: "workerd-inspected", command, env });
  await child.until("answers", async () => (await fetch(`${url}/health`)).ok);
  const token = await administratorToken(url, folder);
  const authKey = await createAuthKey(url, token, folder);
  const { publicKey } = (await (await fetch(`${url}/key?v=142`)).json()) as { publicKey: string };
  const load = Load.start(loadBinary, "load-inspected", publicKey, authKey);
  return { child, load, url, token, inspector: await Inspector.open(inspectorPort) };
}
