// Settings that real clients notice: regional routing leads each to the router in its relay region, and serial numbers
// are told by those whose users agreed.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientBinaries } from "../clients/build.ts";
import { type Flarescale, startFlarescale } from "./support/flarescale.ts";
import { peersOf } from "./support/local-api.ts";
import { freeLoopbackPort, freeUdpPort } from "./support/local-http.ts";
import { createNetwork, type Network } from "./support/netns.ts";
import { Tailscaled } from "./support/tailscaled.ts";
import { until } from "./support/until.ts";
import { startWebServer, type WebServer } from "./support/web-server.ts";

const EVERYBODY = {
  tagOwners: { "tag:router": [] },
  autoApprovers: { routes: { "10.0.0.0/8": ["tag:router"] } },
  grants: [{ src: ["*"], dst: ["*"], ip: ["*"] }],
};
const REGIONS = { east: 901, west: 902 } as const;
type Place = keyof typeof REGIONS;
const PLACES = Object.keys(REGIONS) as Place[];
const other = (place: Place): Place => (place === "east" ? "west" : "east");
/** Time for a client to be told of a change, on a busy machine; that a router is lost shows after a grace of 10 s. */
const atOnceMs = 20_000;
const failOverMs = 60_000;

let network: Network;
let office: Network;
let flarescale: Flarescale;

beforeAll(async () => {
  await clientBinaries();
  network = await createNetwork();
  office = await createNetwork();
  const [httpsPort, stunPort] = [await freeLoopbackPort(), await freeUdpPort()];
  const derpRegions = PLACES.map((code) => ({
    id: REGIONS[code],
    code,
    locationHint: "weur",
    nodes: [
      {
        HostName: `derp-${code}.example.com`,
        IPv4: network.hostAddress,
        IPv6: "none",
        DERPPort: httpsPort,
        STUNPort: stunPort,
        InsecureForTests: true,
      },
    ],
  }));
  flarescale = await startFlarescale({ listen: network.hostAddress, httpsPort, stunPort, derpRegions });
  await flarescale.api.setPolicy(EVERYBODY);
});

afterAll(async () => {
  await flarescale?.stop();
  await office?.close();
  await network?.close();
});

const set = async (setting: string, isOn: boolean) =>
  await flarescale.api.request("PATCH", "/tailnet/-/settings", { [setting]: isOn });

async function moveHome(node: Tailscaled, place: Place): Promise<void> {
  await node.run(["debug", "force-prefer-derp", String(REGIONS[place])]);
  await node.run(["debug", "rebind"]);
  await node.run(["debug", "restun"]);
  await node.untilStatus(`home is ${place}`, ({ Self }) => Self.Relay === place, { timeoutMs: failOverMs });
}

