// When map streams end and who is told: a node that may not be served any more, one whose key ran out, one that asked
// for no peers, one whose socket broke (control-protocol.md 4.10, 5.2, 5.15).
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { administrationOf, tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import type { DeviceAction } from "../../worker/objects/administration/devices.ts";
import { DerpRegionObject } from "../../worker/objects/derp-region-object.ts";
import { actorOf } from "../../worker/tailnet/entities/actor.ts";
import type { ControlClient } from "../support/control-client.ts";
import { connect, device, evict, join, mapBody, storedNodes, theOwner } from "./support/tailnet.ts";

type Json = Record<string, unknown>;

const idOf = (first: Json) => (first.Node as Json).ID as number;
const stored = async (id: number) => (await storedNodes()).find((row) => row.id === id);
/** Waits for a write that may be late. */
const storedAs = async (id: number, row: Json) =>
  await vi.waitFor(async () => expect(await stored(id)).toMatchObject(row), { timeout: 20_000 });

async function change(id: number, action: DeviceAction) {
  await administrationOf(env, actorOf(await theOwner())).devices.change(String(id), action, null);
}

const authorize = (id: number, isAuthorized: boolean) => change(id, { type: "authorize", isAuthorized });

async function lite(client: ControlClient, n: number, endpoint: string) {
  const body = mapBody(device(n), { Stream: false, OmitPeers: true, Endpoints: [endpoint] });
  await client.response(await client.request("POST", "/machine/map", body));
}

/** Rings the object's alarm as if `ms` had passed. */
async function ring(ms: number) {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
  try {
    await runDurableObjectAlarm(tailnetFor(env));
  } finally {
    vi.useRealTimers();
  }
}

describe("a map stream", () => {
  it("ends when the device loses its approval; the next one shows the node itself and nobody else", async () => {
    const watcher = await join(device(1), "watcher");
    const node = await join(device(2), "node");
    const id = idOf(node.first);
    await authorize(id, false);
    expect((await node.client.response(node.stream)).ended).toBe(true);
    await watcher.client.until(
      () => JSON.stringify(watcher.client.messages(watcher.stream)).includes(`"PeersRemoved":[${id}]`),
      "the removal",
    );
    const again = await node.client.request("POST", "/machine/map", mapBody(device(2)));
    const first = await node.client.message(again, 0);
    expect(first.Node).toMatchObject({ MachineAuthorized: false });
    expect(first.Peers).toBeUndefined();
    expect(first.PacketFilters).toEqual({ base: [] });

    await authorize(id, true);
    expect((await node.client.response(again)).ended).toBe(true);
    const served = await node.client.request("POST", "/machine/map", mapBody(device(2)));
    expect(((await node.client.message(served, 0)).Peers as Json[]).map(({ ID }) => ID)).toContain(idOf(watcher.first));
  });

  it("that the server ended takes its node offline when the client does not come back", async () => {
    const { client, first } = await join(device(3), "leaves");
    await authorize(idOf(first), false);
    client.close();
    await storedAs(idOf(first), { is_online: 1, disconnected_at: expect.any(Number) });
    await ring(15_000);
    expect(await stored(idOf(first))).toMatchObject({ is_online: 0, disconnected_at: null });
  });

  it("changes nothing of its node, whatever its request carries; a lite update does (detail 25)", async () => {
    const { client, first } = await join(device(40), "streams");
    const before = await stored(idOf(first));
    const claims = { Endpoints: ["192.0.2.9:1"], Hostinfo: { Hostname: "renamed", RoutableIPs: ["10.9.0.0/16"] } };
    const again = await client.request("POST", "/machine/map", mapBody(device(40), claims));
    await client.message(again, 0);
    expect(await stored(idOf(first))).toMatchObject({ endpoints: before?.endpoints, hostinfo: before?.hostinfo });
    await lite(client, 40, "192.0.2.9:1");
    expect(await stored(idOf(first))).toMatchObject({ endpoints: '["192.0.2.9:1"]' });
  });

  it("ends when the key expires by time, and the relay is told", async () => {
    const { client, stream, first } = await join(device(4), "expires");
    const soon = new Date(Date.now() + 60_000).toISOString();
    const closed = vi.spyOn(DerpRegionObject.prototype, "closeConnectionsOf");
    const body = { Version: 133, NodeKey: device(4).nodeKey, Expiry: soon, Hostinfo: { Hostname: "expires" } };
    expect((await client.call("/machine/register", body)).Error).toBe("");
    await ring(61_000);
    expect((await client.response(stream)).ended).toBe(true);
    await vi.waitFor(() => expect(closed).toHaveBeenCalledWith([device(4).nodeKey]), { timeout: 20_000 });
    closed.mockRestore();
    expect(await stored(idOf(first))).toMatchObject({ is_online: 0 });
  });

  it("without peers stays without peers, and still shows the node itself", async () => {
    const peer = await join(device(5), "peer");
    const node = await join(device(6), "alone");
    const client = await connect(device(6));
    const stream = await client.request("POST", "/machine/map", mapBody(device(6), { OmitPeers: true }));
    expect((await client.message(stream, 0)).Peers).toBeUndefined();
    await lite(peer.client, 5, "192.0.2.5:5");
    await change(idOf(peer.first), { type: "rename", name: "other" });
    await change(idOf(node.first), { type: "rename", name: "new-name" });
    const told = () => client.messages(stream).filter(({ KeepAlive }) => KeepAlive !== true);
    await client.until(() => told().length > 1, "the new name");
    const only = told()[1] as Json;
    expect(only.Node).toMatchObject({ Name: "new-name.tail.internal." });
    expect(Object.keys(only).sort()).toEqual(["Node", "UserProfiles"]);
  });

  it("keeps its node online, though the instance that should have written so was lost", async () => {
    const node = await join(device(8), "comes-back");
    const id = idOf(node.first);
    await evict();
    await runInDurableObject(tailnetFor(env), (_, { storage }) => {
      storage.sql.exec("update nodes set disconnected_at = 1 where id = ?", id);
    });
    await tailnetFor(env).health(); // loads the tailnet
    await storedAs(id, { is_online: 1, disconnected_at: null });
    node.client.close();
    await storedAs(id, { is_online: 1, disconnected_at: expect.any(Number) });
  });

  it("that came back within a round of late writes leaves nothing to write", async () => {
    const node = await join(device(9), "flickers");
    const id = idOf(node.first);
    for (let n = 0; n < 3; n++) {
      node.client.close();
      node.client = await connect(device(9));
      await node.client.message(await node.client.request("POST", "/machine/map", mapBody(device(9))), 0);
    }
    await storedAs(id, { is_online: 1, disconnected_at: null });
    node.client.close();
    await storedAs(id, { is_online: 1, disconnected_at: expect.any(Number) });
  });

  it("ends with its socket's failure as with its close", async () => {
    const { first } = await join(device(7), "breaks");
    await runInDurableObject(tailnetFor(env), (object, ctx) => {
      for (const socket of ctx.getWebSockets()) object.webSocketError(socket);
    });
    await storedAs(idOf(first), { is_online: 1, disconnected_at: expect.any(Number) });
  });
});
