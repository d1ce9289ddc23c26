// Regional routing through the public API and over map streams: who is led to which of two routers, and who is told.
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, expect, it, vi } from "vitest";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import type { ControlClient } from "../support/control-client.ts";
import { api, type Person, person } from "./support/api.ts";
import { connect, device, evict, join, mapBody, storedNodes, theOwner } from "./support/tailnet.ts";

type Json = Record<string, unknown>;

const SUBNET = "10.7.0.0/16";

interface Joined {
  readonly n: number;
  readonly id: number;
  readonly client: ControlClient;
  readonly stream: number;
}

let admin: Person;
let east: Joined;
let west: Joined;
let inEast: Joined;
let inWest: Joined;

beforeAll(async () => {
  await theOwner();
  admin = await person(500, "admin");
  east = await joined(930, "east", 901, [SUBNET]);
  west = await joined(931, "west", 902, [SUBNET]);
  for (const { id } of [east, west]) {
    await api(`/device/${id}/routes`, { body: { routes: [SUBNET] }, token: admin.token });
  }
  inEast = await joined(932, "in-east", 901);
  inWest = await joined(933, "in-west", 902);
});

async function joined(n: number, hostname: string, home: number, routes: string[] = []): Promise<Joined> {
  const { client, stream, first } = await join(device(n), hostname);
  const node = { n, id: (first.Node as { ID: number }).ID, client, stream };
  await report(node, hostname, home, routes);
  return node;
}

/** A lite update, as a client sends one when its home region is another one. */
async function report({ n, client }: Joined, Hostname: string, home: number, RoutableIPs: string[] = []) {
  const NetInfo = { PreferredDERP: home, DERPLatency: { "901-v4": 0.02, "902-v4": 0.3 } };
  const body = mapBody(device(n), { Stream: false, OmitPeers: true, Hostinfo: { Hostname, RoutableIPs, NetInfo } });
  await client.response(await client.request("POST", "/machine/map", body));
}

const set = async (regionalRoutingOn: boolean) =>
  await api("/tailnet/-/settings", { method: "PATCH", body: { regionalRoutingOn }, token: admin.token });

/** The router of the subnet, as whoever followed the stream knows. */
function routerOf({ client, stream }: Joined): number[] {
  const peers = new Map<number, string[]>();
  for (const { Peers, PeersChanged } of client.messages(stream)) {
    for (const { ID, PrimaryRoutes } of [...((Peers ?? []) as Json[]), ...((PeersChanged ?? []) as Json[])]) {
      peers.set(ID as number, (PrimaryRoutes ?? []) as string[]);
    }
  }
  return [...peers].filter(([, routes]) => routes.includes(SUBNET)).map(([id]) => id);
}

const leadsTo = async (viewer: Joined, router: Joined) =>
  await viewer.client.until(() => routerOf(viewer).join() === String(router.id), `the way over ${router.id}`);

it("leads each client to the closest router at once, also after sleep, and tells nobody who stays where they were", async () => {
  await leadsTo(inWest, east);
  await leadsTo(inEast, east);
  const before = inEast.client.messages(inEast.stream).length;
  expect((await set(true)).json.regionalRoutingOn).toBe(true);
  await leadsTo(inWest, west);
  const self = west.client.messages(west.stream).findLast(({ Node }) => Node !== undefined)?.Node;
  expect(self).toMatchObject({ PrimaryRoutes: [SUBNET] });
  const { enabledRoutes } = (await api(`/device/${west.id}/routes`, { token: admin.token })).json;
  expect(enabledRoutes).toEqual([SUBNET]);

  await evict();
  await report(inWest, "in-west", 901);
  await leadsTo(inWest, east);
  await report(inWest, "in-west", 902);
  await leadsTo(inWest, west);
  await evict();
  await report(inWest, "in-west", 903); // where no router is: by what it measured
  await leadsTo(inWest, east);
  await report(inWest, "in-west", 902);
  await leadsTo(inWest, west);
  // Patches alone: that another node is at home elsewhere.
  for (const message of inEast.client.messages(inEast.stream).slice(before)) {
    expect(message).not.toHaveProperty("PeersChanged");
    expect(message).not.toHaveProperty("Node");
  }
});

it("remembers who took over within a region: neither sleep nor the return of another router changes it", async () => {
  const spare = await joined(934, "west-spare", 902, [SUBNET]);
  await api(`/device/${spare.id}/routes`, { body: { routes: [SUBNET] }, token: admin.token });
  west.client.close();
  const leftAt = async () => (await storedNodes()).find(({ id }) => id === west.id)?.disconnected_at;
  await expect.poll(leftAt).not.toBeNull();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 15_000 });
  await runDurableObjectAlarm(tailnetFor(env));
  vi.useRealTimers();
  await leadsTo(inWest, spare);
  await evict();
  const client = await connect(device(west.n));
  const stream = await client.request("POST", "/machine/map", mapBody(device(west.n)));
  await client.message(stream, 0);
  await evict();
  expect(routerOf(inWest)).toEqual([spare.id]);
  const again = await connect(device(inWest.n));
  const fresh = {
    ...inWest,
    client: again,
    stream: await again.request("POST", "/machine/map", mapBody(device(inWest.n))),
  };
  await leadsTo(fresh, spare);
  inWest = fresh;
});

it("leads all to one router again when it is turned off", async () => {
  await set(false);
  await leadsTo(inWest, east);
  expect(routerOf(inEast)).toEqual([east.id]);
});
