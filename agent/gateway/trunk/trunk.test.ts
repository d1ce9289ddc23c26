// Clients of a gateway whose Worker speaks trunks: what each of them sees is what it sees over a WebSocket of its own.
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { TRUNK_FULL, TRUNK_PROTOCOL, TRUNK_WINDOW } from "../../../worker/protocol/trunk/frame.ts";
import { connectRaw, controlRequest, derpRequest, type RawClient } from "../../testing/raw-client.ts";
import { settled, turns } from "../../testing/settled.ts";
import { startTestGateway, type TestGateway } from "../../testing/test-gateway.ts";
import {
  startTrunkWorker,
  type TrunkWorker,
  type TrunkWorkerOptions,
  type WorkerChannel,
} from "../../testing/trunk-worker.ts";
import { DialLimiter } from "../upstream/dial-limiter.ts";

const CONTROL_HEAD =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: tailscale-control-protocol\r\nConnection: upgrade\r\n\r\n";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface Setting {
  readonly worker: TrunkWorker;
  readonly gateway: TestGateway;
  /** A client that has asked for a control connection. */
  readonly ask: (handshake?: string) => Promise<RawClient>;
  /** A client with its connection, and the Worker's end of it. */
  readonly join: () => Promise<{ client: RawClient; channel: WorkerChannel }>;
}

async function setUp(options: TrunkWorkerOptions = {}): Promise<Setting> {
  const worker = await startTrunkWorker(options);
  cleanUps.push(() => worker.close());
  const gateway = await startTestGateway(worker.url);
  cleanUps.push(() => gateway.gateway.drain(0));
  const ask = async (handshake?: string) => {
    const client = await connectRaw(gateway.httpPort);
    cleanUps.push(() => client.socket.destroy());
    client.send(controlRequest(handshake));
    return client;
  };
  const join = async () => {
    const client = await ask();
    expect(await client.head()).toBe(CONTROL_HEAD);
    return { client, channel: worker.channels.at(-1) as WorkerChannel };
  };
  return { worker, gateway, ask, join };
}

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const polled = (read: () => unknown) => expect.poll(read, { interval: 2 });

describe("a connection on a trunk", () => {
  it("is opened with the client's initiation, answered with the exact head, and carries bytes both ways", async () => {
    const first = randomBytes(51);
    const { worker, ask } = await setUp({ onOpen: (channel) => channel.accept(first) });
    const client = await ask("ab+/cQ==");
    expect(await client.head()).toBe(CONTROL_HEAD);
    expect(first.equals(await client.bytes(51))).toBe(true);
    const { request } = worker.trunks[0] ?? {};
    expect(request?.url).toBe("/ts2021");
    expect(request?.headers["sec-websocket-protocol"]).toBe(TRUNK_PROTOCOL);
    expect(request?.headers.via).toMatch(/^1\.1 flarescale-/);
    expect(request?.headers["x-forwarded-for"]).toBeUndefined();
    const [channel] = worker.channels;
    expect(Buffer.from(channel?.initiation ?? []).toString("base64")).toBe("ab+/cQ==");
    client.send("record");
    await polled(() => String(channel?.received)).toBe("record");
    channel?.send("answer");
    expect(String(await client.bytes(6))).toBe("answer");
  });

  it("takes what the client sent early first, and says nothing before the Worker's answer", async () => {
    const { worker, ask } = await setUp({ onOpen: () => {} });
    const client = await ask();
    client.send("early ");
    await polled(() => worker.channels.length).toBe(1);
    await sleep(50);
    client.send("and later");
    await sleep(50);
    expect(client.received).toHaveLength(0);
    worker.channels[0]?.accept(Buffer.from("first"));
    expect(await client.head()).toBe(CONTROL_HEAD);
    expect(String(await client.bytes(5))).toBe("first");
    await polled(() => String(worker.channels[0]?.received)).toBe("early and later");
  });

  it("carries every byte in order, however either side cuts them", async () => {
    const { join } = await setUp();
    const chunks = fc
      .array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70_000 })), {
        minLength: 1,
        maxLength: 60,
      })
      .map((lengths) => lengths.map((length) => randomBytes(length)));
    await fc.assert(
      fc.asyncProperty(chunks, chunks, async (up, down) => {
        const { client, channel } = await join();
        for (const chunk of up) client.send(chunk);
        for (const chunk of down) channel.send(chunk);
        const [upward, downward] = [Buffer.concat(up), Buffer.concat(down)];
        expect(digest(await client.bytes(downward.length))).toBe(digest(downward));
        await polled(() => channel.received.length).toBe(upward.length);
        expect(digest(channel.received)).toBe(digest(upward));
        client.socket.destroy();
      }),
      { numRuns: 15 },
    );
  });

  it("keeps its bytes apart from those of the fifteen others", async () => {
    const { worker, ask } = await setUp({ onData: (channel, bytes) => channel.send(bytes) });
    const clients = await Promise.all(Array.from({ length: 16 }, () => ask()));
    await Promise.all(clients.map((client) => client.head()));
    expect(worker.trunks).toHaveLength(1);
    const sent = clients.map(() => randomBytes(100_000));
    for (let at = 0; at < 100_000; at += 1_000) {
      for (const [i, client] of clients.entries()) client.send((sent[i] as Buffer).subarray(at, at + 1_000));
    }
    const echoed = await Promise.all(clients.map((client) => client.bytes(100_000)));
    expect(echoed.map(digest)).toEqual(sent.map(digest));
  });

  it("leaves relays on a WebSocket of their own", async () => {
    const worker = await startTrunkWorker();
    cleanUps.push(() => worker.close());
    const gateway = await startTestGateway(worker.url);
    cleanUps.push(() => gateway.gateway.drain(0));
    const client = await connectRaw(gateway.httpPort);
    cleanUps.push(() => client.socket.destroy());
    client.send(derpRequest());
    expect(await client.head()).toMatch(/^HTTP\/1\.1 101 /);
    expect(worker.upgrades.map(({ headers }) => headers["sec-websocket-protocol"])).toEqual(["derp"]);
  });
});

