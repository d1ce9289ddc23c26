// The relay inside workerd, spoken to by clients that share no code with it; and the same with the object evicted
// between any two frames.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TailnetObject } from "../../worker/objects/tailnet-object.ts";
import { concat, toHex, utf8 } from "../../worker/protocol/bytes.ts";
import { nodeKeyOf } from "../../worker/protocol/keys.ts";
import {
  DERP_MAX_CONNECTIONS_PER_KEY,
  DERP_MAX_PENDING_LOGINS,
  DERP_MAX_QUEUED_BYTES,
  DERP_SEND_WINDOW,
} from "../../worker/protocol/limits.ts";
import { type DerpFrame, discoPacket, frameOf, packetFrame } from "../support/derp-client.ts";
import {
  closeAll,
  connect,
  evictRelay,
  join,
  nextFrame,
  privateKey,
  type RelayClient,
  relay,
  settle,
} from "./support/relay.ts";

const PEER_GONE = 8;
const RECV_PACKET = 5;

/** What the tailnet says of a node key; yes unless a test says otherwise. */
let mayUseRelay: (nodeKey: string) => boolean | Promise<boolean> = () => true;

// The tailnet's own answer is tested with the tailnet; here it is the test's.
beforeEach(() => {
  mayUseRelay = () => true;
  vi.spyOn(TailnetObject.prototype, "whichMayUseRelay").mockImplementation((async (keys: readonly string[]) => {
    const may = await Promise.all(keys.map(async (key) => mayUseRelay(key)));
    return keys.filter((_, i) => may[i]);
  }) as never);
});

let seed = 1000;
afterEach(async () => {
  vi.useRealTimers();
  await closeAll();
  vi.restoreAllMocks();
});

/** Clients with keys of their own. */
async function joinAll(count: number): Promise<RelayClient[]> {
  const clients: RelayClient[] = [];
  for (let i = 0; i < count; i++) clients.push(await join(++seed));
  return clients;
}

/** A pair of clients. */
async function pair(): Promise<[RelayClient, RelayClient]> {
  return [await join(++seed), await join(++seed)];
}

function packetOf(source: RelayClient, text: string): DerpFrame {
  return { type: RECV_PACKET, payload: concat([source.publicKey, utf8(text)]) };
}

function gone(peer: RelayClient, reason: number): DerpFrame {
  return { type: PEER_GONE, payload: concat([peer.publicKey, Uint8Array.of(reason)]) };
}

describe("a login", () => {
  it("is answered with the server's info", async () => {
    const client = await connect(++seed);
    expect(await client.logIn()).toEqual({ version: 2 });
  });

  it("asks the tailnet about the proven node key", async () => {
    const asked: string[] = [];
    mayUseRelay = (key) => {
      asked.push(key);
      return true;
    };
    const client = await join(++seed);
    expect(asked).toEqual([nodeKeyOf(client.publicKey)]);
  });

  it("does not ask again for a minute after a yes", async () => {
    await join(++seed);
    mayUseRelay = () => false;
    await join(seed);
  });

  it("of a node that may not use the relay ends in a close", async () => {
    mayUseRelay = () => false;
    const client = await connect(++seed);
    await client.sendClientInfo();
    expect(await client.closed).toEqual({ code: 1008, reason: "node may not use this relay" });
  });

  it("ends in a close when the tailnet cannot be asked", async () => {
    mayUseRelay = () => {
      throw new Error("tailnet is down");
    };
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const client = await connect(++seed);
    await client.sendClientInfo();
    expect(await client.closed).toEqual({ code: 1013, reason: "cannot tell now who may use this relay" });
    expect(log).toHaveBeenCalledOnce();
  });

  it("works byte by byte", async () => {
    const client = await connect(++seed, 1);
    expect(await client.logIn()).toEqual({ version: 2 });
  });

  it("keeps what the client sends before it is admitted", async () => {
    const peer = await join(++seed);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    mayUseRelay = () => promise;
    const client = await connect(++seed);
    await client.sendClientInfo();
    client.sendFrame(7, Uint8Array.of(1));
    client.sendPacket(peer.publicKey, utf8("early"));
    client.sendPacket(peer.publicKey, utf8("bird"));
    resolve(true);
    expect(await nextFrame(peer)).toEqual(packetOf(client, "early"));
    expect(await nextFrame(peer)).toEqual(packetOf(client, "bird"));
  });

  it("is offered the same server key after an eviction and after another connection", async () => {
    const first = await (await connect(++seed)).next();
    await evictRelay();
    const second = await (await connect(++seed)).next();
    expect(toHex(second.payload)).toBe(toHex(first.payload));
  });

  it("that does not come is cut off by the alarm", async () => {
    const idle = await connect(++seed);
    await idle.next();
    const member = await join(++seed);
    vi.useFakeTimers({ now: Date.now() + 11_000, toFake: ["Date"] });
    await runDurableObjectAlarm(relay());
    expect(await idle.closed).toEqual({ code: 1008, reason: "login took too long" });
    await settle(member);
  });
});

