// Trunks as a gateway lives them (docs/decisions/0013-trunks.md): several clients on one socket, told together and cut
// off from each other. over-trunks/ has the suites of single connections run on channels; what only trunks have is here.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import type { ControlClient } from "../support/control-client.ts";
import { credit, frame, type ServerFrame, TrunkClient } from "../support/trunk-client.ts";
import { connect, device, evict, join, mapBody, storedNodes } from "./support/tailnet.ts";

type Json = Record<string, unknown>;

const WINDOW = 256 << 10;
const DATA = 4;
/** Of a map request: everything once. */
const READ = { Stream: false, ReadOnly: true };

async function openTrunk(givesCredit = true): Promise<TrunkClient> {
  return await TrunkClient.open({ fetch: (url, init) => exports.default.fetch(url, init), givesCredit });
}

async function tellEndpoint(client: ControlClient, n: number, endpoint: string, more: Json = {}) {
  const body = mapBody(device(n), {
    Stream: false,
    OmitPeers: true,
    Endpoints: [endpoint],
    EndpointTypes: [1],
    ...more,
  });
  return await client.response(await client.request("POST", "/machine/map", body));
}

const hears = async ({ client, stream }: Awaited<ReturnType<typeof join>>, text: string) =>
  await client.until(() => JSON.stringify(client.messages(stream)).includes(text), text);

const storedStates = async () =>
  await runInDurableObject(tailnetFor(env), (_, { storage }) => [...storage.kv.list({ prefix: "trunk/" })].length);

/** Rings the object's alarm as if `ms` had passed. */
async function ring(ms: number) {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
  try {
    await runDurableObjectAlarm(tailnetFor(env));
  } finally {
    vi.useRealTimers();
  }
}

const bytesIn = (frames: ServerFrame[]) => frames.reduce((sum, { payload }) => sum + payload.length, 0);

describe("several clients on a trunk", () => {
  it("register, watch and hear of each other, with an eviction before every message", async () => {
    const trunk = await openTrunk();
    const options = { fetch: trunk.fetch, beforeSend: evict };
    const one = await join(device(1), "one", options);
    const two = await join(device(2), "two", options);
    const three = await join(device(3), "three", options);
    await hears(one, '"three.tail.internal."');
    await tellEndpoint(two.client, 2, "192.0.2.2:2");
    for (const other of [one, three]) await hears(other, "192.0.2.2:2");
    two.client.close();
    await evict();
    await tellEndpoint(three.client, 3, "192.0.2.3:3");
    await hears(one, "192.0.2.3:3");
    expect([trunk.channels, trunk.closeCode]).toEqual([2, undefined]);
    trunk.close();
    const left = async () => (await storedNodes()).filter(({ disconnected_at }) => disconnected_at !== null).length;
    await expect.poll(left).toBe(3);
  });

  it("are told one thing in one message, after one write of the attachment", async () => {
    const trunk = await openTrunk();
    const listeners = [];
    for (let n = 4; n < 12; n++) listeners.push(await join(device(n), `listener-${n}`, { fetch: trunk.fetch }));
    const speaker = await join(device(12), "speaker");
    for (const listener of listeners) await hears(listener, '"speaker.tail.internal."');
    let before: number;
    do {
      before = trunk.received.length;
      await new Promise((resolve) => setTimeout(resolve, 500)); // news of who came is told by then
    } while (trunk.received.length > before);
    const attached = vi.spyOn(WebSocket.prototype, "serializeAttachment");
    try {
      await tellEndpoint(speaker.client, 12, "192.0.2.12:12");
      for (const listener of listeners) await hears(listener, "192.0.2.12:12");
      const told = trunk.received.slice(before);
      expect(told.map((frames) => frames.map(({ type, channel }) => [type, channel]))).toEqual([
        listeners.map((_, index) => [DATA, index + 1]),
      ]);
      const writes = attached.mock.calls.filter(([attachment]) => "trunk" in (attachment as object));
      expect(writes.length).toBeLessThanOrEqual(1 + listeners.length); // the news, and each client's credit
    } finally {
      attached.mockRestore();
      trunk.close();
    }
  });

  it("that open together are accepted together", async () => {
    const trunk = await openTrunk();
    const clients = await Promise.all([20, 21, 22].map((n) => connect(device(n), { fetch: trunk.fetch })));
    for (const client of clients) {
      expect((await client.response(await client.request("GET", "/machine/whoami"))).status).toBe(200);
    }
    trunk.close();
  });

  it("lose their own channel alone when they break a protocol, and hear why", async () => {
    const trunk = await openTrunk();
    const good = await join(device(23), "good", { fetch: trunk.fetch });
    const bad = await connect(device(24), { fetch: trunk.fetch });
    await bad.send(Uint8Array.of(0, 0, 0, 5, 0, 0, 0, 0, 9)); // PUSH_PROMISE, which clients may not send
    await bad.until(() => bad.closeCode !== undefined, "the close").catch(() => undefined);
    expect([bad.closeCode, bad.http2.goAwayCode]).toEqual([1002, 1]);
    expect((await tellEndpoint(good.client, 23, "192.0.2.23:1")).status).toBe(200);
    trunk.close();
  });
});

