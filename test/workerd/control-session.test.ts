// A control session as a client lives it: register, map stream, lite updates, peers coming and going, a login that
// waits for a person. What hibernation must not change is in
// hibernation.test.ts.

import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { DerpRegionObject } from "../../worker/objects/derp-region-object.ts";
import { WEBSOCKET_MAX_SEND } from "../../worker/protocol/limits.ts";
import {
  administration,
  connect,
  device,
  evict,
  isOverTrunks,
  join,
  mapBody,
  registerBody,
  storedNodes,
  theOwner,
} from "./support/tailnet.ts";

type Json = Record<string, unknown>;

const lite = (endpoint: string, more: Json = {}) => ({
  Stream: false,
  OmitPeers: true,
  Endpoints: [endpoint],
  EndpointTypes: [1],
  Hostinfo: { Hostname: "lite", OS: "linux", NetInfo: { PreferredDERP: 900 } },
  ...more,
});

/** A test of what only a client with a socket of its own meets; none that is left out over trunks, which would count. */
function itOnItsOwnSocket(name: string, test: () => Promise<void>): void {
  if (!isOverTrunks()) it(name, test);
}

describe("a control session", () => {
  it("greets with an early payload that holds a fresh challenge", async () => {
    const [one, two] = [await connect(device(1)), await connect(device(1))];
    await one.until(() => one.early !== "", "the early payload");
    await two.until(() => two.early !== "", "the early payload");
    expect(JSON.parse(one.early).nodeKeyChallenge).toMatch(/^chalpub:[0-9a-f]{64}$/);
    expect(one.early).not.toBe(two.early);
  });

  it("registers by auth key and starts a complete map stream", async () => {
    const { first } = await join(device(2), "Laptop.local");
    const node = first.Node as Json;
    expect(node).toMatchObject({ Name: "laptop.tail.internal.", Key: device(2).nodeKey, MachineAuthorized: true });
    expect(Object.keys(first)).toEqual(
      expect.arrayContaining([
        "Node",
        "UserProfiles",
        "DERPMap",
        "DNSConfig",
        "PacketFilters",
        "Domain",
        "ControlTime",
      ]),
    );
  });

  it("tells peers of a newcomer, of its endpoints and of its leaving", async () => {
    const watcher = await join(device(3), "watcher");
    const newcomer = await join(device(4), "newcomer");
    const id = (newcomer.first.Node as Json).ID;
    const said = () => watcher.client.messages(watcher.stream).slice(1);
    await watcher.client.until(() => JSON.stringify(said()).includes('"newcomer.tail.internal."'), "the newcomer");

    await newcomer.client.response(
      await newcomer.client.request("POST", "/machine/map", mapBody(device(4), lite("192.0.2.7:41641"))),
    );
    await watcher.client.until(() => JSON.stringify(said()).includes("192.0.2.7:41641"), "the endpoint");
    const patches = said().flatMap((m) => (m.PeersChangedPatch as Json[] | undefined) ?? []);
    const whole = said().flatMap((m) => (m.PeersChanged as Json[] | undefined) ?? []);
    expect([...patches, ...whole].some((p) => (p.NodeID ?? p.ID) === id && p.DiscoKey === device(4).discoKey)).toBe(
      true,
    );

    const outcome = await administration.devices.change(String(id), { type: "delete" }, null);
    expect(outcome.ok).toBe(true);
    await watcher.client.until(
      () => said().some((m) => (m.PeersRemoved as number[] | undefined)?.includes(id as number)),
      "the removal",
    );
    const last = newcomer.client.messages(newcomer.stream).at(-1)?.Node as Json;
    expect(Date.parse(String(last.KeyExpiry))).toBeLessThan(Date.now());
    expect((await newcomer.client.response(newcomer.stream)).ended).toBe(true);
  });

  it("refuses a node key on the session of another machine", async () => {
    await join(device(5), "victim");
    const thief = await connect(device(6));
    const answer = await thief.response(await thief.request("POST", "/machine/map", mapBody(device(5))));
    expect(answer.status).toBe(404);
    const registered = await thief.call("/machine/register", registerBody(device(5), "thief"));
    expect(registered.Error).toBe("node key already in use by another device");
  });

  it("ends the older of two streams of one node and keeps the node online", async () => {
    const first = await join(device(7), "twice");
    const second = await connect(device(7));
    const stream = await second.request("POST", "/machine/map", mapBody(device(7)));
    await second.message(stream, 0);
    expect((await first.client.response(first.stream)).ended).toBe(true);
    first.client.close();
    const row = (await storedNodes()).find(({ id }) => id === (first.first.Node as Json).ID);
    expect(row).toMatchObject({ is_online: 1, disconnected_at: null });
  });

  it("lets the relay go of a node that was deleted", async () => {
    const { first } = await join(device(12), "relayed");
    const { ID } = first.Node as Json;
    const closed = vi.spyOn(DerpRegionObject.prototype, "closeConnectionsOf");
    await administration.devices.change(String(ID), { type: "delete" }, null);
    await vi.waitFor(() => expect(closed).toHaveBeenCalledWith([device(12).nodeKey]), { timeout: 20_000 });
    closed.mockRestore();
  });

  it("sends keep-alives that carry the time, and nothing to those who have left", async () => {
    const { client, stream } = await join(device(8), "keep");
    const seen = client.messages(stream).length;
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 60_000 });
    try {
      expect(await runDurableObjectAlarm(tailnetFor(env))).toBe(true);
    } finally {
      vi.useRealTimers();
    }
    await client.until(() => client.messages(stream).length > seen, "the keep-alive");
    const keepAlive = client.messages(stream).find((message) => message.KeepAlive === true);
    expect(Object.keys(keepAlive ?? {}).sort()).toEqual(["ControlTime", "KeepAlive"]);
  });

  it("answers a login that waited for a person", async () => {
    const client = await connect(device(9));
    const login = await client.call("/machine/register", registerBody(device(9), "waits"));
    const url = String(login.AuthURL);
    expect(url).toMatch(/^http:\/\/control\.test\/a\/[0-9A-Za-z]{32}$/);
    const waiting = await client.request(
      "POST",
      "/machine/register",
      registerBody(device(9), "waits", { Followup: url }),
    );
    await evict();
    const approved = await administration.logins.approve(url.slice(-32), await theOwner());
    expect(approved.ok).toBe(true);
    const answer = JSON.parse(new TextDecoder().decode((await client.response(waiting)).body)) as Json;
    expect(answer).toMatchObject({ Error: "", AuthURL: "", MachineAuthorized: true });
  });

  itOnItsOwnSocket("sends a netmap of many times their size in messages of at most 16 KiB (detail 4)", async () => {
    const sshHostKeys = () => [
      `ssh-ed25519 ${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(3_000))))}`,
    ];
    for (let n = 60; n < 80; n++) {
      const { client } = await join(device(n), `many-${n}`);
      const Hostinfo = { Hostname: `many-${n}`, OS: "linux", sshHostKeys: sshHostKeys() };
      await client.response(
        await client.request("POST", "/machine/map", mapBody(device(n), lite("192.0.2.1:1", { Hostinfo }))),
      );
      client.close();
    }
    const { client, stream } = await join(device(80), "viewer");
    expect(client.http2.response(stream).body.length).toBeGreaterThan(3 * WEBSOCKET_MAX_SEND);
    expect(client.longestMessage).toBeLessThanOrEqual(WEBSOCKET_MAX_SEND);
    expect(client.longestMessage).toBeLessThan(32_768); // what WASM clients take
  });

  it("takes bodies of 4 KB and 8 MB and refuses what is over the limit", async () => {
    const client = await connect(device(10));
    for (const size of [4 << 10, 8 << 20]) {
      const body = new Uint8Array(size).fill(32);
      const { streamId, bytes } = client.http2.request("POST", "/machine/unknown", undefined, { endStream: false });
      await client.send(bytes);
      for (let at = 0; at < size; at += 60_000) {
        const piece = body.subarray(at, at + 60_000);
        await client.send(client.http2.data(streamId, piece, at + 60_000 >= size));
      }
      expect((await client.response(streamId)).status).toBe(404);
    }
    const { streamId, bytes } = client.http2.request("POST", "/machine/map", undefined, { endStream: false });
    await client.send(bytes);
    for (let i = 0; i < 20 && !client.http2.response(streamId).ended; i++) {
      await client.send(client.http2.data(streamId, new Uint8Array(60_000), false));
    }
    expect((await client.response(streamId)).status).toBe(413);
  });
});