describe("regional routing", () => {
  const routers: Partial<Record<Place, Tailscaled>> = {};
  const clients: Partial<Record<Place, Tailscaled>> = {};
  /** Addresses of the routers there: what they carry comes from these. */
  const inOffice: Partial<Record<Place, string>> = {};
  let intranet: WebServer;

  beforeAll(async () => {
    intranet = await startWebServer({ body: "the intranet", namespace: await office.attach("intranet") });
    for (const place of PLACES) routers[place] = await router(place);
    for (const place of PLACES) clients[place] = await client(place);
  });

  afterAll(async () => {
    await Promise.all([...Object.values(routers), ...Object.values(clients)].map((node) => node.stop()));
    await intranet?.stop();
  });

  async function router(place: Place): Promise<Tailscaled> {
    const namespace = await network.attach(`router-${place}`);
    inOffice[place] = await office.join(namespace);
    await namespace.enableForwarding();
    const node = await Tailscaled.start({ hostname: `router-${place}`, mode: "tun", namespace });
    const { key } = await flarescale.api.createAuthKey({ tags: ["tag:router"] });
    await node.up(flarescale.controlUrl, [`--auth-key=${key}`, `--advertise-routes=${office.subnet}`]);
    await moveHome(node, place);
    return node;
  }

  async function client(place: Place): Promise<Tailscaled> {
    const namespace = await network.attach(`client-${place}`);
    const node = await Tailscaled.start({ hostname: `client-${place}`, mode: "tun", namespace });
    await node.up(flarescale.controlUrl, [`--auth-key=${flarescale.authKey}`, "--accept-routes"]);
    await moveHome(node, place);
    return node;
  }

  /** The router of the office, as a client sees it. */
  async function routerOf(place: Place): Promise<string> {
    const peers = peersOf(await (clients[place] as Tailscaled).status());
    return peers
      .flatMap(({ HostName, PrimaryRoutes }) => (PrimaryRoutes?.includes(office.subnet) ? [HostName] : []))
      .join();
  }

  const leads = async (place: Place, to: Place, timeoutMs = atOnceMs) =>
    await until(`${place} is led to ${to}`, async () => (await routerOf(place)) === `router-${to}`, { timeoutMs });

  async function reaches(place: Place, through: Place): Promise<void> {
    await until(`the intranet answers ${place} through ${through}`, async () => {
      const reply = await clients[place]?.namespace?.fetch(`${intranet.url}/from`, 1_500).catch(() => undefined);
      return reply?.body === inOffice[through];
    });
  }

  it("leads all clients to one router while it is off", async () => {
    for (const place of PLACES) await leads(place, "east", failOverMs);
  });

  it("leads each to the one in its region as soon as it is on, and both reach the subnet", async () => {
    await set("regionalRoutingOn", true);
    for (const place of PLACES) await leads(place, place);
    for (const place of PLACES) await reaches(place, place);
    for (const place of PLACES) {
      const { Self } = await (routers[place] as Tailscaled).status();
      expect(Self.PrimaryRoutes).toEqual([office.subnet]);
    }
  });

  it("follows a client that moves to another region", async () => {
    await moveHome(clients.west as Tailscaled, "east");
    await leads("west", "east");
    await moveHome(clients.west as Tailscaled, "west");
    await leads("west", "west");
  });

  it.each(PLACES)(
    "fails over to the other region when the router in %s is lost, and comes back to it",
    async (place) => {
      const { namespace, stateDir } = routers[place] as Tailscaled;
      await routers[place]?.kill();
      await leads(place, other(place), failOverMs);
      expect(await routerOf(other(place))).toBe(`router-${other(place)}`);
      await reaches(place, other(place));
      const again = await Tailscaled.start({ hostname: `router-${place}`, mode: "tun", namespace, stateDir });
      routers[place] = again;
      await again.untilStatus("running", ({ BackendState }) => BackendState === "Running");
      await moveHome(again, place);
      await leads(place, place, failOverMs);
      await reaches(place, place);
    },
  );

  it("leads all to one again as soon as it is off", async () => {
    await set("regionalRoutingOn", false);
    await until("both have the same", async () => (await routerOf("east")) === (await routerOf("west")), {
      timeoutMs: atOnceMs,
    });
  });
});

describe.each(["current", "older"] as const)("collection of serial numbers from the %s client", (release) => {
  const hostname = `collected-${release}`;
  let node: Tailscaled;
  const identity = async () =>
    (await flarescale.api.deviceCalled(hostname)) as unknown as { postureIdentity?: Record<string, unknown> };
  const told = async () =>
    await until("the device has answered", async () => (await identity()).postureIdentity, { timeoutMs: atOnceMs });

  beforeAll(async () => {
    await set("postureIdentityCollectionOn", false);
    node = await Tailscaled.start({
      hostname,
      release,
      mode: "tun",
      namespace: await network.attach(hostname),
    });
    await node.up(flarescale.controlUrl, [`--auth-key=${flarescale.authKey}`]);
  });

  afterAll(async () => {
    await node?.stop();
  });

  it("asks nobody while it is off", async () => {
    expect((await identity()).postureIdentity).toBeUndefined();
    expect(node.logLines(/posture identity/)).toEqual([]);
  });

  it("shows that a user has not agreed", async () => {
    await set("postureIdentityCollectionOn", true);
    expect(await told()).toEqual({ disabled: true });
  });

  it("forgets all when it is turned off, and shows what is told by a device whose user agreed", async () => {
    await set("postureIdentityCollectionOn", false);
    expect((await identity()).postureIdentity).toBeUndefined();
    await node.run(["set", "--posture-checking"]);
    await set("postureIdentityCollectionOn", true);
    // As many as this machine has; virtual ones have none.
    expect(await told()).toEqual({ serialNumbers: expect.any(Array) });
    expect(node.logLines(/c2n: posture identity disabled=false/)).toHaveLength(1);
  });
});
