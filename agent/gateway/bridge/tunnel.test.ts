import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { RawClient } from "../../testing/raw-client.ts";
import { settled, turns } from "../../testing/settled.ts";
import { PAUSE_ABOVE } from "../limits.ts";
import { openWebSocket } from "../upstream/handshake.ts";
import { createUpstream } from "../upstream/upstream.ts";
import type { EndCause, Traffic } from "./bridges.ts";
import { ignoreUntilClose } from "./socket-end.ts";
import { Tunnel } from "./tunnel.ts";

interface Bench {
  readonly client: RawClient;
  /** The gateway's end of the client's connection. */
  readonly inner: net.Socket;
  /** The Worker's end. */
  readonly worker: WebSocket;
  readonly tunnel: Tunnel;
  readonly traffic: Traffic;
  readonly ended: Promise<EndCause>;
}

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A client, a tunnel and a Worker on real sockets. */
async function bench(options: { early?: Buffer[]; autoPong?: boolean } = {}): Promise<Bench> {
  const listener = net.createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  const workers = new WebSocketServer({ port: 0, host: "127.0.0.1", autoPong: options.autoPong ?? true });
  await Promise.all([once(listener, "listening"), once(workers, "listening")]);
  const { port } = workers.address() as net.AddressInfo;
  const outer = net.connect({ port: (listener.address() as net.AddressInfo).port, allowHalfOpen: true });
  const upstream = createUpstream(new URL(`http://127.0.0.1:${port}`));
  const target = { path: "/", protocol: "bench", headers: [] };
  const dialled = openWebSocket(upstream, target, new AbortController().signal);
  const [[inner], [worker]] = (await Promise.all([
    once(listener, "connection"),
    once(workers, "connection"),
    once(outer, "connect"),
  ])) as unknown as [[net.Socket], [WebSocket]];
  const outcome = await dialled;
  if (outcome.kind === "refused") throw new Error(outcome.text);
  const toWorker = outcome.connection;
  inner.on("error", ignoreUntilClose);
  worker.on("error", ignoreUntilClose);
  cleanUps.push(() => {
    outer.destroy();
    inner.destroy();
    worker.terminate();
    toWorker.terminate();
    listener.close();
    workers.close();
  });
  const traffic = { toWorker: 0, toClient: 0 };
  const { promise: ended, resolve } = Promise.withResolvers<EndCause>();
  const tunnel = new Tunnel({
    kind: "control",
    client: inner,
    worker: toWorker,
    traffic,
    onEnd: (_, cause) => resolve(cause),
  });
  tunnel.start(options.early ?? []);
  return { client: new RawClient(outer), inner, worker, tunnel, traffic, ended };
}

/** Collects binary messages until so many bytes are there. */
function collect(worker: WebSocket, length: number): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  let received = 0;
  return new Promise((resolve) => {
    worker.on("message", (message: Buffer, isBinary) => {
      expect(isBinary).toBe(true);
      messages.push(message);
      received += message.length;
      if (received >= length) resolve(messages);
    });
  });
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Random chunks: from single bytes to more than one read. */
const chunks = fc
  .array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70_000 })), { minLength: 1, maxLength: 80 })
  .map((lengths) => lengths.map((length) => randomBytes(length)));

