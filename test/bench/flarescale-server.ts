// flarescale as `npm start` runs it, with two more gateways that do not hold back new bridges: the bench measures what
// they can do, not the limit that protects a Worker from a herd.
import { startFlarescale } from "../e2e/support/flarescale.ts";
import { startGateway } from "../e2e/support/gateway.ts";
import { freeLoopbackPort } from "../e2e/support/local-http.ts";
import type { BenchServer } from "./bench-server.ts";
import { Load } from "./load.ts";
import { isWorkerd, residentKb } from "./server-cost.ts";

/** Starts it with an empty tailnet. */
export async function startFlarescaleServer(loadBinary: string): Promise<BenchServer> {
  const flarescale = await startFlarescale();
  const { workerUrl, authKey, apiToken } = flarescale;
  const gateways = [await gatewayTo(workerUrl), await gatewayTo(workerUrl)];
  const urls = gateways.map(({ url }) => url);
  const processes = {
    server: flarescale.pids.filter(isWorkerd),
    gateways: gateways.map(({ gateway }) => gateway.child.pid),
  };
  const { publicKey } = (await (await fetch(`${workerUrl}/key?v=142`)).json()) as { publicKey: string };
  const load = Load.start(loadBinary, "load-flarescale", publicKey, authKey);
  const client = await flarescale.api.request<{ key: string }>("POST", "/tailnet/-/keys", {
    keyType: "client",
    scopes: ["devices:core:read"],
  });
  const header = { Authorization: `Bearer ${apiToken}`, "Content-Type": "application/json" };
  const api = `${workerUrl}/api/v2`;
  return {
    name: "flarescale",
    load,
    processes,
    ways: new Map([
      ["directly", [workerUrl.replace("http:", "ws:")]],
      ["through two gateways", urls],
      ["through one gateway", urls.slice(0, 1)],
    ]),
    emptyKb: { server: residentKb(processes.server), gateways: residentKb(processes.gateways) },
    setPolicy: (lastPort) => {
      const body = JSON.stringify({ grants: [{ src: ["*"], dst: ["*"], ip: [`tcp:1-${lastPort}`] }] });
      return { method: "POST", url: `${api}/tailnet/-/acl`, header, body };
    },
    defineTags: (tags) => ({
      method: "POST",
      url: `${api}/tailnet/-/acl`,
      header,
      body: JSON.stringify(withTags(tags)),
    }),
    getDevice: (id) => ({ method: "GET", url: `${api}/device/${id}`, header }),
    setTags: (id, tags) => ({
      method: "POST",
      url: `${api}/device/${id}/tags`,
      header,
      body: JSON.stringify({ tags }),
    }),
    requestToken: () => ({
      method: "POST",
      url: `${api}/oauth/token`,
      header: { "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ client_secret: client.key }).toString(),
    }),
    listDevices: () => ({ method: "GET", url: `${api}/tailnet/-/devices`, header }),
    deleteDevice: (id) => ({ method: "DELETE", url: `${api}/device/${id}`, header }),
    stop: async () => {
      await load.stop();
      for (const { gateway } of gateways) await gateway.kill();
      await flarescale.stop();
    },
  };
}

/** A policy that lets everybody reach everybody and knows tags of nobody. */
function withTags(tags: readonly string[]): object {
  const grants = [{ src: ["*"], dst: ["*"], ip: ["*"] }];
  return { tagOwners: Object.fromEntries(tags.map((tag) => [tag, ["autogroup:admin"]])), grants };
}

async function gatewayTo(upstream: string) {
  const httpPort = await freeLoopbackPort();
  const args = ["--dials-per-second=10000", "--drain-seconds=0"];
  const gateway = await startGateway({ upstream, listen: "127.0.0.1", httpPort, httpsPort: "off", args });
  return { gateway, url: `http://127.0.0.1:${httpPort}` };
}