describe("how it ends", () => {
  it("tells the Worker 1000 when the client ends or resets, after all that it sent", async () => {
    const { gateway, join } = await setUp();
    const bytes = randomBytes(300_000);
    const ended = await join();
    ended.client.socket.end(bytes);
    await polled(() => ended.channel.closeCode).toBe(1000);
    expect(digest(ended.channel.received)).toBe(digest(bytes));
    const reset = await join();
    reset.client.socket.resetAndDestroy();
    await polled(() => reset.channel.closeCode).toBe(1000);
    expect(reset.channel.trunk).toBe(ended.channel.trunk);
    expect(gateway.gateway.bridges).toBe(0);
  });

  it.each([1000, 1001, 1012])("gives the client the last bytes and a FIN when the Worker says %i", async (code) => {
    const { gateway, join } = await setUp();
    const { client, channel } = await join();
    const bytes = randomBytes(200_000);
    channel.send(bytes);
    channel.close(code);
    expect(digest(await client.rest())).toBe(digest(bytes));
    expect(client.error).toBeUndefined();
    expect(gateway.gateway.bridges).toBe(0);
    expect(gateway.events).toEqual([]);
  });

  it("resets the client of a Worker that says an error, and nobody else", async () => {
    const { join } = await setUp();
    const one = await join();
    const other = await join();
    one.channel.close(1011);
    await one.client.rest();
    expect(one.client.error?.code).toBe("ECONNRESET");
    other.channel.send("still here");
    expect(String(await other.client.bytes(10))).toBe("still here");
  });

  it("ends all of its clients when the trunk ends: with a FIN after a clean end, else with a reset", async () => {
    for (const isClean of [true, false]) {
      const { worker, gateway, ask } = await setUp();
      const clients = await Promise.all([ask(), ask(), ask()]);
      await Promise.all(clients.map((client) => client.head()));
      const [trunk] = worker.trunks;
      if (isClean) trunk?.webSocket.close(1001);
      else trunk?.webSocket.terminate();
      await Promise.all(clients.map((client) => client.rest()));
      expect(clients.map(({ error }) => error?.code)).toEqual(Array(3).fill(isClean ? undefined : "ECONNRESET"));
      expect(gateway.gateway.bridges).toBe(0);
    }
  });

  it("tells the Worker 1001 when the gateway drains, after what was queued, and then ends the trunk", async () => {
    const { worker, gateway, join } = await setUp();
    const { client, channel } = await join();
    const words = randomBytes(3_000);
    client.send(words);
    await turns();
    const drained = gateway.gateway.drain(25);
    await polled(() => channel.closeCode).toBe(1001);
    expect(digest(channel.received)).toBe(digest(words));
    await client.rest();
    expect(client.error).toBeUndefined();
    client.socket.end();
    expect(await drained).toMatchObject({ bridges: 1, ended: { drain: 1 } });
    await polled(() => worker.trunks[0]?.closeCode).toBe(1001);
  });
});

