// A Worker that is broken, or another one than the gateway thinks: what no Worker of ours sends ends its trunk, and
// nothing else. The gateway goes on, keeps no bridge, and clients come back on another trunk.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import {
  encodeTrunkFrame,
  encodeTrunkHeader,
  TRUNK_FULL,
  TRUNK_MAX_PAYLOAD,
  TrunkFrameType,
} from "../../../worker/protocol/trunk/frame.ts";
import { connectRaw, controlRequest, type RawClient } from "../../testing/raw-client.ts";
import { settled, turns } from "../../testing/settled.ts";
import { startTestGateway } from "../../testing/test-gateway.ts";
import { startTrunkWorker, type TrunkWorkerOptions, type WorkerChannel } from "../../testing/trunk-worker.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const polled = (read: () => unknown) => expect.poll(read, { interval: 2 });

async function setUp(options: TrunkWorkerOptions = {}) {
  const worker = await startTrunkWorker({ onData: (channel, bytes) => channel.send(bytes), ...options });
  cleanUps.push(() => worker.close());
  const gateway = await startTestGateway(worker.url);
  cleanUps.push(() => gateway.gateway.drain(0));
  const ask = async () => {
    const client = await connectRaw(gateway.httpPort);
    cleanUps.push(() => client.socket.destroy());
    client.send(controlRequest());
    return client;
  };
  const join = async () => {
    const client = await ask();
    expect(await client.head()).toMatch(/^HTTP\/1\.1 101 /);
    return client;
  };
  return { worker, gateway, ask, join };
}

async function echoes(client: RawClient): Promise<boolean> {
  const bytes = randomBytes(500);
  client.send(bytes);
  return bytes.equals(await client.bytes(500));
}

const data = (channel: number, length = 10) =>
  encodeTrunkFrame({ type: "data", channel, bytes: new Uint8Array(length) });

/** What a Worker may do wrong on a trunk whose first channel is open. */
const VIOLATIONS: readonly [string, (channel: WorkerChannel) => void][] = [
  ["an unknown type", ({ trunk }) => trunk.webSocket.send(encodeTrunkHeader(9, 1, 0))],
  ["a type of gateways", ({ trunk }) => trunk.webSocket.send(encodeTrunkHeader(TrunkFrameType.CREDIT, 1, 4))],
  ["channel 0", ({ trunk }) => trunk.webSocket.send(encodeTrunkHeader(TrunkFrameType.DATA, 0, 0))],
  [
    "a frame that is too long",
    ({ trunk, id }) => trunk.webSocket.send(encodeTrunkHeader(4, id, TRUNK_MAX_PAYLOAD + 1)),
  ],
  ["a CLOSE without a code", ({ trunk, id }) => trunk.webSocket.send(encodeTrunkHeader(TrunkFrameType.CLOSE, id, 0))],
  ["bytes on a channel that was never opened", ({ trunk }) => trunk.webSocket.send(data(500))],
  [
    "the end of a channel that was never opened",
    ({ trunk }) => trunk.send({ type: "close", channel: 500, code: 1000 }),
  ],
  [
    "an answer to an OPEN that was never made",
    ({ trunk }) => trunk.send({ type: "accept", channel: 500, bytes: data(1) }),
  ],
  ["a second ACCEPT", (channel) => channel.accept()],
  ["a REFUSE after the ACCEPT", (channel) => channel.refuse(503, TRUNK_FULL)],
  ["a text message", ({ trunk }) => trunk.webSocket.send("text")],
  ["sound frames before a wrong one", ({ trunk, id }) => trunk.webSocket.send(Buffer.concat([data(id), data(0)]))],
];

