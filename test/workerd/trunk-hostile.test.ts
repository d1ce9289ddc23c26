// Gateways that break the framing of a trunk, and clients behind honest ones: the first lose the trunk, the others their
// channel; nobody elsewhere notices, and nothing is left of them (DESIGN.md 5.5).
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { HANDSHAKE_RATE } from "../../worker/protocol/limits.ts";
import { NoiseInitiator } from "../support/noise-initiator.ts";
import { credit, frame, TrunkClient } from "../support/trunk-client.ts";
import { connect, device, evict, join } from "./support/tailnet.ts";

const Type = { ACCEPT: 2, REFUSE: 3, DATA: 4, CLOSE: 5 } as const;

async function openTrunk(headers: Record<string, string> = {}): Promise<TrunkClient> {
  return await TrunkClient.open({ fetch: (url, init) => exports.default.fetch(url, init), headers });
}

async function initiation(n: number): Promise<Uint8Array> {
  const key = (await tailnetFor(env).publicKey()).slice("mkey:".length);
  return new NoiseInitiator(
    {
      machinePrivateKey: device(n).machinePrivateKey,
      serverPublicKey: Uint8Array.from(key.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)),
      ephemeralPrivateKey: crypto.getRandomValues(new Uint8Array(32)),
    },
    133,
  ).initiation;
}

async function closeCode(trunk: TrunkClient): Promise<number> {
  await trunk.until(() => trunk.closeCode !== undefined, "the close").catch(() => undefined);
  return trunk.closeCode ?? 0;
}

/** What was said on a channel: types, and codes of CLOSE. */
const saidOn = (trunk: TrunkClient, channel: number) =>
  trunk
    .framesOf(channel)
    .map(({ type, payload }) => (type === Type.CLOSE ? (payload[0] ?? 0) * 256 + (payload[1] ?? 0) : { type }));

const openSockets = async () => await runInDurableObject(tailnetFor(env), (_, ctx) => ctx.getWebSockets().length);

async function upgrade(protocols: string, query = "") {
  const headers = { upgrade: "websocket", "sec-websocket-protocol": protocols };
  const {
    status,
    headers: answer,
    webSocket,
  } = await exports.default.fetch(`http://control.test/ts2021${query}`, { headers });
  webSocket?.accept();
  webSocket?.close();
  return [status, answer.get("sec-websocket-protocol")];
}

describe("an upgrade", () => {
  it("names the subprotocol that it is for; others are refused as ever", async () => {
    const bytes = await initiation(1);
    const query = `?X-Tailscale-Handshake=${encodeURIComponent(btoa(String.fromCharCode(...bytes)))}`;
    expect(await upgrade("flarescale-trunk-1")).toEqual([101, "flarescale-trunk-1"]);
    expect(await upgrade("x, flarescale-trunk-1")).toEqual([101, "flarescale-trunk-1"]);
    expect(await upgrade("tailscale-control-protocol", query)).toEqual([101, "tailscale-control-protocol"]);
    expect(await upgrade("flarescale-trunk-1, tailscale-control-protocol", query)).toEqual([
      101,
      "tailscale-control-protocol",
    ]);
    expect(await upgrade("flarescale-trunk-2")).toEqual([400, null]);
    expect(await upgrade("tailscale-control-protocol")).toEqual([400, null]);
    expect(await upgrade("flarescale-trunk-1", query)).toEqual([400, null]);
  });
});

