// Several relay regions in one tailnet, with real clients: two of ours behind one gateway, told apart by host name, and a
// stock derper beside them that asks us whom to admit. Nothing goes directly here.
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { type Derper, startDerper } from "./support/derper.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { freeLoopbackPort } from "./support/local-http.ts";
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
  derper = await startDerper({
    address: network.hostAddress,
    stunPort: false,
    verifyClientUrl: `http://${network.hostAddress}:${workerPort}/verify`,
  });
  flarescale = await startFlarescale({
    listen: network.hostAddress,
    httpsPort,
    workerPort,
    derpRegions: [ours(901, "east", httpsPort), ours(902, "west", httpsPort)],
    derpMap: { Regions: { 905: derper.region(905, "stock") } },
  });
  const homes = Object.entries({ east: 901, west: 902, stock: 905 });
  await Promise.all(homes.map(async ([code, region]) => (nodes[code] = await join(code, region))));
}, 120_000);

afterAll(async () => {
  for (const node of Object.values(nodes)) await node.stop();
  await flarescale?.stop();
  await derper?.stop();
  await network?.close();
});

function ours(id: number, code: string, port: number): object {
  const address = { IPv4: network.hostAddress, IPv6: "none" };
  const node = { HostName: `derp-${code}.example.com`, ...address, DERPPort: port, InsecureForTests: true };
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
  await node.untilStatus(`home is ${code}`, ({ Self }) => Self.Relay === code, { timeoutMs: 30_000 });
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
  const pong = await until("a pong", () => source.ping(`home-${to}`).catch(() => undefined), { timeoutMs: 20_000 });
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
  // A client chooses its home when it measures next, by itself every half minute or so.
  await west.run(["debug", "restun"]);
  const { Self } = await west.untilStatus("it has another home", ({ Self }) => !["", "west"].includes(Self.Relay), {
    timeoutMs: 80_000,
  });
  await nodes.east?.untilPeer("home-west", ({ Relay }) => Relay === Self.Relay);
  const pong = await until("a pong", () => nodes.east?.ping("home-west").catch(() => undefined), { timeoutMs: 20_000 });
  expect(pong).toMatchObject({ path: "derp", via: Self.Relay });
});
