// flarescale as `npm start` runs it, with two more gateways that do not hold back new bridges: the bench measures what
// they can do, not the limit that protects a Worker from a herd.
import { randomBytes } from "node:crypto";
import { convertHeadscale } from "../../agent/transfer/headscale/convert.ts";
import type { HeadscaleRows } from "../../agent/transfer/headscale/read-database.ts";
import { sendImport } from "../../agent/transfer/rest-api.ts";
import { type Flarescale, startFlarescale } from "../e2e/support/flarescale.ts";
import { startGateway } from "../e2e/support/gateway.ts";
import { freeLoopbackPort } from "../e2e/support/local-http.ts";
import { federatedIdentity } from "./api/token-exchange.ts";
import { type BenchServer, deviceCalls } from "./bench-server.ts";
import { Load } from "./load.ts";
import { isWorkerd, residentKb, usedGateways } from "./server-cost.ts";

/** Starts it with an empty tailnet. */
export async function startFlarescaleServer(loadBinary: string): Promise<BenchServer> {
  const flarescale = await startFlarescale();
  const gateways = [await gatewayTo(flarescale.workerUrl), await gatewayTo(flarescale.workerUrl)];
  return await benchServer(flarescale, { loadBinary, authKey: flarescale.authKey, gateways });
}

/** Starts it with the devices of a headscale database; nodes reach it without a gateway. */
export async function startImportedServer(loadBinary: string, rows: HeadscaleRows): Promise<BenchServer> {
  const flarescale = await startFlarescale();
  const { text } = convertHeadscale(rows, {
    noiseKey: `privkey:${randomBytes(32).toString("hex")}`,
    owner: undefined,
    loginDomain: "headscale.invalid",
    now: Date.now(),
  });
  await sendImport({ server: flarescale.workerUrl, token: flarescale.apiToken }, text);
  const { key: authKey } = await flarescale.api.createAuthKey({ reusable: true, preauthorized: true });
  return await benchServer(flarescale, { loadBinary, authKey, gateways: [] });
}

interface BenchOptions {
  readonly loadBinary: string;
  readonly authKey: string;
  readonly gateways: readonly Awaited<ReturnType<typeof gatewayTo>>[];
}

async function benchServer(
  flarescale: Flarescale,
  { loadBinary, authKey, gateways }: BenchOptions,
): Promise<BenchServer> {
  const { workerUrl, apiToken } = flarescale;
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
      ...(urls.length === 0
        ? []
        : ([
            ["through two gateways", urls],
            ["through one gateway", urls.slice(0, 1)],
          ] as const)),
    ]),
    emptyKb: { server: residentKb(processes.server), usedGateway: residentKb(usedGateways(processes)) },
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
    ...deviceCalls(api, header, client.key),
    exchangeToken: await federatedIdentity(flarescale.api, api),
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