describe("packets", () => {
  it("go to their destination with the sender's key, one frame each, in order", async () => {
    const [a, b] = await pair();
    const texts = Array.from({ length: 50 }, (_, i) => `packet ${i}`);
    for (const text of texts) a.sendPacket(b.publicKey, utf8(text));
    for (const text of texts) expect(await nextFrame(b)).toEqual(packetOf(a, text));
    b.sendPacket(a.publicKey, utf8("back"));
    expect(await nextFrame(a)).toEqual(packetOf(b, "back"));
  });

  it("to oneself come back", async () => {
    const a = await join(++seed);
    a.sendPacket(a.publicKey, utf8("self"));
    expect(await nextFrame(a)).toEqual(packetOf(a, "self"));
  });

  it.each([1, 7, 1000, 16_000])("come through whole when they are sent in pieces of %i bytes", async (chunk) => {
    const a = await connect(++seed, chunk);
    await a.logIn();
    const b = await join(++seed);
    const size = chunk === 1 ? 6_000 : 65_536;
    const packet = crypto.getRandomValues(new Uint8Array(size));
    a.sendPacket(b.publicKey, packet);
    a.sendPacket(b.publicKey, utf8("next"));
    const frame = await nextFrame(b);
    expect(frame.type).toBe(RECV_PACKET);
    expect(toHex(frame.payload.subarray(32))).toBe(toHex(packet));
    expect(await nextFrame(b)).toEqual(packetOf(a, "next"));
  });

  it("of one message for several peers are told apart", async () => {
    const [a, b, c] = (await joinAll(3)) as [RelayClient, RelayClient, RelayClient];
    const to = (peer: RelayClient, text: string) => packetFrame(peer.publicKey, utf8(text));
    a.socket.send(
      concat([to(b, "b1"), to(b, "b2"), to(c, "c1"), frameOf(6, new Uint8Array(0)), to(b, "b3"), to(c, "c2")]),
    );
    for (const text of ["b1", "b2", "b3"]) expect(await nextFrame(b)).toEqual(packetOf(a, text));
    for (const text of ["c1", "c2"]) expect(await nextFrame(c)).toEqual(packetOf(a, text));
  });

  it("to a peer that is not here are dropped, and path discovery is answered with the reason, three times at once", async () => {
    const a = await join(++seed);
    const absent = privateKey(++seed);
    a.sendPacket(absent, utf8("data"));
    for (let i = 0; i < 10; i++) a.sendPacket(absent, discoPacket(a.publicKey, utf8("ping")));
    const reports = await settle(a);
    const expected = { type: PEER_GONE, payload: concat([absent, Uint8Array.of(1)]) };
    expect(reports).toEqual([expected, expected, expected]);
  });

  it("of any kind but data are not relayed", async () => {
    const [a, b] = await pair();
    a.sendFrame(6, new Uint8Array(0));
    a.sendFrame(0x42, new Uint8Array(5000));
    a.sendFrame(7, Uint8Array.of(1));
    expect(await settle(a)).toEqual([]);
    expect(await settle(b)).toEqual([]);
  });
});

