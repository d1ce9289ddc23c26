// The browser client: upstream's WASM module, run in Node by host.ts. It reaches the control server and the relays over
// WebSockets only, has no UDP, and can fetch through the tailnet but serves nothing.
import { join } from "node:path";
import { clientBinaries } from "../../../clients/build.ts";
import { Child, type Exit } from "../child.ts";
import type { Reply } from "../local-http.ts";
import type { Namespace } from "../netns.ts";
import { scratchDir } from "../run.ts";
import { unexpectedErrors } from "../tailscaled-log.ts";
import type { UntilOptions } from "../until.ts";
import type { Command, Config, HostEvent, WasmNetMap } from "./protocol.ts";

/** How to start a browser client. */
export interface WasmClientOptions {
  /** http://host:port, or https://host on port 443: the client ignores any other port of an https URL. */
  readonly controlUrl: string;
  readonly hostname: string;
  readonly authKey?: string;
  readonly namespace?: Namespace;
  /** State of an earlier client, to go on with. */
  readonly stateDir?: string;
  /** Certificates in PEM to trust for wss:// and https://, beside the usual ones. */
  readonly trust?: string | undefined;
  /** Environment of the Go program. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A running browser client. */
export class WasmClient {
  readonly child: Child;
  readonly stateDir: string;
  readonly #events: HostEvent[] = [];
  #lastId = 0;

  private constructor(child: (onLine: (line: string) => void) => Child, stateDir: string) {
    this.stateDir = stateDir;
    this.child = child((line) => this.#events.push(JSON.parse(line) as HostEvent));
  }

  /** Starts a client, which logs in at once. */
  static async start(options: WasmClientOptions): Promise<WasmClient> {
    const { wasm, wasmExec } = (await clientBinaries()).current;
    const { controlUrl, hostname, authKey, env, namespace } = options;
    const stateDir = options.stateDir ?? scratchDir("wasm");
    const statePath = join(stateDir, "state.json");
    const config: Config = { wasm, wasmExec, controlUrl, hostname, authKey, statePath, env };
    const start = (onLine: (line: string) => void) =>
      new Child({
        name: `wasm-${hostname}`,
        namespace,
        env: { NODE_EXTRA_CA_CERTS: options.trust },
        command: [process.execPath, join(import.meta.dirname, "host.ts"), JSON.stringify(config)],
        onLine,
      });
    return new WasmClient(start, stateDir);
  }

  /** The states that it went through, oldest first. */
  get states(): string[] {
    return this.#events.flatMap((event) => (event.event === "state" ? [event.state] : []));
  }

  /** What the module reported of its own crashes. */
  get panics(): string[] {
    return this.#events.flatMap((event) => (event.event === "panic" ? [event.error] : []));
  }

  /** The newest netmap. */
  get netMap(): WasmNetMap | undefined {
    return this.#events.findLast((event) => event.event === "netMap")?.netMap;
  }

  async untilState(state: string, options?: UntilOptions): Promise<void> {
    await this.child.until(`state ${state}`, () => this.states.at(-1) === state, options);
  }

  /** Waits until its netmap satisfies `test`, and returns it. */
  async untilNetMap(what: string, test: (netMap: WasmNetMap) => boolean, options?: UntilOptions): Promise<WasmNetMap> {
    return this.child.until(what, () => this.netMap && test(this.netMap) && this.netMap, options);
  }

  /** Waits for the URL at which the control server wants somebody to log in. */
  async loginUrl(options?: UntilOptions): Promise<string> {
    const event = await this.child.until(
      "login URL",
      () => this.#events.find((each) => each.event === "loginUrl"),
      options,
    );
    return event.url;
  }

  /** Fetches an http:// URL through the tailnet. */
  async fetch(url: string, timeoutMs = 30_000): Promise<Reply> {
    const id = ++this.#lastId;
    this.#send({ id, fetch: url });
    const answered = () => this.#events.find((event) => event.event === "fetched" && event.id === id);
    const event = await this.child.until(`reply of ${url}`, answered, { timeoutMs, everyMs: 20 });
    if (event.event !== "fetched") throw new Error("unreachable");
    if ("error" in event) throw new Error(`${this.child.name}: ${url}: ${event.error}`);
    return { status: event.status, body: event.body };
  }

  logout(): void {
    this.#send({ logout: true });
  }

  /** Lines of the log that look like errors and are not expected, see `Tailscaled.logErrors`. */
  logErrors(...expectedHere: readonly RegExp[]): string[] {
    return unexpectedErrors(this.child.log(), expectedHere);
  }

  async stop(graceMs?: number): Promise<Exit> {
    return this.child.stop(graceMs);
  }

  #send(command: Command): void {
    this.child.send(JSON.stringify(command));
  }
}