describe("a gateway that breaks the framing", () => {
  it.each<[string, (trunk: TrunkClient) => void, number]>([
    ["text", (trunk) => trunk.sendText("hello"), 1003],
    ["a message over 1 MiB", (trunk) => trunk.send(new Uint8Array((1 << 20) + 1)), 1009],
    ["half a frame", (trunk) => trunk.send(Uint8Array.of(4, 0, 0, 2, 0, 0, 0, 1, 7)), 1002],
    ["channel 0", (trunk) => trunk.send(frame("DATA", 0)), 1002],
    ["a frame of the Worker's", (trunk) => trunk.send(frame("ACCEPT", 1)), 1002],
    ["a number that was given before", (trunk) => trunk.send(frame("OPEN", 1, new Uint8Array(101))), 1002],
    ["more credit than the window", (trunk) => trunk.send(frame("CREDIT", 1, credit(256 << 10))), 1002],
  ])("by %s loses the trunk with all connections", async (_, misbehave, code) => {
    const bystander = await join(device(2), "bystander");
    const trunk = await openTrunk();
    const { client } = await join(device(3), "behind", { fetch: trunk.fetch });
    const sockets = await openSockets();
    misbehave(trunk);
    expect(await closeCode(trunk)).toBe(code);
    expect(client.closeCode).toBe(code);
    await expect.poll(openSockets).toBe(sockets - 1);
    expect((await bystander.client.response(await bystander.client.request("GET", "/machine/whoami"))).status).toBe(
      200,
    );
    bystander.client.close();
  });

  it("only later is not blamed for frames on channels that have closed, or never were", async () => {
    const trunk = await openTrunk();
    const client = await connect(device(4), { fetch: trunk.fetch });
    trunk.send(frame("CLOSE", 1, Uint8Array.of(3, 0xe8)), frame("DATA", 1, new Uint8Array(9)));
    trunk.send(frame("CREDIT", 1, credit(1)), frame("DATA", 77), frame("CLOSE", 78, Uint8Array.of(3, 0xe8)));
    const other = await connect(device(5), { fetch: trunk.fetch });
    expect((await other.response(await other.request("GET", "/machine/whoami"))).status).toBe(200);
    expect(saidOn(trunk, 77)).toEqual([]);
    client.close();
    trunk.close();
  });
});