describe("a peer that leaves", () => {
  it("is reported to those who have heard from it, and to nobody else", async () => {
    const [a, b, c] = (await joinAll(3)) as [RelayClient, RelayClient, RelayClient];
    a.sendPacket(b.publicKey, utf8("x"));
    c.sendPacket(a.publicKey, utf8("y"));
    await nextFrame(b);
    await nextFrame(a);
    a.socket.close();
    expect(await nextFrame(b)).toEqual(gone(a, 0));
    expect(await settle(c)).toEqual([]);
  });

  it("is not reported while another connection of its key is left", async () => {
    const [a, b] = await pair();
    a.sendPacket(b.publicKey, utf8("x"));
    await nextFrame(b);
    const again = await join(seed - 1);
    a.socket.close();
    await a.closed;
    expect(await settle(b)).toEqual([]);
    again.socket.close();
    expect(await nextFrame(b)).toEqual(gone(a, 0));
  });
});

describe("two connections of one key", () => {
  it("share it: the newest receives, until the other one sends", async () => {
    const peer = await join(++seed);
    const older = await join(++seed);
    const newer = await join(seed);
    peer.sendPacket(older.publicKey, utf8("1"));
    expect(await nextFrame(newer)).toEqual(packetOf(peer, "1"));
    await settle(older);
    peer.sendPacket(older.publicKey, utf8("2"));
    expect(await nextFrame(older)).toEqual(packetOf(peer, "2"));
    await evictRelay();
    peer.sendPacket(older.publicKey, utf8("3"));
    expect(await nextFrame(older)).toEqual(packetOf(peer, "3"));
    older.socket.close();
    await older.closed;
    peer.sendPacket(older.publicKey, utf8("4"));
    expect(await nextFrame(newer)).toEqual(packetOf(peer, "4"));
  });

  it("become too many at some point, and the least active is closed", async () => {
    const first = await join(++seed);
    for (let i = 1; i < DERP_MAX_CONNECTIONS_PER_KEY; i++) await join(seed);
    await settle(first);
    expect((await relay().statistics()).connections).toBe(DERP_MAX_CONNECTIONS_PER_KEY);
    await join(seed);
    expect((await relay().statistics()).connections).toBe(DERP_MAX_CONNECTIONS_PER_KEY);
    await settle(first);
  });
});

describe("ping", () => {
  it("is answered with its first 8 bytes", async () => {
    const a = await join(++seed);
    a.sendFrame(0x12, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    expect(await a.next()).toEqual({ type: 0x13, payload: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) });
  });
});

describe("the alarm", () => {
  it("sends keep-alives, also right after an eviction, and sets itself again", async () => {
    const [a, b] = await pair();
    await evictRelay();
    expect(await runDurableObjectAlarm(relay())).toBe(true);
    expect((await nextFrame(a)).type).toBe(6);
    expect((await nextFrame(b)).type).toBe(6);
    const next = await runInDurableObject(relay(), (_, state) => state.storage.getAlarm());
    expect(next).toBeGreaterThan(Date.now());
    expect(next).toBeLessThanOrEqual(Date.now() + 50_000);
  });
});

describe("a slow receiver", () => {
  it("holds up nobody, loses the oldest packets beyond its window, and gets path discovery first", async () => {
    const [a, slow] = await pair();
    const other = await join(++seed);
    const packet = new Uint8Array(60_000);
    const sent = Math.ceil(DERP_SEND_WINDOW / packet.length) + 40;
    for (let i = 0; i < sent; i++) {
      packet[0] = i;
      a.sendPacket(slow.publicKey, packet);
    }
    a.sendPacket(slow.publicKey, discoPacket(a.publicKey, utf8("urgent")));
    a.sendPacket(other.publicKey, utf8("not held up"));
    expect(await nextFrame(other)).toEqual(packetOf(a, "not held up"));
    await settle(a);

    const pings: Uint8Array[] = [];
    const received: DerpFrame[] = [];
    while (received.length * packet.length < DERP_SEND_WINDOW) {
      const frame = await slow.next();
      if (frame.type === 0x12) pings.push(frame.payload);
      else received.push(frame);
    }
    expect(slow.frames.filter((frame) => frame.type === RECV_PACKET)).toEqual([]);
    slow.sendFrame(0x13, pings.at(-1) ?? new Uint8Array(8));
    const next = await nextFrame(slow);
    expect(toHex(next.payload.subarray(32, 38))).toBe("5453f09f92ac");
    const oldest = await nextFrame(slow);
    const kept = Math.floor(DERP_MAX_QUEUED_BYTES / packet.length);
    expect(oldest.payload[32]).toBe(sent - kept);
    for (let i = sent - kept + 1; i < sent; i++) expect((await nextFrame(slow)).payload[32]).toBe(i);
    expect((await relay().statistics()).packetsDropped).toBeGreaterThan(0);
  });

  it("that answers no ping for long is closed", async () => {
    const [a, stuck] = await pair();
    a.sendPacket(stuck.publicKey, new Uint8Array(65_536));
    await stuck.next();
    await settle(a);
    vi.useFakeTimers({ now: Date.now() + 31_000, toFake: ["Date"] });
    await runDurableObjectAlarm(relay());
    expect(await stuck.closed).toEqual({ code: 1008, reason: "client does not read" });
    await settle(a);
  });

  it("that cannot answer pings gets a window for each keep-alive", async () => {
    const a = await join(++seed);
    const prober = await join(++seed, { version: 2 });
    const count = Math.ceil(DERP_SEND_WINDOW / 60_037);
    for (let i = 0; i < count + 5; i++) a.sendPacket(prober.publicKey, new Uint8Array(60_000));
    await settle(a);
    for (let i = 0; i < count; i++) expect((await prober.next()).type).toBe(RECV_PACKET);
    vi.useFakeTimers({ now: Date.now() + 51_000, toFake: ["Date"] });
    await runDurableObjectAlarm(relay());
    const rest = [await prober.next(), await prober.next()].map((frame) => frame.type);
    expect(rest).toEqual([6, RECV_PACKET]);
  });
});

