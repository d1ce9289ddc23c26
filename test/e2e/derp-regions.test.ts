// Several relay regions in one tailnet, with real clients: two of ours behind one gateway, told apart by host name, and a
// stock derper beside them that asks us whom to admit. Nothing goes directly here.
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { type Derper, startDerper } from "./support/derper.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { freeLoopbackPort, freeUdpPort } from "./support/local-http.ts";
import { createNetwork, type Network } from "./support/netns.ts";
import { Tailscaled } from "./support/tailscaled.ts";
import { until } from "./support/until.ts";
import { startWebServer } from "./support/web-server.ts";

let network: Network;
let derper: Derper;
let flarescale: Flarescale;
/** Nodes whose home is the region of that code. */
const nodes: Record<string, Tailscaled> = {};

beforeAll(async () => {
  await clientBinaries();
  network = await createNetwork();
  const [httpsPort, workerPort] = [await freeLoopbackPort(), await freeLoopbackPort()];
  // Every region answers STUN: one that does not would have no latency beside others that do, and where none does clients
  // wait for UDP before they measure by HTTPS.
  const stunPort = await freeUdpPort();
  derper = await startDerper({
    address: network.hostAddress,
    verifyClientUrl: `http://${network.hostAddress}:${workerPort}/verify`,
  });
  flarescale = await startFlarescale({
    listen: network.hostAddress,
    httpsPort,
    workerPort,
    stunPort,
    derpRegions: [ours(901, "east", httpsPort, stunPort), ours(902, "west", httpsPort, stunPort)],
    derpMap: { Regions: { 905: derper.region(905, "stock") } },
  });
  const homes = Object.entries({ east: 901, west: 902, stock: 905 });
  await Promise.all(homes.map(async ([code, region]) => (nodes[code] = await join(code, region))));
}, 120_000);

afterAll(async () => {
  await Promise.all(Object.values(nodes).map((node) => node.stop()));
  await flarescale?.stop();
  await derper?.stop();
  await network?.close();
});

function ours(id: number, code: string, port: number, stunPort: number): object {
  const address = { IPv4: network.hostAddress, IPv6: "none" };
  const node = {
    HostName: `derp-${code}.example.com`,
    ...address,
    DERPPort: port,
    STUNPort: stunPort,
    InsecureForTests: true,
  };
  return { id, code, locationHint: "weur", nodes: [node] };
}

async function join(code: string, region: number): Promise<Tailscaled> {
  const namespace = await network.attach(code);
  const node = await Tailscaled.start({
    hostname: `home-${code}`,
    namespace,
    mode: "tun",
    env: { TS_DEBUG_ALWAYS_USE_DERP: "true" },
  });
  await node.up(flarescale.controlUrl, [`--auth-key=${flarescale.authKey}`]);
  await node.run(["debug", "force-prefer-derp", String(region)]);
  await node.run(["debug", "rebind"]);
  await node.run(["debug", "restun"]);
  await node.untilStatus(`home is ${code}`, ({ Self }) => Self.Relay === code);
  return node;
}

it.each([
  ["east", "west"],
  ["west", "east"],
  ["east", "stock"],
  ["stock", "west"],
])("a node at home in %s reaches one in %s through that one's region", async (from, to) => {
  const source = nodes[from] as Tailscaled;
  await source.untilStatus("the peer's home is known", ({ Peer }) =>
    Object.values(Peer ?? {}).some(({ HostName, Relay }) => HostName === `home-${to}` && Relay === to),
  );
  const pong = await until("a pong", () => source.ping(`home-${to}`).catch(() => undefined));
  expect(pong).toMatchObject({ path: "derp", via: to });
});

it("bulk traffic passes between regions unharmed", async () => {
  const [east, west] = [nodes.east, nodes.west] as [Tailscaled, Tailscaled];
  const body = "flarescale".repeat(12_000); // near the most that one argument of a program may hold
  const web = await startWebServer({ body, address: "0.0.0.0", port: 80, namespace: west.namespace });
  const address = await west.ip4();
  const replies = await Promise.all(
    Array.from({ length: 6 }, async () => await east.namespace?.fetch(`http://${address}/`, 30_000)),
  );
  for (const reply of replies) {
    expect(reply?.status).toBe(200);
    expect(reply?.body === body).toBe(true);
  }
  await web.stop();
});

it("a policy that takes a region away moves its nodes to another one", async () => {
  const west = nodes.west as Tailscaled;
  await west.run(["debug", "force-prefer-derp", "0"]);
  await flarescale.api.setPolicy({
    grants: [{ src: ["*"], dst: ["*"], ip: ["*"] }],
    derpMap: { regions: { 902: null } },
  });
  await until(
    "the region is gone",
    async () => !(await west.run(["debug", "derp-map"])).includes("derp-west.example.com"),
  );
  expect(await west.run(["debug", "derp-map"])).toContain("derp-east.example.com");
  // A client does not leave a home that it has just heard from; so it is asked to measure until it does.
  const { Self } = await until(
    "it has another home",
    async () => {
      await west.run(["debug", "restun"]);
      const status = await west.status();
      return ["", "west"].includes(status.Self.Relay) ? undefined : status;
    },
    { timeoutMs: 80_000, everyMs: 1_000 },
  );
  await nodes.east?.untilPeer("home-west", ({ Relay }) => Relay === Self.Relay);
  const pong = await until("a pong", () => nodes.east?.ping("home-west").catch(() => undefined));
  expect(pong).toMatchObject({ path: "derp", via: Self.Relay });
});
