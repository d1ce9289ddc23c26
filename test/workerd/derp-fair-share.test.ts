// Rates and shares in the relay itself, with the region's limits set low: a flooder is cut back to its share, the others
// keep theirs, the queue of a slow receiver stays bounded, and whoever goes on beyond its announced rate is sent away.
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TailnetObject } from "../../worker/objects/tailnet-object.ts";
import { concat } from "../../worker/protocol/bytes.ts";
import { DERP_MESSAGE_COST, DERP_MIN_RATE, DERP_SEND_WINDOW } from "../../worker/protocol/limits.ts";
import { packetFrame } from "../support/derp-client.ts";
import { closeAll, evictRelay, join, nextFrame, type RelayClient, relay, settle } from "./support/relay.ts";

let seed = 70_000;
const PACKET = 1_000;
/** Header, key and content. */
const FRAME = 5 + 32 + PACKET;
const settings = env as unknown as Record<string, string>;

beforeEach(() => {
  vi.spyOn(TailnetObject.prototype, "whichMayUseRelay").mockImplementation((keys) => [...keys]);
  vi.useFakeTimers({ now: Date.now() + ++seed * 60_000, toFake: ["Date"] }); // no budget grows by itself, none is inherited
});
afterEach(async () => {
  await closeAll();
  vi.useRealTimers();
  vi.restoreAllMocks();
  await limit({ DERP_REGION_BYTES_PER_SECOND: "", DERP_CLIENT_BYTES_PER_SECOND: "" });
});

/** Sets limits; the object reads them when it is made. */
async function limit(values: Record<string, string>): Promise<void> {
  Object.assign(settings, values);
  await evictRelay();
}

function send(from: RelayClient, to: RelayClient, count: number): void {
  from.socket.send(concat(Array.from({ length: count }, () => packetFrame(to.publicKey, new Uint8Array(PACKET)))));
}

/** Sends messages of 200 packets. */
function sendMany(from: RelayClient, to: RelayClient, messages: number): void {
  for (let i = 0; i < messages; i++) send(from, to, 200);
}

/** How many packets of each source have come; what waits is taken. */
async function receivedBy(client: RelayClient): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { type, payload } of await settle(client)) {
    if (type !== 5) continue;
    const source = payload.slice(0, 32).join();
    counts.set(source, (counts.get(source) ?? 0) + 1);
  }
  return counts;
}

describe("when a region is full", () => {
  it("a flooder gets its share and each other client all that it sends within its own", async () => {
    const rate = 4_000_000;
    await limit({ DERP_REGION_BYTES_PER_SECOND: String(rate) });
    const [flooder, one, two, sink] = [await join(++seed), await join(++seed), await join(++seed), await join(++seed)];
    for (const each of [one, two]) send(each, sink, 1); // all three are known to send in this second
    send(flooder, sink, 1);
    await settle(flooder);
    await receivedBy(sink);
    const limitedBefore = (await relay().statistics()).packetsLimited;
    const got = new Map<string, number>();
    for (let second = 0; second < 5; second++) {
      sendMany(flooder, sink, 50); // 10 MB, more than twice the region
      for (const each of [one, two]) sendMany(each, sink, 4); // 0.8 MB, within a third
      for (const each of [flooder, one, two]) await settle(each);
      for (const [source, count] of await receivedBy(sink)) got.set(source, (got.get(source) ?? 0) + count);
      vi.setSystemTime(Date.now() + 1_000);
    }
    const of = (client: RelayClient) => got.get(client.publicKey.join()) ?? 0;
    expect([of(one), of(two)]).toEqual([4_000, 4_000]);
    // The flooder gets what they leave: the region's five seconds and its burst, less what they and the messages cost.
    const all = (6 * rate) / FRAME;
    expect(of(flooder)).toBeGreaterThan(5 * (rate / 3 / FRAME) - 5 * 50);
    expect(of(flooder)).toBeLessThan(all - 8_000);
    const { packetsLimited } = await relay().statistics();
    expect(packetsLimited - limitedBefore).toBe(50_000 - of(flooder));
  });

  it("many small messages count for what they cost, not for their bytes", async () => {
    await limit({ DERP_REGION_BYTES_PER_SECOND: "1000000" });
    const [flooder, other, sink] = [await join(++seed), await join(++seed), await join(++seed)];
    send(other, sink, 1);
    for (let i = 0; i < 1_000; i++) send(flooder, sink, 1);
    send(other, sink, 200);
    await settle(flooder);
    await settle(other);
    const got = await receivedBy(sink);
    const passed = got.get(flooder.publicKey.join()) ?? 0;
    expect(passed).toBeLessThan(1_000_000 / DERP_MESSAGE_COST + 1);
    expect(got.get(other.publicKey.join())).toBe(201);
  });

  it("a client alone may use all of it", async () => {
    await limit({ DERP_REGION_BYTES_PER_SECOND: "2000000" });
    const [sender, sink] = [await join(++seed), await join(++seed)];
    for (let i = 0; i < 9; i++) send(sender, sink, 200); // 1.87 MB and nine messages
    await settle(sender);
    expect((await receivedBy(sink)).get(sender.publicKey.join())).toBe(1_800);
  });
});