describe("a node whose permission is taken away", () => {
  it("loses its connections and is asked about again", async () => {
    const [a, b] = await pair();
    a.sendPacket(b.publicKey, utf8("x"));
    await nextFrame(b);
    mayUseRelay = (key) => key !== nodeKeyOf(a.publicKey);
    await relay().closeConnectionsOf([nodeKeyOf(a.publicKey), "nonsense"]);
    expect(await a.closed).toEqual({ code: 1008, reason: "node may no longer use this relay" });
    expect(await nextFrame(b)).toEqual(gone(a, 0));
    const again = await connect(seed - 1);
    await again.sendClientInfo();
    expect((await again.closed).code).toBe(1008);
  });
});

describe("hibernation", () => {
  it("between any two frames is not noticed", async () => {
    const a = await connect(++seed);
    await a.next().then((frame) => a.frames.unshift(frame));
    await evictRelay();
    await a.logIn();
    await evictRelay();
    const b = await join(++seed);
    await evictRelay();
    a.sendFrame(7, Uint8Array.of(1));
    await settle(a);
    await evictRelay();
    expect(await relay().statistics()).toMatchObject({ homes: 1 });
    for (let i = 0; i < 3; i++) {
      a.sendPacket(b.publicKey, utf8(`to b ${i}`));
      expect(await nextFrame(b)).toEqual(packetOf(a, `to b ${i}`));
      await evictRelay();
      b.sendPacket(a.publicKey, utf8(`to a ${i}`));
      expect(await nextFrame(a)).toEqual(packetOf(b, `to a ${i}`));
      await evictRelay();
    }
    a.socket.close();
    expect(await nextFrame(b)).toEqual(gone(a, 0));
  });

  it.each([10, 3_000, 4_096, 4_097, 20_000, 65_000])("after %i bytes of a frame loses none of them", async (length) => {
    const [a, b] = await pair();
    const packet = crypto.getRandomValues(new Uint8Array(65_536));
    const frame = concat([packetFrame(b.publicKey, packet), packetFrame(b.publicKey, utf8("next"))]);
    a.socket.send(frame.slice(0, length / 2));
    a.socket.send(frame.slice(length / 2, length));
    await arrived();
    await expect.poll(storedParts).toBe(length <= 4096 ? 0 : length / 2 <= 4096 ? 1 : 2);
    await evictRelay();
    a.socket.send(frame.slice(length, length + 5));
    await arrived();
    await evictRelay();
    a.socket.send(frame.slice(length + 5));
    const received = await nextFrame(b);
    expect(toHex(received.payload.subarray(32))).toBe(toHex(packet));
    expect(await nextFrame(b)).toEqual(packetOf(a, "next"));
    await settle(a);
    expect(await storedParts()).toBe(0);
  });

  it("inside a frame that is skipped goes on skipping", async () => {
    const [a, b] = await pair();
    const unknown = frameOf(0x42, new Uint8Array(50_000).fill(4));
    a.socket.send(unknown.slice(0, 1000));
    await arrived();
    await evictRelay();
    a.socket.send(concat([unknown.slice(1000), packetFrame(b.publicKey, utf8("after"))]));
    expect(await nextFrame(b)).toEqual(packetOf(a, "after"));
  });
});