describe("a channel", () => {
  it("is refused with what is wrong with its initiation, or without a word", async () => {
    const trunk = await openTrunk();
    const forged = new Uint8Array(101).fill(9);
    forged.set([0, 133, 1, 0, 96]);
    trunk.send(frame("OPEN", 1, new Uint8Array(100)), frame("OPEN", 2, forged), frame("OPEN", 3, await initiation(6)));
    await trunk.until(() => trunk.framesOf(3).length > 0, "the third");
    const [told] = trunk.framesOf(1);
    expect(new TextDecoder().decode(told?.payload.subarray(3))).toBe("handshake initiation has the wrong size");
    expect(saidOn(trunk, 1)).toEqual([{ type: Type.ACCEPT }, 1008]);
    expect(saidOn(trunk, 2)).toEqual([{ type: Type.ACCEPT }, 1008]);
    expect(trunk.framesOf(2)[0]?.payload).toHaveLength(0);
    expect(saidOn(trunk, 3)).toEqual([{ type: Type.ACCEPT }]);
    expect(trunk.received).toHaveLength(1); // all in one message
    trunk.close();
  });

  it("beyond the sixteenth is refused with 503, until one is closed", async () => {
    const trunk = await openTrunk();
    const opens = await Promise.all(
      Array.from({ length: 17 }, async (_, i) => frame("OPEN", i + 1, await initiation(7))),
    );
    trunk.send(...opens);
    await trunk.until(() => trunk.received.flat().length >= 17, "the answers");
    const answers = trunk.received.flat().map(({ type }) => type);
    expect(answers.filter((type) => type === Type.ACCEPT)).toHaveLength(16);
    const [refused] = trunk.framesOf(17);
    expect([...(refused?.payload.subarray(0, 4) ?? [])]).toEqual([1, 0xf7, 0, 0]);
    await evict();
    trunk.send(frame("CLOSE", 4, Uint8Array.of(3, 0xe8)), frame("OPEN", 18, await initiation(7)));
    await trunk.until(() => trunk.framesOf(18).length > 0, "the eighteenth");
    expect(saidOn(trunk, 18)).toEqual([{ type: Type.ACCEPT }]);
    trunk.close();
  });

  it("whose client speaks before it is accepted is closed; one that is given up is never accepted", async () => {
    const trunk = await openTrunk();
    trunk.send(
      frame("OPEN", 1, await initiation(8)),
      frame("DATA", 1, new Uint8Array(9)),
      frame("OPEN", 2, await initiation(8)),
      frame("CLOSE", 2, Uint8Array.of(3, 0xe8)),
      frame("OPEN", 3, await initiation(8)),
    );
    await trunk.until(() => trunk.framesOf(3).length > 0, "the third");
    expect(saidOn(trunk, 1)).toEqual([1002]);
    expect(saidOn(trunk, 2)).toEqual([]);
    trunk.close();
  });

  it("that is being opened when its trunk goes leaves nothing", async () => {
    const trunk = await openTrunk();
    const sockets = await openSockets();
    trunk.send(frame("OPEN", 1, await initiation(9)), frame("OPEN", 2, await initiation(9)));
    trunk.close();
    await expect.poll(openSockets).toBe(sockets - 1);
    const other = await openTrunk();
    other.send(frame("OPEN", 1, await initiation(9)), frame("OPEN", 1, await initiation(9)));
    expect(await closeCode(other)).toBe(1002);
    await expect.poll(openSockets).toBe(sockets - 1);
  });

  it("of a source that makes handshakes without end is told to wait, as is a trunk", async () => {
    const address = { "cf-connecting-ip": "192.0.2.99" };
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    try {
      const trunk = await openTrunk(address);
      await runInDurableObject(tailnetFor(env), async (object) => {
        for (let i = 1; i < HANDSHAKE_RATE.burst; i++) {
          const url = "http://control.test/ts2021?X-Tailscale-Handshake=AAAA";
          const { webSocket } = await object.fetch(new Request(url, { headers: address }));
          webSocket?.accept(); // what nobody takes would hold the object in memory
          webSocket?.close();
        }
      });
      trunk.send(frame("OPEN", 1, await initiation(10)));
      await trunk.until(() => trunk.framesOf(1).length > 0, "the refusal");
      const payload = trunk.framesOf(1)[0]?.payload ?? new Uint8Array(4);
      expect([...payload.subarray(0, 4)]).toEqual([0x01, 0xad, 0, 1]);
      expect(new TextDecoder().decode(payload.subarray(4))).toBe("too many connections from this address\n");
      await expect(openTrunk(address)).rejects.toThrow("429");
      trunk.close();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("a trunk", () => {
  it("that asks on and on for what is refused is closed", async () => {
    const trunk = await openTrunk();
    const garbage = (from: number) =>
      Array.from({ length: 2_000 }, (_, i) => frame("OPEN", from + i, new Uint8Array(1)));
    trunk.send(...garbage(1));
    expect(await closeCode(trunk)).toBe(1008);
    expect(trunk.received.flat().length).toBeLessThan(2_000);
  });

  it("without channels is closed after a minute, and then nothing wakes the object", async () => {
    const used = await openTrunk();
    const client = await connect(device(11), { fetch: used.fetch });
    const empty = await openTrunk();
    await evict();
    const ring = async (ms: number) => {
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
      try {
        await runDurableObjectAlarm(tailnetFor(env));
      } finally {
        vi.useRealTimers();
      }
    };
    await client.response(await client.request("GET", "/machine/whoami"));
    await ring(50_000);
    expect([empty.closeCode, used.closeCode]).toEqual([undefined, undefined]);
    await ring(100_000);
    expect(await closeCode(empty)).toBe(1000);
    expect(used.closeCode).toBeUndefined();
    client.close();
    let later = 200_000;
    const rung = async () => {
      later += 50_000;
      await ring(later);
      return used.closeCode;
    };
    await expect.poll(rung).toBe(1000);
    await expect.poll(openSockets).toBe(0);
  });
});
