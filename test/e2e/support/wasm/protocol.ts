// The JSON lines between the browser client's host process (host.ts) and the test that started it (client.ts).

/** How the host is started. */
export interface Config {
  readonly wasm: string;
  readonly wasmExec: string;
  readonly controlUrl: string;
  readonly hostname: string;
  readonly authKey?: string | undefined;
  /** File that holds the client's state. */
  readonly statePath: string;
  /** Environment of the Go program (TS_DEBUG_USE_DERP_HTTP and the like). */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** One node of the netmap as the browser client shows it. */
export interface WasmNode {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly machineKey: string;
  readonly nodeKey: string;
}

/** The netmap as the browser client shows it. */
export interface WasmNetMap {
  readonly self: WasmNode & { readonly machineStatus: string };
  readonly peers: readonly (WasmNode & { readonly online?: boolean; readonly tailscaleSSHEnabled: boolean })[];
  readonly lockedOut: boolean;
}

/** From the host. */
export type HostEvent =
  | { readonly event: "state"; readonly state: string }
  | { readonly event: "netMap"; readonly netMap: WasmNetMap }
  | { readonly event: "loginUrl"; readonly url: string }
  | { readonly event: "panic"; readonly error: string }
  | { readonly event: "fetched"; readonly id: number; readonly status: number; readonly body: string }
  | { readonly event: "fetched"; readonly id: number; readonly error: string };

/** To the host. */
export type Command = { readonly id: number; readonly fetch: string } | { readonly logout: true };