describe("Tunnel", () => {
  it("carries every byte in order, both ways at once, however either side cuts them", async () => {
    await fc.assert(
      fc.asyncProperty(chunks, chunks, async (up, down) => {
        const { client, worker, traffic } = await bench();
        const [upward, downward] = [Buffer.concat(up), Buffer.concat(down)];
        const arrived = collect(worker, upward.length);
        for (const chunk of up) client.send(chunk);
        for (const chunk of down) worker.send(chunk);
        expect(digest(await client.bytes(downward.length))).toBe(digest(downward));
        const messages = await arrived;
        expect(digest(Buffer.concat(messages))).toBe(digest(upward));
        expect(Math.max(...messages.map((message) => message.length))).toBeLessThanOrEqual(65_536);
        expect(traffic).toEqual({ toWorker: upward.length, toClient: downward.length });
      }),
      { numRuns: 25 },
    );
  });

  it("forwards what came before the bridge first", async () => {
    const { client, worker } = await bench({ early: [Buffer.from("ab"), Buffer.from("cd")] });
    const arrived = collect(worker, 6);
    client.send("ef");
    expect(Buffer.concat(await arrived).toString()).toBe("abcdef");
  });

  it("sends a small read at once and alone", async () => {
    const { client, worker } = await bench();
    for (const word of ["one", "two", "three"]) {
      const arrived = collect(worker, word.length);
      client.send(word);
      expect((await arrived).map(String)).toEqual([word]);
      worker.removeAllListeners("message");
    }
  });

  it("stops reading a client whose Worker does not read, within the limit", async () => {
    const { client, worker, tunnel } = await bench();
    worker.pause();
    const total = 40_000 * 1_000;
    const bytes = randomBytes(40_000);
    for (let i = 0; i < total / bytes.length; i++) client.send(bytes);
    await sleep(500);
    expect(client.socket.writableLength).toBeGreaterThan(1_000_000);
    expect(tunnel.bufferedBytes).toBeLessThanOrEqual(PAUSE_ABOVE + 65_536 + 1_024);
    const arrived = collect(worker, total);
    worker.resume();
    expect((await arrived).reduce((sum, message) => sum + message.length, 0)).toBe(total);
    expect(tunnel.bufferedBytes).toBe(0);
  });

  it("joins the reads of one turn of the event loop", async () => {
    const { inner, worker } = await bench();
    const arrived = collect(worker, 3_000);
    for (let i = 0; i < 3; i++) inner.emit("data", Buffer.alloc(1_000, i));
    expect((await arrived).map((message) => message.length)).toEqual([3_000]);
  });

  it("joins small reads that wait, up to 64 KiB a message", async () => {
    const { inner, worker } = await bench();
    worker.pause();
    const filling = randomBytes(16 << 20); // more than the kernel takes, so that what follows waits
    inner.emit("data", filling);
    const small = Array.from({ length: 100 }, () => randomBytes(1_000));
    for (const read of small) inner.emit("data", read);
    const arrived = collect(worker, filling.length + 100_000);
    worker.resume();
    const [first, ...joined] = await arrived;
    expect(first?.length).toBe(filling.length);
    expect(joined.map((message) => message.length)).toEqual([65_000, 35_000]);
    expect(digest(Buffer.concat(joined))).toBe(digest(Buffer.concat(small)));
  });

  it("counts what it costs to keep a read, so that single bytes are not free", async () => {
    const { inner, worker, tunnel } = await bench();
    worker.pause();
    inner.emit("data", randomBytes(16 << 20));
    const before = tunnel.bufferedBytes;
    for (let i = 0; i < 100; i++) inner.emit("data", Buffer.from("x"));
    expect(tunnel.bufferedBytes - before).toBeGreaterThan(100 * 200);
  });

  it("stops reading a Worker whose client does not read, within the limit", async () => {
    const { client, worker, tunnel } = await bench();
    client.socket.pause();
    const total = 40_000 * 1_000;
    const bytes = randomBytes(40_000);
    for (let i = 0; i < total / bytes.length; i++) worker.send(bytes);
    await sleep(500);
    expect(worker.bufferedAmount).toBeGreaterThan(1_000_000);
    expect(tunnel.bufferedBytes).toBeLessThanOrEqual(PAUSE_ABOVE);
    client.socket.resume();
    expect((await client.bytes(total)).length).toBe(total);
  });

  it("takes a client's FIN as the end of both ways: all it sent arrives, and what the Worker still says too", async () => {
    const { client, worker, ended } = await bench();
    const bytes = randomBytes(300_000);
    const arrived = collect(worker, bytes.length);
    const closed = once(worker, "close");
    worker.on("message", () => worker.send("last words", { binary: true }));
    client.socket.end(bytes);
    expect(digest(Buffer.concat(await arrived))).toBe(digest(bytes));
    expect((await closed)[0]).toBe(1000);
    expect((await client.rest()).toString()).toMatch(/^(last words)+$/);
    expect(client.error).toBeUndefined();
    expect(await ended).toBe("client-closed");
  });

  it.each([1000, 1001, 1012])("passes the Worker's last bytes and then a FIN when it closes with %i", async (code) => {
    const { client, worker, ended } = await bench();
    const bytes = randomBytes(500_000);
    worker.send(bytes);
    worker.close(code);
    expect(digest(await client.rest())).toBe(digest(bytes));
    expect(client.hasEnded).toBe(true);
    expect(client.error).toBeUndefined();
    expect(await ended).toBe("worker-closed");
  });

  it("resets the client when the Worker closes with an error code, or breaks off", async () => {
    for (const end of [(w: WebSocket) => w.close(1011), (w: WebSocket) => w.terminate()]) {
      const { client, worker, ended } = await bench();
      worker.send(Buffer.from("before"));
      expect((await client.bytes(6)).toString()).toBe("before");
      end(worker);
      await client.rest();
      expect(client.error?.code).toBe("ECONNRESET");
      expect(await ended).toBe("worker-error");
    }
  });

  it("closes 1000 to the Worker when the client resets", async () => {
    const { client, worker, ended } = await bench();
    const closed = once(worker, "close");
    client.socket.resetAndDestroy();
    expect((await closed)[0]).toBe(1000);
    expect(await ended).toBe("client-reset");
  });

  it("closes 1003 on a text message", async () => {
    const { client, worker, ended } = await bench();
    const closed = once(worker, "close");
    worker.send("text");
    expect((await closed)[0]).toBe(1003);
    expect(await ended).toBe("worker-violation");
    expect((await client.rest()).length).toBe(0);
  });

  it("closes 1001 to the Worker and a FIN to the client when it drains, both with their last bytes", async () => {
    const { client, worker, tunnel, ended } = await bench();
    worker.send(Buffer.from("downward"));
    expect((await client.bytes(8)).toString()).toBe("downward");
    const closed = once(worker, "close");
    tunnel.drain();
    expect((await closed)[0]).toBe(1001);
    await client.rest();
    expect(client.hasEnded).toBe(true);
    expect(await ended).toBe("drain");
  });

  it("pings a Worker after 50 s of silence, again after 70, and ends after 90", async () => {
    const { client, worker, tunnel, ended } = await bench({ autoPong: false });
    const start = performance.now();
    let pings = 0;
    worker.on("ping", () => pings++);
    const pingsAt: number[] = [];
    for (let second = 5; second <= 85; second += 5) {
      const before = pings;
      tunnel.beat(start + second * 1_000);
      const passed = once(worker, "message");
      client.send("after the ping");
      await passed;
      if (pings > before) pingsAt.push(second);
    }
    expect(pingsAt).toEqual([50, 70]);
    expect(client.isOver).toBe(false);
    tunnel.beat(start + 90_000);
    expect(await ended).toBe("worker-silent");
    await client.rest();
    expect(client.error?.code).toBe("ECONNRESET");
  });

  it("never pings a Worker that says something every 47 s, and ends 90 s after it has fallen silent", async () => {
    const { client, worker, tunnel, ended } = await bench({ autoPong: false });
    let pings = 0;
    worker.on("ping", () => pings++);
    const start = performance.now();
    let keepAlives = 0;
    for (let second = 5; second <= 500; second += 5) {
      if (Math.floor(second / 47) > keepAlives) {
        keepAlives += 1;
        worker.send(Buffer.from("keep-alive"));
        await client.bytes(10);
      }
      tunnel.beat(start + second * 1_000);
    }
    await sleep(20);
    expect(pings).toBe(0);
    for (let second = 505; second <= 560; second += 5) tunnel.beat(start + second * 1_000);
    expect(client.isOver).toBe(false);
    for (let second = 565; second <= 595; second += 5) tunnel.beat(start + second * 1_000);
    expect(await ended).toBe("worker-silent");
  });

  it("takes a pong, or any message, as a sign of life", async () => {
    for (const autoPong of [true, false]) {
      const { client, worker, tunnel } = await bench({ autoPong });
      const start = performance.now();
      for (let second = 5; second <= 600; second += 5) {
        tunnel.beat(start + second * 1_000);
        if (!autoPong && second % 80 === 0) worker.send(Buffer.from("x"));
        if (second % 20 === 0) await turns(); // for the answer to come
      }
      expect(client.isOver).toBe(false);
    }
  });

  it("ends a client that takes nothing for two minutes, and does not blame the Worker", async () => {
    const { client, worker, tunnel, ended } = await bench();
    client.socket.pause();
    for (let i = 0; i < 2_000; i++) worker.send(randomBytes(16_384)); // more than the kernel takes
    expect(await settled(() => worker.bufferedAmount)).toBeGreaterThan(0);
    const now = performance.now();
    for (let second = 5; second < 125; second += 5) tunnel.beat(now + second * 1_000);
    expect(tunnel.bufferedBytes).toBeGreaterThan(0);
    tunnel.beat(now + 125_000);
    expect(await ended).toBe("client-stalled");
  });

  it("lets a client that takes something every minute be slow, and then hears the Worker anew", async () => {
    const { client, worker, tunnel } = await bench({ autoPong: false });
    const total = 40 << 20;
    let taken = 0;
    client.socket.on("data", (chunk: Buffer) => {
      taken += chunk.length;
    });
    for (let i = 0; i < 40; i++) worker.send(randomBytes(1 << 20));
    const start = performance.now();
    for (let minute = 1; minute <= 5; minute++) {
      const before = taken;
      client.socket.resume();
      await expect.poll(() => taken, { interval: 1 }).toBeGreaterThan(before + (1 << 20));
      client.socket.pause();
      await sleep(50);
      for (let second = 0; second < 60; second += 5) tunnel.beat(start + (minute * 60 + second) * 1_000);
      expect(client.isOver).toBe(false);
    }
    client.socket.resume();
    await expect.poll(() => taken, { interval: 1 }).toBe(total);
    tunnel.beat(start + 400_000); // silence counts from when the Worker could be heard again
    await sleep(20);
    expect(client.isOver).toBe(false);
  });
});