/** Number of parts of unfinished frames in storage. */
function storedParts(): Promise<number> {
  return runInDurableObject(relay(), (_, state) => [...state.storage.kv.list({ prefix: "partial/" })].length);
}

/** Lets what was sent on a socket reach the object. */
async function arrived(): Promise<void> {
  await relay().statistics();
  await new Promise((resolve) => setTimeout(resolve, 20));
}

describe("a hostile client", () => {
  it.each([
    ["a frame before ClientInfo", frameOf(7, Uint8Array.of(1)), "first frame is not ClientInfo"],
    ["an endless ClientInfo", frameOf(2, new Uint8Array(5000)).slice(0, 5), "frame is longer than its type allows"],
    ["a short ClientInfo", frameOf(2, new Uint8Array(20)), "ClientInfo is too short"],
    ["a forged ClientInfo", frameOf(2, new Uint8Array(200).fill(9)), "ClientInfo is not authentic"],
  ])("with %s is closed", async (_name, bytes, reason) => {
    const client = await connect(++seed);
    client.socket.send(bytes);
    expect(await client.closed).toEqual({ code: 1002, reason });
  });

  it.each([
    ["a packet without destination", frameOf(4, new Uint8Array(31)), "packet without destination"],
    [
      "a packet beyond 64 KiB",
      frameOf(4, new Uint8Array(32 + 65_537)).slice(0, 5),
      "frame is longer than its type allows",
    ],
    ["a short ping", frameOf(0x12, new Uint8Array(7)), "ping is too short"],
    ["a frame of the mesh", frameOf(0x10, new Uint8Array(0)), "client is no member of the mesh"],
  ])("with %s is closed, and what it sent before still arrives", async (_name, bytes, reason) => {
    const [a, b] = await pair();
    a.socket.send(concat([packetFrame(b.publicKey, utf8("before")), bytes]));
    expect(await a.closed).toEqual({ code: 1002, reason });
    expect(await nextFrame(b)).toEqual(packetOf(a, "before"));
    expect(await nextFrame(b)).toEqual(gone(a, 0));
  });

  it("with a text message is closed", async () => {
    const a = await join(++seed);
    a.socket.send("hello");
    expect((await a.closed).code).toBe(1003);
  });

  it("with a message beyond the limit is closed", async () => {
    const a = await join(++seed);
    a.socket.send(new Uint8Array(300_000));
    expect((await a.closed).code).toBe(1009);
  });

  it("that sends too much before it is admitted is closed", async () => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    mayUseRelay = () => promise;
    const a = await connect(++seed);
    await a.sendClientInfo();
    for (let i = 0; i < 3; i++) a.sendPacket(privateKey(1), new Uint8Array(60_000));
    expect(await a.closed).toEqual({ code: 1002, reason: "too much was sent before login ended" });
    resolve(true);
  });

  it("cannot make another node's packets its own, because the source is the proven key", async () => {
    const [a, b] = await pair();
    a.socket.send(frameOf(5, concat([b.publicKey, utf8("forged")])));
    a.sendPacket(b.publicKey, utf8("mine"));
    expect(await nextFrame(b)).toEqual(packetOf(a, "mine"));
  });

  it("that opens connections without logging in loses the oldest, and others still get in", async () => {
    const flood: RelayClient[] = [];
    for (let i = 0; i < DERP_MAX_PENDING_LOGINS; i++) flood.push(await connect(++seed));
    const [first, second] = flood;
    const member = await join(++seed);
    expect(await first?.closed).toEqual({ code: 1013, reason: "too many clients are logging in" });
    await settle(member);
    expect(await second?.logIn()).toEqual({ version: 2 });
  });

  it("without the subprotocol is refused", async () => {
    const response = await exports.default.fetch("https://relay.test/derp", { headers: { upgrade: "websocket" } });
    expect(response.status).toBe(400);
  });
});
