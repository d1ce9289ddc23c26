import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { utf8 } from "../../worker/protocol/bytes.ts";
import { formatAddress } from "../../worker/protocol/ip.ts";
import { decodeBindingResponse, encodeBindingRequest, encodeBindingResponse } from "../../worker/protocol/stun.ts";
import type { Log } from "../log.ts";
import { StunServer } from "./stun-server.ts";

const ID = Uint8Array.from({ length: 12 }, (_, i) => i);
const REQUEST = encodeBindingRequest(ID);
const log: Log = { info: () => {}, warn: () => {}, error: () => {} };

let server: StunServer;
let port: number;
let registry: Registry;
let client: Socket;
let answers: Buffer[];

async function start(options: Partial<ConstructorParameters<typeof StunServer>[0]> = {}): Promise<void> {
  registry = new Registry();
  server = new StunServer({ addresses: [], port: 0, registry, log, ...options });
  port = await server.open();
}

async function speak(family: 4 | 6): Promise<void> {
  client = createSocket(family === 4 ? "udp4" : "udp6");
  client.bind(0, family === 4 ? "127.0.0.1" : "::1");
  await once(client, "listening");
  answers = [];
  client.on("message", (message) => answers.push(message));
}

function send(datagram: Uint8Array, address = "127.0.0.1"): void {
  client.send(datagram, port, address);
}

beforeEach(() => speak(4));
afterEach(() => {
  client.close();
  server.close();
});

describe("a STUN server", () => {
  it.each([
    ["127.0.0.1", 4],
    ["::1", 6],
  ] as const)("tells a client at %s its address and port, on one port for both families", async (address, family) => {
    await start();
    client.close();
    await speak(family);
    send(REQUEST, address);
    await expect.poll(() => answers.length).toBe(1);
    const decoded = decodeBindingResponse(answers[0] as Buffer);
    if (!decoded.ok) throw new Error(decoded.problem);
    expect(formatAddress(decoded.message.address)).toBe(address);
    expect(decoded.message.port).toBe(client.address().port);
    expect(Uint8Array.from(decoded.message.transactionId)).toEqual(ID);
    expect((answers[0] as Buffer).length / REQUEST.length).toBeLessThanOrEqual(1.1);
  });

  it("answers nothing but questions of Tailscale clients, and goes on", async () => {
    await start();
    const bare = REQUEST.slice(0, 20);
    bare[3] = 0;
    const unsigned = REQUEST.slice(0, 32);
    unsigned[3] = 12;
    const wrongCheck = REQUEST.slice();
    wrongCheck[39] = (wrongCheck[39] as number) ^ 1;
    const response = encodeBindingResponse({ transactionId: ID, address: 1n, port: 1 });
    for (const datagram of [
      utf8("hello"),
      new Uint8Array(0),
      bare,
      unsigned,
      wrongCheck,
      response,
      new Uint8Array(60_000),
    ]) {
      send(datagram);
    }
    send(REQUEST);
    await expect.poll(() => answers.length).toBe(1);
    const { ipv4 } = server.counts;
    expect(ipv4).toMatchObject({
      answered: 1,
      "not-stun": 3,
      "not-tailscale": 2,
      "bad-fingerprint": 1,
      "other-message": 1,
    });
  });

  it("limits one source and counts what it leaves unanswered", async () => {
    await start({ perSource: { perSecond: 1, burst: 3 } });
    for (let i = 0; i < 10; i++) send(REQUEST);
    const { ipv4 } = server.counts;
    await expect.poll(() => ipv4.answered + ipv4["source-limit"]).toBe(10);
    expect(ipv4["source-limit"]).toBeGreaterThan(0); // one more passes for each second that this takes
    await expect.poll(() => answers.length).toBe(ipv4.answered);
  });

  it("limits all sources together", async () => {
    await start({ inTotal: { perSecond: 1, burst: 2 } });
    for (let i = 0; i < 10; i++) send(REQUEST);
    const { ipv4 } = server.counts;
    await expect.poll(() => ipv4.answered + ipv4["total-limit"]).toBe(10);
    expect(ipv4["total-limit"]).toBeGreaterThan(0);
  });

  it("answers others through a flood under many addresses, and shows how many it remembers", async () => {
    await start({ perSource: { perSecond: 1, burst: 1 } });
    // Every address of 127.0.0.0/8 is ours, so that nothing need be forged.
    const flood = Array.from({ length: 60 }, async (_, i) => {
      const from = createSocket("udp4").bind(0, `127.9.0.${i}`);
      await once(from, "listening");
      for (let n = 0; n < 3; n++) from.send(REQUEST, port, "127.0.0.1");
      return from;
    });
    const sockets = await Promise.all(flood);
    const ask = () => {
      if (answers.length === 0) send(REQUEST); // the system may have dropped it: the queue of a socket is short
      return answers.length;
    };
    await expect.poll(ask).toBe(1);
    for (const socket of sockets) socket.close();
    const text = await registry.metrics();
    expect(Number(/^flarescale_stun_sources (\d+)/m.exec(text)?.[1])).toBeGreaterThan(30);
    expect(text).toMatch(/flarescale_stun_datagrams_total\{family="ipv4",outcome="source-limit"\} [1-9]/);
  });

  it("listens only where it is told to, and says what is wrong with a port that is taken", async () => {
    await start({ addresses: ["127.0.0.2"] });
    send(REQUEST, "127.0.0.2");
    await expect.poll(() => answers.length).toBe(1);
    const second = new StunServer({ addresses: ["127.0.0.2"], port, registry: new Registry(), log });
    await expect(second.open()).rejects.toThrow(
      `cannot listen on 127.0.0.2 port ${port} (UDP): another program has it`,
    );
  });
});
