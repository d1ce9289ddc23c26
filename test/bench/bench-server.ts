// What the bench needs of a server that it measures.
import type { ApiRequest, Load } from "./load.ts";
import type { ServerProcesses } from "./server-cost.ts";

/** A running server and the load on it. */
export interface BenchServer {
  readonly name: "flarescale" | "headscale";
  readonly load: Load;
  readonly processes: ServerProcesses;
  /** Origins that the fleet uses, in turn, by the name of the way; the last way is the usual one. */
  readonly ways: ReadonlyMap<string, readonly string[]>;
  /** Memory before the first node. */
  readonly emptyKb: { readonly server: number; readonly usedGateway: number };
  /** Puts a policy that lets everybody reach the TCP ports from 1 to `lastPort` of everybody. */
  setPolicy(lastPort: number): ApiRequest;
  /** Puts a policy that lets everybody reach everybody and knows these tags. */
  defineTags(tags: readonly string[]): ApiRequest;
  listDevices(): ApiRequest;
  getDevice(id: number): ApiRequest;
  setTags(id: number, tags: readonly string[]): ApiRequest;
  /** Asks for an access token with a client's secret. */
  requestToken(): ApiRequest;
  /** Exchanges a token of another issuer for an access token; absent where there is no such call. */
  readonly exchangeToken?: () => Promise<ApiRequest>;
  deleteDevice(id: number): ApiRequest;
  stop(): Promise<void>;
}

/** Calls that both servers have. @param api URL with `/api/v2` @param secret of an OAuth client */
export function deviceCalls(
  api: string,
  header: ApiRequest["header"],
  secret: string,
): Pick<BenchServer, "listDevices" | "getDevice" | "setTags" | "requestToken" | "deleteDevice"> {
  return {
    listDevices: () => ({ method: "GET", url: `${api}/tailnet/-/devices`, header }),
    getDevice: (id) => ({ method: "GET", url: `${api}/device/${id}`, header }),
    setTags: (id, tags) => {
      return { method: "POST", url: `${api}/device/${id}/tags`, header, body: JSON.stringify({ tags }) };
    },
    requestToken: () => ({
      method: "POST",
      url: `${api}/oauth/token`,
      header: { "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ client_secret: secret }).toString(),
    }),
    deleteDevice: (id) => ({ method: "DELETE", url: `${api}/device/${id}`, header }),
  };
}
