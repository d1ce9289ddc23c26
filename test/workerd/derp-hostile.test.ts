// Clients of the relay that mean ill or break, and the others beside them: limits hold, and nobody else is hurt. What a
// single malformed frame does is in derp-region.test.ts; this is about floods, lies and silence.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TailnetObject } from "../../worker/objects/tailnet-object.ts";
import { concat, toHex, utf8 } from "../../worker/protocol/bytes.ts";
import { nodeKeyOf } from "../../worker/protocol/keys.ts";
import { DERP_MAX_CONNECTIONS_PER_KEY, DERP_SEND_WINDOW } from "../../worker/protocol/limits.ts";
import { DerpClient, type DerpFrame, discoPacket, frameOf, packetFrame } from "../support/derp-client.ts";
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

let seed = 50_000;
const RECV_PACKET = 5;
const PEER_GONE = 8;

beforeEach(() => {
  vi.spyOn(TailnetObject.prototype, "whichMayUseRelay").mockImplementation((keys) => [...keys]);
});
afterEach(async () => {
  vi.useRealTimers();
  await closeAll();
  vi.restoreAllMocks();
});

/** Two well-behaved clients; the function shows that packets pass between them now. */
async function bystanders(): Promise<() => Promise<void>> {
  const [a, b] = [await join(++seed), await join(++seed)];
  let count = 0;
  return async () => {
    const packet = utf8(`still here ${++count}`);
    a.sendPacket(b.publicKey, packet);
    expect(await nextFrame(b)).toEqual({ type: RECV_PACKET, payload: concat([a.publicKey, packet]) });
  };
}

describe("garbage", () => {
  it("after login, of any kind and length, never reaches another client and ends its sender at most", async () => {
    const check = await bystanders();
    const victim = await join(++seed);
    for (let round = 0; round < 40; round++) {
      const client = await join(++seed);
      const bytes = crypto.getRandomValues(new Uint8Array(1 + ((round * 97) % 4_000)));
      client.socket.send(bytes);
      client.socket.close();
      await client.closed;
    }
    expect(await settle(victim)).toEqual([]);
    await check();
  });

  it("in the box of a login is refused, whoever's key stands before it", async () => {
    const check = await bystanders();
    const victim = await join(++seed);
    const forger = await connect(++seed);
    await forger.next();
    const box = crypto.getRandomValues(new Uint8Array(24 + 16 + 60));
    forger.socket.send(frameOf(2, concat([victim.publicKey, box])));
    expect(await forger.closed).toEqual({ code: 1002, reason: "ClientInfo is not authentic" });
    await settle(victim);
    await check();
  });

  it.each([
    ['{"version":2', "ClientInfo is not JSON"],
    ["[]", "client speaks another protocol version"],
    ['"x"', "ClientInfo is no JSON object"],
    ['{"version":1}', "client speaks another protocol version"],
  ])("sealed in a sound box (%s) is refused", async (text, reason) => {
    const client = await connect(++seed);
    const spy = vi.spyOn(JSON, "stringify").mockReturnValueOnce(text);
    await client.sendClientInfo();
    spy.mockRestore();
    expect(await client.closed).toEqual({ code: 1002, reason });
  });
});

describe("a login that was recorded", () => {
  it("gives its thief the node's packets for as long as the relay's key is the same, but never its traffic's meaning", async () => {
    // The greeting has no nonce of ours: the protocol cannot tell a replay. What keeps the damage small is tested here.
    const node = await join(++seed);
    const peer = await join(++seed);
    const recorded: Uint8Array[] = [];
    const recorder = new DerpClient(privateKey(seed - 1), (bytes) => recorded.push(bytes));
    const thief = await connect(++seed);
    const greeting = await thief.next();
    recorder.receive(frameOf(1, greeting.payload));
    await recorder.sendClientInfo();
    thief.socket.send(concat(recorded));
    expect((await thief.next()).type).toBe(3); // sealed for the node: the thief cannot read it
    await settle(node); // the node speaks, and has its packets back
    peer.sendPacket(node.publicKey, utf8("for the node"));
    expect((await nextFrame(node)).payload.subarray(32)).toEqual(utf8("for the node"));
    thief.socket.close();
    await thief.closed;
    expect(await settle(peer)).toEqual([]);
  });
});

describe("packets to peers that are not here", () => {
  it("by the thousand cost three reports and leave nothing behind", async () => {
    const check = await bystanders();
    const client = await join(++seed);
    const before = (await relay().statistics()).packetsUnknown;
    const frames: Uint8Array[] = [];
    for (let i = 0; i < 1_000; i++) {
      const absent = crypto.getRandomValues(new Uint8Array(32));
      frames.push(packetFrame(absent, discoPacket(client.publicKey, utf8("ping"))));
    }
    for (let at = 0; at < frames.length; at += 100) client.socket.send(concat(frames.slice(at, at + 100)));
    const reports = await settle(client);
    expect(reports.map(({ type }) => type)).toEqual([8, 8, 8]);
    expect((await relay().statistics()).packetsUnknown - before).toBe(1_000);
    await check();
  });
});