describe("a refusal", () => {
  const refused = async (status: number, text: string, retryAfter: number) => {
    const setting = await setUp({ onOpen: (channel) => channel.refuse(status, text, retryAfter) });
    const client = await setting.ask();
    const head = await client.head();
    return { ...setting, head, body: String(await client.rest()) };
  };

  it("reaches the client with its status, its words and its Retry-After", async () => {
    const { worker, gateway, head, body } = await refused(429, "slow down", 7);
    expect(head).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\n[\s\S]*Retry-After: 7\r\n/);
    expect(body).toBe("slow down\n");
    expect(worker.channels).toHaveLength(1);
    expect(gateway.events.map(({ fields }) => fields.cause)).toEqual(["worker-status"]);
    expect(gateway.gateway.bridges).toBe(0);
  });

  it("is not tried again when the Worker names a time to come back", async () => {
    const { worker, head } = await refused(503, "busy", 60);
    expect(head).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: 60\r\n/);
    expect(worker.channels).toHaveLength(1);
  });

  it.each([0, 101, 200, 302, 600, 65_535])("becomes 502 when its status is %i", async (status) => {
    const { head } = await refused(status, "", 1);
    expect(head).toMatch(/^HTTP\/1\.1 502 /);
  });

  it("is tried again while the Worker is being deployed", async () => {
    let opens = 0;
    const { ask } = await setUp({ onOpen: (channel) => (++opens < 3 ? channel.refuse(503) : channel.accept()) });
    expect(await (await ask()).head()).toBe(CONTROL_HEAD);
    expect(opens).toBe(3);
  });

  it("leads to another trunk at once when it says that the trunk is full, and back when there is room", async () => {
    let full: number | undefined;
    const { worker, join } = await setUp({
      onOpen: (channel) =>
        channel.trunk === worker.trunks[0] && channel.id === full ? channel.refuse(503, TRUNK_FULL) : channel.accept(),
    });
    const first = await join();
    full = 2;
    const turns = vi.spyOn(DialLimiter.prototype, "take");
    cleanUps.push(() => turns.mockRestore());
    const second = await join();
    expect(turns).toHaveBeenCalledTimes(1); // it was no retry, which pauses first
    expect(worker.trunks.indexOf(second.channel.trunk)).toBe(1);
    expect(worker.trunks.indexOf((await join()).channel.trunk)).toBe(1);
    first.client.socket.destroy();
    await polled(() => first.channel.closeCode).toBe(1000);
    const later = [await join(), await join()];
    expect(later.map(({ channel }) => worker.trunks.indexOf(channel.trunk))).toContain(1);
    expect(worker.trunks).toHaveLength(2);
  });

  it("of every trunk as full ends with 502 or 503 and not in a loop", async () => {
    const { worker, ask } = await setUp({ onOpen: (channel) => channel.refuse(503, TRUNK_FULL) });
    expect(await (await ask()).head()).toMatch(/^HTTP\/1\.1 50[23] /);
    expect(worker.channels.length).toBeLessThan(40);
  });
});

describe("an OPEN without an answer", () => {
  it("is made again when the trunk dies", async () => {
    const { worker, ask } = await setUp({
      onOpen: (channel) => (worker.trunks.length === 1 ? channel.trunk.webSocket.terminate() : channel.accept()),
    });
    expect(await (await ask()).head()).toBe(CONTROL_HEAD);
    expect(worker.trunks).toHaveLength(2);
  });

  it("is made again at once on another trunk when it crosses with the end of one that had no channel", async () => {
    const { worker, ask } = await setUp({
      onOpen: (channel) => (worker.trunks.length === 1 ? channel.trunk.webSocket.close(1000) : channel.accept()),
    });
    const turns = vi.spyOn(DialLimiter.prototype, "take");
    cleanUps.push(() => turns.mockRestore());
    expect(await (await ask()).head()).toBe(CONTROL_HEAD);
    expect(turns).toHaveBeenCalledTimes(1);
  });

  it("is made again when the Worker closes the channel instead", async () => {
    let opens = 0;
    const { ask } = await setUp({ onOpen: (channel) => (++opens === 1 ? channel.close(1011) : channel.accept()) });
    expect(await (await ask()).head()).toBe(CONTROL_HEAD);
  });

  it("is withdrawn when its client leaves; a late answer means nothing, and others go on", async () => {
    const { worker, gateway, ask } = await setUp({ onOpen: () => {} });
    const leaving = await ask();
    await polled(() => worker.channels.length).toBe(1);
    leaving.socket.destroy();
    await polled(() => worker.channels[0]?.closeCode).toBe(1000);
    worker.channels[0]?.accept(randomBytes(51));
    worker.channels[0]?.send("too late");
    await sleep(50);
    const staying = await ask();
    await polled(() => worker.channels.length).toBe(2);
    worker.channels[1]?.accept();
    expect(await staying.head()).toBe(CONTROL_HEAD);
    expect(worker.trunks).toHaveLength(1);
    expect(gateway.gateway.bridges).toBe(1);
    expect(gateway.events).toEqual([]);
  });

  it("ends with 502 within the client's patience, and is withdrawn", async () => {
    const { worker, ask } = await setUp({ onOpen: () => {} });
    const client = await ask();
    expect(await client.head()).toMatch(/^HTTP\/1\.1 502 /);
    await polled(() => worker.channels[0]?.closeCode).toBe(1000);
  });

  it("gives no bridge when it is answered after the drain has begun", async () => {
    const { worker, gateway, ask } = await setUp({ onOpen: () => {} });
    const client = await ask();
    await polled(() => worker.channels.length).toBe(1);
    const drained = gateway.gateway.drain(25);
    worker.channels[0]?.accept();
    expect(await client.head()).toMatch(/^HTTP\/1\.1 503 /);
    client.socket.end();
    expect(await drained).toMatchObject({ bridges: 0, ended: {} });
    expect(worker.channels[0]?.closeCode).toBe(1000);
  });
});