describe("states that do not fit the attachment", () => {
  it("lie in storage while that is so, across evictions", async () => {
    const trunk = await openTrunk();
    const clients: ControlClient[] = [];
    for (let n = 30; n < 46; n++) clients.push(await connect(device(n), { fetch: trunk.fetch }));
    const streams = await Promise.all(
      clients.map(async (client) => {
        const opened: number[] = [];
        for (let i = 0; i < 40; i++) {
          const { streamId, bytes } = client.http2.request("POST", "/machine/map", undefined, { endStream: false });
          opened.push(streamId);
          await client.send(bytes);
        }
        return opened;
      }),
    );
    const asks = async () => {
      for (const client of clients) {
        await evict();
        expect((await client.response(await client.request("GET", "/machine/whoami"))).status).toBe(200);
      }
    };
    await asks();
    const inStorage = await storedStates();
    expect(inStorage).toBeGreaterThan(0);
    expect(inStorage).toBeLessThan(16);
    await Promise.all(
      clients.map(async (client, index) => {
        for (const streamId of streams[index] ?? []) await client.send(client.http2.reset(streamId));
      }),
    );
    await asks();
    expect(await storedStates()).toBe(0);
    trunk.close();
  });

  it("are gone with their channels and trunks, also when the object did not see them go", async () => {
    const trunk = await openTrunk();
    const clients: ControlClient[] = [];
    for (let n = 50; n < 66; n++) clients.push(await connect(device(n), { fetch: trunk.fetch }));
    for (const client of clients) {
      for (let i = 0; i < 40; i++) {
        await client.send(client.http2.request("POST", "/machine/map", undefined, { endStream: false }).bytes);
      }
      await client.response(await client.request("GET", "/machine/whoami"));
    }
    expect(await storedStates()).toBeGreaterThan(0);
    trunk.close();
    await expect.poll(storedStates).toBe(0);
    await runInDurableObject(tailnetFor(env), (_, { storage }) => storage.kv.put("trunk/dead/7", new Uint8Array(9)));
    await evict();
    await tailnetFor(env).health(); // asks who is connected
    expect(await storedStates()).toBe(0);
  });
});

