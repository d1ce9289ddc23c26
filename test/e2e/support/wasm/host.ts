// The page that holds the browser client, without a browser: loads upstream's WASM module (cmd/tsconnect/wasm) in
// Node, which has the WebSocket, fetch and crypto that a browser has, and hides from Go that it is Node.
// Usage: node host.ts '<Config as JSON>'. Speaks JSON lines with client.ts; the log goes to standard error.
//
// It must be started by an absolute path: Go gives up fetch when process.argv0 begins with "node".
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Command, Config, HostEvent } from "./protocol.ts";

/** The object that newIPN() of the WASM module returns. */
interface Ipn {
  run(callbacks: {
    notifyState(state: string): void;
    notifyNetMap(netMap: string): void;
    notifyBrowseToURL(url: string): void;
    notifyPanicRecover(error: string): void;
  }): void;
  login(): void;
  logout(): void;
  fetch(url: string): Promise<{ status: number; text(): Promise<string> }>;
}

/** What wasm_exec.js defines, and what the module then adds. */
interface GoGlobals {
  Go: new () => { env: Record<string, string>; importObject: WebAssembly.Imports; run(i: WebAssembly.Instance): void };
  newIPN(config: object): Ipn;
}

const config = JSON.parse(process.argv[2] ?? "{}") as Config;
const page = globalThis as unknown as GoGlobals;

function emit(event: HostEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** Keeps the client's state in a file, as a page would in its local storage. */
function fileStorage(path: string) {
  const state = (existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {}) as Record<string, string>;
  return {
    getState: (id: string) => state[id] ?? "",
    setState(id: string, value: string) {
      state[id] = value;
      writeFileSync(path, JSON.stringify(state));
    },
  };
}

/** Keeps fetch on this machine: the client would upload its log to its vendor. */
function fenceFetch(): void {
  const realFetch = globalThis.fetch;
  const ours = new URL(config.controlUrl).hostname;
  globalThis.fetch = async (input, init) => {
    const { hostname } = new URL(input instanceof Request ? input.url : input);
    if (hostname === ours || /^(127|10)\.[\d.]+$/.test(hostname)) return realFetch(input, init);
    throw new TypeError(`the test page fetches nothing from ${hostname}`);
  };
}

async function load(): Promise<Ipn> {
  console.log = console.error; // Go's own output; standard output is for events
  fenceFetch();
  await import(config.wasmExec);
  const go = new page.Go();
  Object.assign(go.env, config.env);
  const { instance } = await WebAssembly.instantiate(readFileSync(config.wasm), go.importObject);
  go.run(instance);
  return page.newIPN({
    controlURL: config.controlUrl,
    hostname: config.hostname,
    stateStorage: fileStorage(config.statePath),
    ...(config.authKey && { authKey: config.authKey }),
  });
}

function start(ipn: Ipn): void {
  let hasLoggedIn = false;
  ipn.run({
    notifyState(state) {
      emit({ event: "state", state });
      if (state !== "NeedsLogin" || hasLoggedIn) return;
      hasLoggedIn = true; // login() also makes the client use its auth key
      ipn.login();
    },
    notifyNetMap: (netMap) => emit({ event: "netMap", netMap: JSON.parse(netMap) }),
    notifyBrowseToURL: (url) => emit({ event: "loginUrl", url }),
    notifyPanicRecover: (error) => emit({ event: "panic", error }),
  });
}

async function fetchThrough(ipn: Ipn, { id, fetch: url }: { id: number; fetch: string }): Promise<void> {
  try {
    const reply = await ipn.fetch(url);
    emit({ event: "fetched", id, status: reply.status, body: await reply.text() });
  } catch (error) {
    emit({ event: "fetched", id, error: String(error) });
  }
}

const ipn = await load();
start(ipn);
const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
lines.on("line", (line) => {
  const command = JSON.parse(line) as Command;
  if ("fetch" in command) void fetchThrough(ipn, command);
  else ipn.logout();
});
