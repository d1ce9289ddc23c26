// Peers that break the control protocol, by accident or on purpose: each meets its limit and its error, and nobody
// else notices (DESIGN.md 5.5). The codecs have hostile files of their own; here the whole server is the target.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { HANDSHAKE_RATE } from "../../worker/protocol/limits.ts";
import type { ControlClient } from "../support/control-client.ts";
import { connect, device, evict, isOverTrunks, join, mapBody, registerBody, storedNodes } from "./support/tailnet.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Holds the time still, so that no limit is refilled however long the machine takes. */
function freeze(): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
}

afterEach(() => {
  vi.useRealTimers();
});

function upgrade(query: string, headers: Record<string, string> = {}) {
  return exports.default.fetch(`http://control.test/ts2021${query}`, {
    headers: { upgrade: "websocket", "sec-websocket-protocol": "tailscale-control-protocol", ...headers },
  });
}

function handshakeQuery(bytes: Uint8Array): string {
  return `?X-Tailscale-Handshake=${encodeURIComponent(btoa(String.fromCharCode(...bytes)))}`;
}

/** What a socket says before it closes, and its close code. */
async function lastWords(response: Response): Promise<{ said: Uint8Array[]; code: number }> {
  const socket = response.webSocket;
  if (socket === null) throw new Error(`no socket: ${response.status}`);
  const said: Uint8Array[] = [];
  socket.binaryType = "arraybuffer";
  return await new Promise((resolve) => {
    socket.addEventListener("message", (event) => {
      said.push(new Uint8Array(event.data as ArrayBuffer));
    });
    socket.addEventListener("close", (event) => resolve({ said, code: event.code }));
    socket.accept();
  });
}

async function closeCode(client: ControlClient): Promise<number> {
  await client.until(() => client.closeCode !== undefined, "the close").catch(() => undefined);
  return client.closeCode ?? 0;
}

/** A test of what only a client with a socket of its own meets; none that is left out over trunks, which would count. */
function itOnItsOwnSocket(name: string, test: () => Promise<void>): void {
  if (!isOverTrunks()) it(name, test);
}

describe("an upgrade", () => {
  it("without a handshake, or one that is not base64, is refused with 400", async () => {
    expect((await upgrade("")).status).toBe(400);
    expect((await upgrade("?X-Tailscale-Handshake=%%%")).status).toBe(400);
    expect((await upgrade(`?X-Tailscale-Handshake=${"A".repeat(5_000)}`)).status).toBe(400);
  });

  it("without the subprotocol, or to another protocol, is refused", async () => {
    expect((await upgrade(handshakeQuery(new Uint8Array(101)), { "sec-websocket-protocol": "derp" })).status).toBe(400);
    const native = await exports.default.fetch("http://control.test/ts2021", { method: "POST" });
    expect(native.status).toBe(426);
    expect(await native.text()).toContain("gateway");
  });

  it("with an initiation of the wrong size is told so", async () => {
    const { said } = await lastWords(await upgrade(handshakeQuery(new Uint8Array(100))));
    expect(said[0]?.[0]).toBe(3);
    expect(text((said[0] as Uint8Array).subarray(3))).toBe("handshake initiation has the wrong size");
  });

  it("with an initiation that does not authenticate is closed without a word", async () => {
    const bytes = new Uint8Array(101).fill(9);
    bytes.set([0, 133, 1, 0, 96]);
    expect(await lastWords(await upgrade(handshakeQuery(bytes)))).toEqual({ said: [], code: 1008 });
  });
});