describe("what no Worker sends", () => {
  it.each(VIOLATIONS)("%s ends the trunk and resets its clients; the other trunk goes on", async (_, violate) => {
    const { worker, gateway, join } = await setUp();
    const clients = await Promise.all(Array.from({ length: 17 }, join));
    const [first] = worker.trunks;
    const victims = worker.channels.filter(({ trunk }) => trunk === first).length;
    violate(worker.channels.find(({ trunk }) => trunk === first) as WorkerChannel);
    await polled(() => gateway.gateway.bridges).toBe(17 - victims);
    await polled(() => clients.filter(({ isOver }) => isOver).length).toBe(victims);
    expect(clients.filter(({ isOver }) => isOver).map(({ error }) => error?.code)).toEqual(
      Array(victims).fill("ECONNRESET"),
    );
    const rest = clients.filter(({ isOver }) => !isOver);
    expect(await Promise.all(rest.map(echoes))).toEqual(rest.map(() => true));
    expect(new Set(gateway.events.map(({ fields }) => fields.cause))).toEqual(new Set(["worker-violation"]));
    await polled(() => first?.closeCode).toBeGreaterThanOrEqual(1002);
    expect(await echoes(await join())).toBe(true);
  });

  it("bytes before the answer to an OPEN end the trunk; the client is tried elsewhere", async () => {
    const { worker, gateway, join } = await setUp({
      onOpen: (channel) =>
        worker.trunks.length === 1 ? channel.trunk.webSocket.send(data(channel.id)) : channel.accept(),
    });
    expect(await echoes(await join())).toBe(true);
    expect(worker.trunks).toHaveLength(2);
    expect(gateway.gateway.bridges).toBe(1);
  });

  it("more than the window ends the trunk, whoever reads how slowly", async () => {
    const { worker, gateway, join } = await setUp();
    const slow = await join();
    const other = await join();
    slow.socket.pause();
    const channel = worker.channels[0] as WorkerChannel;
    channel.send(Buffer.alloc(40 << 20)); // so much that the kernel cannot hide it
    await settled(() => channel.waiting);
    expect(channel.window).toBe(0);
    channel.trunk.webSocket.send(data(channel.id, 1));
    await other.rest();
    expect(other.error?.code).toBe("ECONNRESET");
    expect(gateway.events[0]?.fields.cause).toBe("worker-violation");
    slow.socket.destroy();
    await polled(() => gateway.gateway.bridges).toBe(0);
    expect(await echoes(await join())).toBe(true);
  });
});

describe("what may come late", () => {
  it("is ignored: bytes, ends and answers of channels that have ended, on either side's word", async () => {
    const { worker, gateway, join } = await setUp();
    const left = await join();
    const ended = await join();
    const staying = await join();
    const [one, two] = worker.channels;
    left.socket.destroy();
    await polled(() => one?.closeCode).toBe(1000);
    two?.close(1000);
    await ended.rest();
    for (const channel of [one, two] as WorkerChannel[]) {
      channel.trunk.webSocket.send(data(channel.id));
      channel.close(1011);
      channel.accept();
      channel.refuse(500);
    }
    expect(await echoes(staying)).toBe(true);
    expect(gateway.gateway.bridges).toBe(1);
    expect(gateway.events).toEqual([]);
    expect(worker.trunks).toHaveLength(1);
  });
});

it("whatever bytes come, the gateway goes on and no bridge is left over", async () => {
  const { worker, gateway, join } = await setUp();
  const frame = fc
    .tuple(fc.nat(8), fc.nat(40), fc.nat(3), fc.uint8Array({ maxLength: 40 }))
    .map(([type, length, channel, rest]) => Buffer.concat([encodeTrunkHeader(type, channel, length), rest]));
  const junk = fc.oneof(
    fc.array(frame, { maxLength: 5 }).map((frames) => Buffer.concat(frames)),
    fc.uint8Array({ maxLength: 200 }),
  );
  await fc.assert(
    fc.asyncProperty(junk, async (bytes) => {
      const client = await join();
      worker.channels.at(-1)?.trunk.webSocket.send(bytes);
      await turns();
      client.socket.destroy();
      await polled(() => gateway.gateway.bridges).toBe(0);
      // The trunk may wait for the rest of a frame, and would take for it what comes next.
      for (const { webSocket } of worker.trunks) webSocket.terminate();
      await turns();
    }),
    { numRuns: 60 },
  );
  expect(await echoes(await join())).toBe(true);
});