describe("a flood to one slow receiver", () => {
  it("loses its own packets, counted, while a third client's packets through the same relay all arrive", async () => {
    const [flooder, slow, steady, sink] = [
      await join(++seed),
      await join(++seed),
      await join(++seed),
      await join(++seed),
    ];
    const before = await relay().statistics();
    const rounds = Math.ceil((3 * DERP_SEND_WINDOW) / (200 * FRAME));
    for (let i = 0; i < rounds; i++) {
      send(flooder, slow, 200);
      send(steady, sink, 10);
      if (i % 8 === 7) await settle(steady); // the sender is answered all the while
    }
    await settle(flooder);
    await settle(steady);
    expect((await receivedBy(sink)).get(steady.publicKey.join())).toBe(10 * rounds);
    const { packetsDropped, packetsRelayed } = await relay().statistics();
    const inFlight = DERP_SEND_WINDOW / FRAME + 200 + 32;
    expect(packetsDropped - before.packetsDropped).toBeGreaterThan(200 * rounds - inFlight);
    expect(packetsRelayed - before.packetsRelayed).toBe(210 * rounds);
    // What the slow one gets in the end is a window and a queue, no more: the relay kept no more for it.
    expect((await receivedBy(slow)).get(flooder.publicKey.join())).toBeLessThan(inFlight);
  });
});

describe("a client's own rate", () => {
  const rate = DERP_MIN_RATE * 4;

  it("is announced at login, holds without a burst of others, and is not exceeded by a new connection", async () => {
    await limit({ DERP_CLIENT_BYTES_PER_SECOND: String(rate) });
    const sink = await join(++seed);
    const from = ++seed;
    const sender = await join(from);
    for (let i = 0; i < 5; i++) send(sender, sink, 200);
    await settle(sender);
    const passed = (await receivedBy(sink)).get(sender.publicKey.join()) ?? 0;
    expect(passed).toBe(Math.floor((2 * Math.ceil(rate / 4)) / FRAME));
    const again = await join(from);
    send(again, sink, 10);
    await settle(again);
    expect((await receivedBy(sink)).size).toBe(0);
    vi.setSystemTime(Date.now() + 1_000);
    send(again, sink, 10);
    await settle(again);
    expect((await receivedBy(sink)).get(sender.publicKey.join())).toBe(10);
  });

  it("exceeded for ten seconds' worth ends the connection, and hurts nobody else", async () => {
    await limit({ DERP_CLIENT_BYTES_PER_SECOND: String(rate) });
    const [flooder, one, two] = [await join(++seed), await join(++seed), await join(++seed)];
    sendMany(flooder, two, Math.ceil((12 * rate) / (200 * FRAME)));
    expect(await flooder.closed).toEqual({ code: 1008, reason: "client exceeds its rate" });
    send(one, two, 3);
    let arrived = 0;
    while (arrived < 3) {
      const { type, payload } = await nextFrame(two);
      if (type === 5 && payload.slice(0, 32).join() === one.publicKey.join()) arrived++;
    }
    expect((await relay().statistics()).packetsLimited).toBeGreaterThan(0);
  });
});