describe("a client that does not read", () => {
  it("holds up itself alone: the Worker runs out of credit for it, and others hear at once", async () => {
    const { worker, join } = await setUp();
    const slow = await join();
    const quick = await join();
    slow.client.socket.pause();
    const total = 40 << 20;
    const bytes = randomBytes(total);
    slow.channel.send(bytes);
    const left = await settled(() => slow.channel.waiting);
    expect(slow.channel.window).toBe(0);
    expect(left).toBeGreaterThan(total / 2);
    const credits = slow.channel.credits;
    for (let i = 0; i < 50; i++) {
      quick.channel.send(`news ${i}`);
      expect(String(await quick.client.bytes(`news ${i}`.length))).toBe(`news ${i}`);
    }
    expect(slow.channel.credits).toBe(credits);
    expect(worker.trunks).toHaveLength(1);
    slow.client.socket.resume();
    expect(digest(await slow.client.bytes(total))).toBe(digest(bytes));
  });

  it("gets what it was sent before the end, when it reads at last", async () => {
    const { join } = await setUp();
    const { client, channel } = await join();
    client.socket.pause();
    const bytes = randomBytes(12 << 20);
    channel.send(bytes);
    await sleep(200);
    const sent = bytes.length - channel.waiting;
    channel.close(1000);
    await sleep(50);
    client.socket.resume();
    expect(digest(await client.rest())).toBe(digest(bytes.subarray(0, sent)));
    expect(client.error).toBeUndefined();
  });
});

describe("credit", () => {
  it("is not worth a message for the little that idle clients are told", async () => {
    const { join } = await setUp();
    const { client, channel } = await join();
    for (let i = 0; i < 100; i++) {
      channel.send(randomBytes(1_000));
      await client.bytes(1_000);
    }
    expect(channel.credits).toBe(0);
    expect(channel.trunk.messages).toHaveLength(1);
  });

  it("comes for half a window at a time, and never for more than was taken", async () => {
    const { join } = await setUp();
    const { client, channel } = await join();
    const total = 20 * TRUNK_WINDOW;
    channel.send(randomBytes(total));
    await client.bytes(total);
    await polled(() => channel.credits).toBeGreaterThanOrEqual(20);
    expect(channel.credits).toBeLessThanOrEqual(40);
    await polled(() => channel.window).toBeGreaterThanOrEqual(TRUNK_WINDOW / 2);
    expect(channel.window).toBeLessThanOrEqual(TRUNK_WINDOW);
  });
});

describe("a client that floods", () => {
  it("starves nobody, and no more of it waits than of a client with a WebSocket of its own", async () => {
    const { join } = await setUp();
    const flood = await join();
    const quiet = await join();
    const { webSocket } = flood.channel.trunk;
    webSocket.pause();
    const chunk = randomBytes(1 << 20);
    for (let i = 0; i < 60; i++) flood.client.send(chunk);
    await sleep(300);
    expect(flood.client.socket.writableLength).toBeGreaterThan(1 << 20); // it is not read any more
    quiet.client.send("a word");
    await turns();
    webSocket.resume();
    await polled(() => String(quiet.channel.received)).toBe("a word");
    expect(flood.channel.received.length).toBeLessThan(30 << 20);
  });
});