describe("one node key", () => {
  it("on many connections never has more than eight", async () => {
    const check = await bystanders();
    seed++;
    for (let i = 0; i < 3 * DERP_MAX_CONNECTIONS_PER_KEY; i++) await join(seed);
    expect((await relay().statistics()).connections).toBe(DERP_MAX_CONNECTIONS_PER_KEY + 2);
    await check();
  });

  it("shared by two devices that both speak is reported to both, and the report taken back when one is left", async () => {
    const [first, second] = [await join(++seed), await join(seed)];
    const told = new Map<RelayClient, DerpFrame[]>([
      [first, []],
      [second, []],
    ]);
    for (let i = 0; i < 3; i++) for (const client of [first, second]) told.get(client)?.push(...(await settle(client)));
    for (const [client, frames] of told) {
      const [problem] = [...frames, ...(await settle(client))];
      expect(problem?.type).toBe(0x14);
      expect(new TextDecoder().decode(problem?.payload)).toContain("another device");
    }
    await evictRelay();
    first.socket.close();
    expect(await nextFrame(second)).toEqual({ type: 0x14, payload: new Uint8Array(0) });
  });
});

describe("a flood", () => {
  it("of pings is answered message by message, and hurts nobody", async () => {
    const check = await bystanders();
    const client = await join(++seed);
    const pings = concat(Array.from({ length: 1_000 }, () => frameOf(0x12, new Uint8Array(8))));
    let messages = 0;
    client.socket.addEventListener("message", () => {
      messages++;
    });
    for (let i = 0; i < 20; i++) client.socket.send(pings);
    await check();
    const answers = await settle(client);
    expect(answers.filter(({ type }) => type === 0x13)).toHaveLength(20_000);
    // One for each message and one for each ping of our own; a send for each would be 20,000.
    expect(messages).toBeLessThan(50);
  });

  it("of packets to one who does not read is dropped, counted, and holds up nobody", async () => {
    const check = await bystanders();
    const [flooder, stuck] = [await join(++seed), await join(++seed)];
    const before = (await relay().statistics()).packetsDropped;
    const packets = concat(Array.from({ length: 100 }, () => packetFrame(stuck.publicKey, new Uint8Array(1_400))));
    const rounds = Math.ceil((2 * DERP_SEND_WINDOW) / packets.length);
    for (let i = 0; i < rounds; i++) flooder.socket.send(packets);
    await check();
    await settle(flooder);
    const { packetsDropped } = await relay().statistics();
    expect(packetsDropped - before).toBeGreaterThan(1_000);
  });
});

describe("a client that is gone without a word", () => {
  it("is closed when it answers nothing for half a minute, and those who heard from it are told", async () => {
    const [halfOpen, peer] = [await join(++seed), await join(++seed)];
    halfOpen.sendPacket(peer.publicKey, utf8("x"));
    await nextFrame(peer);
    for (let i = 0; i < 2; i++) peer.sendPacket(halfOpen.publicKey, new Uint8Array(60_000));
    await settle(peer);
    vi.useFakeTimers({ now: Date.now() + 31_000, toFake: ["Date"] });
    await runDurableObjectAlarm(relay());
    expect((await halfOpen.closed).reason).toBe("client does not read");
    expect(await nextFrame(peer)).toMatchObject({ type: 8 });
  });

  it("loses its place when its tailnet has taken the permission away unnoticed", async () => {
    const [lost, kept] = [await join(++seed), await join(++seed)];
    const gone = nodeKeyOf(lost.publicKey);
    vi.spyOn(TailnetObject.prototype, "whichMayUseRelay").mockImplementation((keys) => keys.filter((k) => k !== gone));
    vi.useFakeTimers({ now: Math.ceil(Date.now() / 600_000) * 600_000 + 5, toFake: ["Date"] });
    await runDurableObjectAlarm(relay());
    expect((await lost.closed).reason).toBe("node may no longer use this relay");
    await settle(kept);
  });
});

describe("a client whose socket fails", () => {
  it("has left, and those who heard from it are told, as when it closes", async () => {
    const [a, b] = [await join(++seed), await join(++seed)];
    a.sendPacket(b.publicKey, utf8("x"));
    await nextFrame(b);
    await evictRelay();
    await runInDurableObject(relay(), (object, ctx) => {
      const socket = ctx.getWebSockets().find((each) => {
        const { nodeKey } = each.deserializeAttachment() as { nodeKey: Uint8Array };
        return toHex(nodeKey) === toHex(a.publicKey);
      });
      if (socket === undefined) throw new Error("the relay does not know the client");
      object.webSocketError(socket);
    });
    expect(await nextFrame(b)).toEqual({ type: PEER_GONE, payload: concat([a.publicKey, Uint8Array.of(0)]) });
  });
});
