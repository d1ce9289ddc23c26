// How trunks come and go: shared while they are dialled, filled one after another, watched, given up, and done without
// before a Worker that does not know them. The Worker's end is real.
import { once } from "node:events";
import net, { type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { TRUNK_PROTOCOL } from "../../../worker/protocol/trunk/frame.ts";
import { connectRaw, controlRequest, type RawClient } from "../../testing/raw-client.ts";
import { turns } from "../../testing/settled.ts";
import { type StandInOptions, startStandIn } from "../../testing/stand-in-worker.ts";
import { startTestGateway } from "../../testing/test-gateway.ts";
import { startTrunkWorker, type TrunkWorkerOptions } from "../../testing/trunk-worker.ts";
import type { EndCause } from "../bridge/bridges.ts";
import { ignoreUntilClose } from "../bridge/socket-end.ts";
import { Tunnel } from "../bridge/tunnel.ts";
import { HEARTBEAT_MS, TRUNK_ASK_AGAIN_MS, TRUNK_SPARE_MS } from "../limits.ts";
import { openWebSocket } from "../upstream/handshake.ts";
import { createUpstream } from "../upstream/upstream.ts";
import type { StreamEnd, WorkerStream } from "../websocket/worker-stream.ts";
import { TrunkPool } from "./trunk-pool.ts";

const INITIATION = Uint8Array.of(1, 2, 3);
const STAYS = new AbortController().signal;

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const polled = (read: () => unknown) => expect.poll(read, { interval: 2 });

/** Now in whole milliseconds, so that times added to it are exact. */
const wholeNow = () => Math.ceil(performance.now());

async function poolBefore(options: TrunkWorkerOptions = {}) {
  const worker = await startTrunkWorker(options);
  cleanUps.push(() => worker.close());
  const upstream = createUpstream(worker.url);
  const target = { path: "/ts2021", protocol: TRUNK_PROTOCOL, headers: [] };
  const pool = new TrunkPool((signal) => openWebSocket(upstream, target, signal));
  cleanUps.push(() => pool.close());
  const open = async (signal = STAYS): Promise<WorkerStream> => {
    const outcome = await pool.open(INITIATION, signal);
    if (outcome.kind !== "opened") throw new Error(JSON.stringify(outcome));
    return outcome.connection;
  };
  return { worker, pool, open, openMany: (count: number) => Promise.all(Array.from({ length: count }, () => open())) };
}

/** Listens to a channel as a tunnel does. */
function listen(stream: WorkerStream) {
  const seen: { text: string; end: StreamEnd | undefined } = { text: "", end: undefined };
  stream.listen({
    data: (bytes) => {
      seen.text += Buffer.from(bytes).toString();
    },
    close: (end) => {
      seen.end = end;
    },
  });
  stream.resume();
  return seen;
}

describe("clients that come together", () => {
  it("share the trunk that is being dialled, sixteen each, and further ones are dialled at the same time", async () => {
    const gate = Promise.withResolvers<void>();
    const { worker, pool, openMany } = await poolBefore({ beforeUpgrade: () => gate.promise });
    const opened = openMany(40);
    await polled(() => worker.upgrades.length).toBe(3);
    await sleep(50);
    gate.resolve();
    await opened;
    expect(worker.upgrades).toHaveLength(3);
    expect(pool.size).toBe(3);
    expect(pool.channels).toBe(40);
    const sizes = worker.trunks.map((trunk) => worker.channels.filter((channel) => channel.trunk === trunk).length);
    expect(sizes.toSorted((a, b) => a - b)).toEqual([8, 16, 16]);
  });

  it("cost one message and not one each", async () => {
    const { worker, open, openMany } = await poolBefore();
    await open();
    const streams = await openMany(10);
    const [trunk] = worker.trunks;
    expect(trunk?.messages.map((frames) => frames.length)).toEqual([1, 10]);
    for (const stream of streams) stream.send([Buffer.from("one "), Buffer.from("two")], () => {});
    for (const stream of streams) stream.close(1000);
    await polled(() => trunk?.messages.length).toBe(3);
    expect(trunk?.messages[2]?.map(({ type }) => type)).toEqual([
      ...Array(10).fill("data"),
      ...Array(10).fill("close"),
    ]);
  });

  it("have a dial that ends when the last of them has left, and not before", async () => {
    let ended = 0;
    const { worker, pool } = await poolBefore({
      onUpgrade: (_, socket: Socket) => {
        socket.on("end", () => (ended += 1)).resume();
        return true;
      },
    });
    const [one, other] = [new AbortController(), new AbortController()];
    const opened = [pool.open(INITIATION, one.signal), pool.open(INITIATION, other.signal)];
    await polled(() => worker.upgrades.length).toBe(1);
    one.abort();
    await opened[0];
    await sleep(50);
    expect(ended).toBe(0);
    other.abort();
    await opened[1];
    await polled(() => ended).toBe(1);
    expect(pool.size).toBe(0);
  });
});

describe("clients that come one after another", () => {
  it("fill the oldest trunk that has room", async () => {
    const { worker, pool, openMany, open } = await poolBefore();
    const streams = await openMany(17);
    expect(pool.size).toBe(2);
    streams[0]?.terminate();
    await open();
    await polled(() => worker.channels.length).toBe(18);
    expect(pool.channels).toBe(17);
    await openMany(15);
    expect(pool.size).toBe(2);
    await open();
    expect(pool.size).toBe(3);
  });
});

describe("a trunk on which an OPEN brought nothing, not even other bytes", () => {
  it("gets no further ones until it is heard again: its path may be gone, and that shows late", async () => {
    let isDeaf = true;
    const { worker, pool, open } = await poolBefore({
      onOpen: (channel) => {
        if (!isDeaf) channel.accept();
      },
    });
    const leaving = new AbortController();
    const first = pool.open(INITIATION, leaving.signal);
    await polled(() => worker.channels.length).toBe(1);
    leaving.abort();
    await first;
    isDeaf = false;
    await open();
    expect(worker.trunks).toHaveLength(2);
    worker.channels[0]?.accept();
    await sleep(50);
    await open();
    expect(worker.channels.map(({ trunk }) => worker.trunks.indexOf(trunk))).toContain(1);
    const before = pool.channels;
    await Promise.all(Array.from({ length: 30 }, () => open()));
    expect(pool.channels).toBe(before + 30);
    expect(pool.size).toBe(2);
  });
});

describe("a message that is too long for a frame", () => {
  it("goes out in several, told as written once", async () => {
    const { worker, open } = await poolBefore();
    const stream = await open();
    let written = 0;
    const parts = [Buffer.alloc(150_000, 1), Buffer.alloc(10, 2)];
    stream.send(parts, () => (written += 1));
    await polled(() => worker.channels[0]?.received.length).toBe(150_010);
    expect(worker.channels[0]?.received.equals(Buffer.concat(parts))).toBe(true);
    expect(written).toBe(1);
  });
});

describe("a heartbeat", () => {
  it("pings a silent Worker once for all channels, and ends all of them after two pings without an answer", async () => {
    const { worker, pool, openMany } = await poolBefore();
    const streams = await openMany(3);
    const heard = streams.map(listen);
    const [trunk] = worker.trunks;
    trunk?.webSocket.pause(); // no pongs, and the kernel takes what is sent
    let pings = 0;
    const start = wholeNow();
    // What is written is seen by the Worker later, so pings are counted when it reads again.
    trunk?.webSocket.on("ping", () => (pings += 1));
    for (let second = 5; second <= 90; second += 5) pool.beat(start + second * 1_000);
    expect(heard.map(({ end }) => end)).toEqual(Array(3).fill(undefined));
    for (let second = 95; second <= 100; second += 5) pool.beat(start + second * 1_000);
    await polled(() => heard.map(({ end }) => end?.fault)).toEqual(Array(3).fill("silence"));
    expect(pool.size).toBe(0);
    trunk?.webSocket.resume();
    await polled(() => trunk?.closeCode).toBe(1006);
    expect(pings).toBe(2);
  });

  it("takes any channel's bytes, or a pong, as a sign of life of all", async () => {
    for (const isTalking of [true, false]) {
      const { worker, pool, openMany } = await poolBefore();
      const streams = await openMany(2);
      const [first, second] = streams.map(listen);
      let pings = 0;
      worker.trunks[0]?.webSocket.on("ping", () => (pings += 1));
      const start = wholeNow();
      for (let at = 5; at <= 400; at += 5) {
        if (isTalking && at % 45 === 0) {
          const { length } = first?.text ?? "";
          worker.channels[0]?.send("x");
          await polled(() => first?.text.length).toBe(length + 1);
        }
        pool.beat(start + at * 1_000);
        if (!isTalking) await turns();
      }
      expect([first?.end, second?.end]).toEqual([undefined, undefined]);
      if (isTalking) expect(pings).toBe(0);
      else await polled(() => pings).toBeGreaterThan(3);
    }
  });

  it("never takes a client that does not read for a silent Worker", async () => {
    const { worker, pool, openMany } = await poolBefore();
    const [slow, quick] = await openMany(2);
    listen(slow as WorkerStream);
    const heard = listen(quick as WorkerStream);
    slow?.pause();
    worker.channels[0]?.send(Buffer.alloc(1 << 20));
    await polled(() => slow?.heldBytes).toBe(256 << 10);
    const start = wholeNow();
    for (let second = 5; second <= 600; second += 5) {
      pool.beat(start + second * 1_000);
      await turns();
    }
    worker.channels[1]?.send("still here");
    await polled(() => heard.text).toBe("still here");
  });
});

describe("a client that takes nothing for two minutes", () => {
  it("loses its channel, and the others do not notice", async () => {
    const { worker, pool, open } = await poolBefore();
    const stream = await open();
    const other = listen(await open());
    const listener = net.createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const outer = net.connect((listener.address() as net.AddressInfo).port, "127.0.0.1").pause();
    const [inner] = (await once(listener, "connection")) as [net.Socket];
    outer.on("error", ignoreUntilClose);
    inner.on("error", ignoreUntilClose);
    cleanUps.push(() => {
      outer.destroy();
      inner.destroy();
      listener.close();
    });
    const { promise: ended, resolve } = Promise.withResolvers<EndCause>();
    const traffic = { toWorker: 0, toClient: 0 };
    const tunnel = new Tunnel({
      kind: "control",
      client: inner,
      worker: stream,
      traffic,
      onEnd: (_, cause) => resolve(cause),
    });
    tunnel.start([]);
    worker.channels[0]?.send(Buffer.alloc(40 << 20)); // more than the kernel takes
    await polled(() => stream.isPaused && worker.channels[0]?.window === 0).toBe(true);
    const start = wholeNow();
    for (let second = 5; second <= 120; second += 5) tunnel.beat(start + second * 1_000);
    expect(tunnel.bufferedBytes).toBeGreaterThan(0);
    expect(worker.channels[0]?.closeCode).toBeUndefined();
    tunnel.beat(start + 125_000);
    expect(await ended).toBe("client-stalled");
    await polled(() => worker.channels[0]?.closeCode).toBe(1000);
    worker.channels[1]?.send("still here");
    await polled(() => other.text).toBe("still here");
    expect(pool.channels).toBe(1);
  });
});

describe("a trunk without clients", () => {
  it("is kept for clients that come back, one for longer than the others", async () => {
    const { worker, pool, openMany } = await poolBefore();
    const streams = await openMany(40);
    for (const stream of streams) stream.terminate();
    const start = wholeNow();
    pool.beat(start);
    expect(pool.size).toBe(3);
    pool.beat(start + HEARTBEAT_MS);
    expect(pool.size).toBe(1);
    await polled(() => worker.trunks.filter(({ closeCode }) => closeCode === 1000).length).toBe(2);
    for (let at = 2 * HEARTBEAT_MS; at < TRUNK_SPARE_MS; at += HEARTBEAT_MS) pool.beat(start + at);
    expect(pool.size).toBe(1);
    const [back] = await openMany(1);
    pool.beat(start + TRUNK_SPARE_MS);
    back?.terminate();
    pool.beat(start + TRUNK_SPARE_MS + HEARTBEAT_MS);
    pool.beat(start + 2 * TRUNK_SPARE_MS);
    expect(pool.size).toBe(1);
    pool.beat(start + 2 * TRUNK_SPARE_MS + HEARTBEAT_MS);
    expect(pool.size).toBe(0);
    await polled(() => worker.trunks.map(({ closeCode }) => closeCode)).toEqual([1000, 1000, 1000]);
    expect(worker.trunks).toHaveLength(3);
  });

  it("ends at once while the gateway drains, and others when their last client goes", async () => {
    const { worker, pool, openMany } = await poolBefore();
    const streams = await openMany(18);
    for (const stream of streams.slice(16)) stream.terminate();
    pool.drain();
    await polled(() => worker.trunks.filter(({ closeCode }) => closeCode === 1001).length).toBe(1);
    for (const stream of streams.slice(0, 16)) stream.close(1001);
    await polled(() => worker.trunks.filter(({ closeCode }) => closeCode === 1001).length).toBe(2);
    expect(worker.channels.slice(0, 16).every(({ closeCode }) => closeCode === 1001)).toBe(true);
  });
});

describe("a Worker that does not know trunks", () => {
  async function gatewayBefore(options: StandInOptions) {
    const asked: string[] = [];
    const worker = await startStandIn({
      ...options,
      onUpgrade: (request, socket) => {
        asked.push(request.headers["sec-websocket-protocol"] ?? "");
        return options.onUpgrade?.(request, socket) ?? false;
      },
    });
    cleanUps.push(() => worker.close());
    const gateway = await startTestGateway(worker.url);
    cleanUps.push(() => gateway.gateway.drain(0));
    const join = async (): Promise<RawClient> => {
      const client = await connectRaw(gateway.httpPort);
      cleanUps.push(() => client.socket.destroy());
      client.send(controlRequest());
      expect(await client.head()).toMatch(/^HTTP\/1\.1 101 /);
      return client;
    };
    return { worker, asked, join };
  }

  it("is used with single WebSockets, and asked again after a while", async () => {
    const { asked, join } = await gatewayBefore({});
    const single = "tailscale-control-protocol";
    await join();
    await join();
    expect(asked).toEqual([TRUNK_PROTOCOL, single, single]);
    const now = performance.now.bind(performance);
    const later = vi.spyOn(performance, "now").mockImplementation(() => now() + TRUNK_ASK_AGAIN_MS);
    cleanUps.push(() => later.mockRestore());
    await join();
    expect(asked).toEqual([TRUNK_PROTOCOL, single, single, TRUNK_PROTOCOL, single]);
  });

  it("may say so by choosing the other subprotocol, or none, or 400 to a crowd", async () => {
    const { asked, join } = await gatewayBefore({});
    await Promise.all(Array.from({ length: 40 }, join));
    expect(asked.filter((protocol) => protocol === TRUNK_PROTOCOL).length).toBeLessThanOrEqual(3);
    const chooses = await gatewayBefore({ knowsTrunks: true, choose: "tailscale-control-protocol" });
    await chooses.join();
    expect(chooses.asked).toEqual([TRUNK_PROTOCOL, "tailscale-control-protocol"]);
  });

  it("is not one that is being deployed: it is asked for a trunk again", async () => {
    let refusals = 0;
    const worker = await startTrunkWorker({
      onUpgrade: (_, socket: Socket) => {
        refusals += 1;
        if (refusals === 1) socket.destroy();
        else if (refusals === 2) socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        return refusals <= 2;
      },
    });
    cleanUps.push(() => worker.close());
    const gateway = await startTestGateway(worker.url);
    cleanUps.push(() => gateway.gateway.drain(0));
    const client = await connectRaw(gateway.httpPort);
    client.send(controlRequest());
    expect(await client.head()).toMatch(/^HTTP\/1\.1 101 /);
    expect(worker.trunks).toHaveLength(1);
    expect(worker.channels).toHaveLength(1);
    client.socket.destroy();
  });
});