describe("a client that takes nothing", () => {
  /** Fills the tailnet until a netmap has many kilobytes that do not compress. */
  async function fill(from: number, count: number): Promise<void> {
    for (let n = from; n < from + count; n++) {
      const { client } = await join(device(n), `big-${n}`);
      const key = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(6_000))));
      const Hostinfo = { Hostname: `big-${n}`, OS: "linux", sshHostKeys: [`ssh-ed25519 ${key()}`] };
      await tellEndpoint(client, n, "192.0.2.1:1", { Hostinfo });
      client.close();
    }
  }

  beforeAll(async () => await fill(70, 12));

  it("gets all of it when it takes it at last, byte for byte, across evictions", async () => {
    const trunk = await openTrunk(false);
    const number = trunk.nextChannel;
    const { client } = await join(device(93), "late", { fetch: trunk.fetch });
    const streams: number[] = [];
    for (let i = 0; i < 8; i++) streams.push(await client.request("POST", "/machine/map", mapBody(device(93), READ)));
    const received = () => bytesIn(trunk.framesOf(number));
    await expect.poll(received).toBeGreaterThan(WINDOW - (24 << 10));
    let credited = 0;
    for (let i = 0; i < 15 && streams.some((id) => !client.http2.response(id).ended); i++) {
      await evict();
      const taken = Math.min(received() - credited, 60_000);
      credited += taken;
      const before = received();
      trunk.send(frame("CREDIT", number, credit(taken)));
      const hasMore = () => received() > before || streams.every((id) => client.http2.response(id).ended);
      await vi.waitFor(() => expect(hasMore()).toBe(true), { timeout: 5_000 }).catch(() => undefined);
      expect(received() - credited).toBeLessThanOrEqual(WINDOW);
    }
    const peers = streams.map((id) => (client.messages(id)[0]?.Peers as Json[] | undefined)?.length);
    expect(peers[0]).toBeGreaterThan(10);
    expect(peers).toEqual(Array(8).fill(peers[0]));
    trunk.close();
  });

  it("is sent no more than the window, holds up nobody, and is dropped after a minute", async () => {
    const trunk = await openTrunk(false);
    const good = await join(device(90), "takes", { fetch: trunk.fetch });
    const number = trunk.nextChannel;
    const { client: stuck } = await join(device(91), "stuck", { fetch: trunk.fetch });
    for (let i = 0; i < 8; i++) await stuck.request("POST", "/machine/map", mapBody(device(91)));
    await expect.poll(() => bytesIn(trunk.framesOf(number))).toBeGreaterThan(WINDOW - (24 << 10));
    for (let i = 0; i < 150; i++) await stuck.send(stuck.http2.ping(new Uint8Array(8).fill(i)));
    await tellEndpoint(good.client, 90, "192.0.2.90:1");
    expect(bytesIn(trunk.framesOf(number))).toBeLessThanOrEqual(WINDOW);
    await ring(40_000);
    expect(stuck.closeCode).toBeUndefined();
    await ring(120_000);
    await stuck.until(() => stuck.closeCode !== undefined, "the close").catch(() => undefined);
    expect(stuck.closeCode).toBe(1008);
    expect(bytesIn(trunk.framesOf(number))).toBeLessThanOrEqual(WINDOW + 2); // CLOSE has a payload too
    expect((await tellEndpoint(good.client, 90, "192.0.2.90:2")).status).toBe(200);
    const held = await runInDurableObject(tailnetFor(env), (_, { storage }) =>
      storage.sql.exec("select 1 from stream_bytes").toArray(),
    );
    expect(held).toEqual([]);
    trunk.close();
  });

  it("and makes the server speak on is dropped before it has been sent more than the window", async () => {
    const trunk = await openTrunk(false);
    const number = trunk.nextChannel;
    const { client } = await join(device(92), "greedy", { fetch: trunk.fetch });
    for (let i = 0; i < 8; i++) await client.request("POST", "/machine/map", mapBody(device(92), READ));
    await expect.poll(() => bytesIn(trunk.framesOf(number))).toBeGreaterThan(WINDOW - (24 << 10));
    const ping = async () => {
      const answered = client.http2.pingAcks.length + 190;
      for (let n = 0; n < 190; n++) await client.send(client.http2.ping(new Uint8Array(8)));
      await client.until(() => client.http2.pingAcks.length === answered, "the answers");
    };
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    try {
      // Below what counts as a flood, which ends after 30 s.
      for (let round = 0; round < 3; round++) {
        await ping().catch(() => undefined);
        vi.setSystemTime(Date.now() + 31_000);
      }
    } finally {
      vi.useRealTimers();
    }
    await client.until(() => client.closeCode !== undefined, "the close").catch(() => undefined);
    expect(client.closeCode).toBe(1008);
    expect(bytesIn(trunk.framesOf(number))).toBeLessThanOrEqual(WINDOW + 2);
    trunk.close();
  });

  it("but slowly is kept for as long as it goes on", async () => {
    const trunk = await openTrunk(false);
    const number = trunk.nextChannel;
    const { client } = await join(device(94), "slow", { fetch: trunk.fetch });
    for (let i = 0; i < 8; i++) await client.request("POST", "/machine/map", mapBody(device(94), READ));
    const received = () => bytesIn(trunk.framesOf(number));
    await expect.poll(received).toBeGreaterThan(WINDOW - (24 << 10));
    const start = Date.now();
    vi.useFakeTimers({ toFake: ["Date"], now: start });
    try {
      for (let round = 1; round <= 8; round++) {
        vi.setSystemTime(start + round * 50_000);
        const before = received();
        trunk.send(frame("CREDIT", number, credit(30_000)));
        await expect.poll(received).toBeGreaterThan(before);
        await runDurableObjectAlarm(tailnetFor(env));
        expect(client.closeCode).toBeUndefined();
      }
      vi.setSystemTime(start + 600_000);
      await runDurableObjectAlarm(tailnetFor(env));
    } finally {
      vi.useRealTimers();
    }
    await client.until(() => client.closeCode !== undefined, "the close").catch(() => undefined);
    expect(client.closeCode).toBe(1008);
    trunk.close();
  });
});
