import { randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { openWebSocket } from "../upstream/handshake.ts";
import { createUpstream } from "../upstream/upstream.ts";
import type { WebSocketStream } from "./websocket-stream.ts";
import type { StreamEnd } from "./worker-stream.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const target = { path: "/", protocol: "bytes", headers: [] };

/** A server of a WebSocket library and a stream of ours. */
async function open() {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const upstream = createUpstream(new URL(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`));
  const connected = once(server, "connection") as unknown as Promise<[WebSocket]>;
  const outcome = await openWebSocket(upstream, target, new AbortController().signal);
  if (outcome.kind === "refused") throw new Error(outcome.text);
  const [peer] = await connected;
  const stream = outcome.connection;
  cleanUps.push(() => {
    stream.terminate();
    server.close();
  });
  return { stream, peer };
}

function listen(stream: WebSocketStream) {
  const received: Buffer[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<StreamEnd>();
  stream.listen({ data: (bytes) => received.push(Buffer.from(bytes)), close: resolve });
  stream.resume();
  return { ended, text: () => Buffer.concat(received).toString() };
}

const send = (stream: WebSocketStream, ...parts: Uint8Array[]) =>
  new Promise<void>((written) => stream.send(parts, written));

describe("WebSocketStream", () => {
  it.each([0, 1, 125, 126, 4_096, 4_097, 65_535, 65_536, 65_537, 300_000])(
    "sends a message of %i bytes as one, joined from its parts",
    async (length) => {
      const { stream, peer } = await open();
      listen(stream);
      const bytes = randomBytes(length);
      const arrived = once(peer, "message") as Promise<[Buffer, boolean]>;
      await send(stream, bytes.subarray(0, length >> 1), bytes.subarray(length >> 1));
      const [message, isBinary] = await arrived;
      expect(message.equals(bytes)).toBe(true);
      expect(isBinary).toBe(true);
    },
  );

  it("masks each frame with a key of its own, so that nobody can choose the bytes on the wire", async () => {
    const seen: Buffer[] = [];
    const { stream, peer } = await open();
    listen(stream);
    (peer as unknown as { _socket: net.Socket })._socket.prependListener("data", (chunk) =>
      seen.push(Buffer.from(chunk)),
    );
    const arrived = once(peer, "message");
    await send(stream, Buffer.alloc(1_000));
    await arrived;
    const next = once(peer, "message");
    await send(stream, Buffer.alloc(1_000));
    await next;
    const keys = [Buffer.concat(seen).subarray(4, 8), Buffer.concat(seen).subarray(1_012, 1_016)];
    expect(keys[0]?.equals(keys[1] ?? Buffer.alloc(0))).toBe(false);
  });

  it("does not disturb bytes that wait for a slow server", async () => {
    const { stream, peer } = await open();
    listen(stream);
    peer.pause();
    const messages = Array.from({ length: 400 }, () => randomBytes(50_000));
    let waiting = messages.length;
    const written = messages.map((message) => send(stream, message).then(() => waiting--));
    await sleep(50);
    expect(waiting).toBeGreaterThan(20);
    let index = 0;
    let wrong = 0;
    peer.on("message", (message: Buffer) => {
      if (!message.equals(messages[index++] ?? Buffer.alloc(0))) wrong++;
    });
    peer.resume();
    await Promise.all(written);
    await expect.poll(() => index).toBe(400);
    expect(wrong).toBe(0);
  });

  it("answers a ping with its payload", async () => {
    const { stream, peer } = await open();
    listen(stream);
    const ponged = once(peer, "pong") as Promise<[Buffer]>;
    peer.ping("are you there");
    expect(String((await ponged)[0])).toBe("are you there");
  });

  it("gives all that came before a close, answers it with its code and ends", async () => {
    const { stream, peer } = await open();
    const { ended, text } = listen(stream);
    const closed = once(peer, "close");
    peer.send(Buffer.from("last words"));
    peer.close(1012, "restart");
    expect(await ended).toEqual({ code: 1012 });
    expect(text()).toBe("last words");
    expect((await closed)[0]).toBe(1012);
  });

  it("closes with a code and a reason, hears the server out and then the end", async () => {
    const { stream, peer } = await open();
    const { ended } = listen(stream);
    const closed = once(peer, "close");
    stream.close(1001, "draining");
    expect((await closed).map(String)).toEqual(["1001", "draining"]);
    expect(await ended).toEqual({ code: 1001 });
  });

  it("ends within seconds when the server does not answer its close", async () => {
    const { stream, peer } = await open();
    const { ended } = listen(stream);
    peer.pause();
    stream.close(1000);
    expect(await ended).toEqual({ code: 1006 });
  });

  it("closes on text and calls it a violation", async () => {
    const { stream, peer } = await open();
    const { ended } = listen(stream);
    const closed = once(peer, "close");
    peer.send("text");
    expect(await ended).toEqual({ code: 1003, fault: "violation" });
    expect((await closed)[0]).toBe(1003);
  });
});

describe("the handshake", () => {
  const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; // of the key in RFC 6455 §1.3, which is not ours
  it.each([
    ["another key's", `Upgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: bytes`],
    ["another protocol's", "Upgrade: DERP"],
  ])("refuses %s answer", async (_, headers) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {}); // the other side leaves at once
      socket.write(`HTTP/1.1 101 X\r\nConnection: Upgrade\r\n${headers}\r\n\r\n`);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanUps.push(() => server.close());
    const upstream = createUpstream(new URL(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`));
    const outcome = await openWebSocket(upstream, target, new AbortController().signal);
    expect(outcome).toMatchObject({ kind: "refused", cause: "network", status: 502, isPassing: false });
  });
});