describe("a source that makes handshakes without end", () => {
  it("is told to wait before any costs work, and others are served", async () => {
    const query = handshakeQuery(new Uint8Array(100));
    freeze();
    try {
      await runInDurableObject(tailnetFor(env), async (object) => {
        const ask = async (address: string) => {
          const headers = { "cf-connecting-ip": address };
          const answer = await object.fetch(new Request(`http://control.test/ts2021${query}`, { headers }));
          answer.webSocket?.accept(); // what nobody takes would hold the object in memory
          answer.webSocket?.close();
          return answer;
        };
        for (let i = 0; i < HANDSHAKE_RATE.burst; i++) expect((await ask("192.0.2.66")).status).toBe(101);
        const refused = await ask("192.0.2.66");
        expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
        expect(await refused.text()).toBe("too many connections from this address\n");
        expect((await ask("192.0.2.67")).status).toBe(101);
      });
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("after the handshake", () => {
  itOnItsOwnSocket("a text message closes with 1003, one over 1 MiB with 1009", async () => {
    const chatty = await connect(device(1));
    chatty.sendText("hello");
    expect(await closeCode(chatty)).toBe(1003);
    const big = await connect(device(1));
    await big.sendRaw(new Uint8Array((1 << 20) + 1));
    expect(await closeCode(big)).toBe(1009);
  });

  it.each([
    ["a corrupt record", Uint8Array.of(4, 0, 20, ...new Uint8Array(20))],
    ["a record that is too big", Uint8Array.of(4, 0x0f, 0xfe)],
    ["a record of another type", Uint8Array.of(3, 0, 1, 0)],
    ["garbage", new Uint8Array(500).fill(0xa5)],
  ])("%s ends the connection", async (_, bytes) => {
    const client = await connect(device(2));
    await client.sendRaw(bytes);
    expect(await closeCode(client)).toBe(1002);
  });

  it("a replayed initiation changes nothing and is dropped for its silence", async () => {
    const before = (await storedNodes()).length;
    const queries: string[] = [];
    const client = await connect(device(3), {
      fetch: (url, init) => {
        queries.push(new URL(url).search);
        return exports.default.fetch(url, init);
      },
    });
    const replay = await upgrade(queries[0] as string);
    const words = lastWords(replay);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 120_000 });
    try {
      await runDurableObjectAlarm(tailnetFor(env));
    } finally {
      vi.useRealTimers();
    }
    expect((await words).code).toBe(1008);
    expect((await storedNodes()).length).toBe(before);
    client.close();
  });

  it("a flood of resets ends with ENHANCE_YOUR_CALM, and others are served on", async () => {
    freeze();
    const { client: other } = await join(device(4), "bystander");
    const client = await connect(device(5));
    const send = async () => {
      for (let i = 0; i < 400 && client.closeCode === undefined; i++) {
        const { streamId, bytes } = client.http2.request("POST", "/machine/map", undefined, { endStream: false });
        await client.send(bytes);
        await client.send(client.http2.reset(streamId));
      }
    };
    await send().catch(() => undefined);
    expect(await closeCode(client)).toBe(1002);
    expect(client.http2.goAwayCode).toBe(11);
    expect((await other.response(await other.request("GET", "/machine/whoami"))).status).toBe(200);
  });

  it("a header bomb and a flood of settings end the connection", async () => {
    freeze();
    const bomb = await connect(device(6));
    const headers = Array.from({ length: 60 }, (_, i) => [`x-${i}`, "a".repeat(200)] as const);
    await bomb.send(bomb.http2.request("GET", "/", undefined, { headers }).bytes);
    expect(await closeCode(bomb)).toBe(1002);
    const flood = await connect(device(6));
    const settings = Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0);
    for (let i = 0; i < 80; i++) await flood.send(settings).catch(() => undefined);
    expect(await closeCode(flood)).toBe(1002);
  });

  it("every unfinished thing at once still fits, also across an eviction", async () => {
    const client = await connect(device(7), { beforeSend: evict });
    for (let i = 0; i < 90; i++) {
      const { streamId, bytes } = client.http2.request("POST", "/machine/map", undefined, { endStream: false });
      await client.send(bytes);
      await client.send(client.http2.data(streamId, new Uint8Array(64), false));
    }
    expect((await client.response(await client.request("GET", "/machine/whoami"))).status).toBe(200);
  });

  it("more unfinished things than fit end the connection with ENHANCE_YOUR_CALM, and others are served on", async () => {
    const { client: other } = await join(device(12), "neighbour");
    const client = await connect(device(13));
    for (let i = 0; i < 60 && client.closeCode === undefined; i++) {
      const path = `/machine/map?${"a".repeat(400)}`;
      await client.send(client.http2.request("POST", path, undefined, { endStream: false }).bytes);
    }
    expect(await closeCode(client)).toBe(1002);
    expect(client.http2.goAwayCode).toBe(11);
    expect((await other.response(await other.request("GET", "/machine/whoami"))).status).toBe(200);
  });

  it("malformed bodies are answered with 400 and change nothing", async () => {
    const { client } = await join(device(8), "steady");
    const before = await storedNodes();
    for (const body of [
      "not json",
      "[]",
      JSON.stringify({}),
      JSON.stringify(mapBody(device(8), { Stream: "yes" })),
      JSON.stringify(mapBody(device(8), { Stream: false, OmitPeers: true, Hostinfo: { Hostname: 7 } })),
      JSON.stringify(mapBody(device(8), { Stream: false, OmitPeers: true, Hostinfo: { Padding: "x".repeat(70_000) } })),
      JSON.stringify(mapBody(device(8), { NodeKey: "nodekey:zz" })),
    ]) {
      const request = client.http2.request("POST", "/machine/map", new TextEncoder().encode(body));
      await client.send(request.bytes);
      expect((await client.response(request.streamId)).status, body.slice(0, 60)).toBe(400);
    }
    expect(await storedNodes()).toEqual(before);
  });

  it("a machine that asks to register without end is told to wait", async () => {
    freeze();
    const client = await connect(device(9));
    let refused: Awaited<ReturnType<typeof client.response>> | undefined;
    for (let i = 0; i < 100 && refused === undefined; i++) {
      const answer = await client.response(
        await client.request("POST", "/machine/register", registerBody(device(9), "x")),
      );
      if (answer.status === 429) refused = answer;
    }
    expect(Number(refused?.headers.find(([name]) => name === "retry-after")?.[1])).toBeGreaterThan(0);
  });

  it("a client that takes no data is dropped; what was held for it is gone", async () => {
    const { client: healthy } = await join(device(10), "healthy");
    const stuck = await connect(device(11), { initialWindow: 0 });
    const answer = await stuck.request("GET", "/machine/whoami");
    await stuck.until(() => stuck.http2.response(answer).status === 200, "the head");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 180_000 });
    try {
      await runDurableObjectAlarm(tailnetFor(env));
    } finally {
      vi.useRealTimers();
    }
    expect(await closeCode(stuck)).toBe(1008);
    expect((await healthy.response(await healthy.request("GET", "/machine/whoami"))).status).toBe(200);
  });
});
