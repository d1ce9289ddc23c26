// Interop with Node's http2 client (nghttp2) over an in-memory pipe. The server's state goes through structuredClone
// before every chunk, as it does through a socket's attachment in production.
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { Duplex } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { concat } from "../bytes.ts";
import { HTTP2_STREAM_WINDOW } from "../limits.ts";
import {
  goAway,
  type Http2Event,
  type Http2State,
  isOpen,
  openConnection,
  receive,
  resetStream,
  sendData,
  sendHeaders,
} from "./connection.ts";

interface Exchange {
  path: string;
  bytesIn: number;
  rest: Uint8Array;
}

/**
 * Answers by path: `/size/<n>` sends n bytes once the request ended, `/count` the number of bytes received, `/early` 413
 * without waiting for the body, `/hang` a head and nothing more, `/refuse` a reset.
 */
class PipeServer {
  state: Http2State;
  readonly events: Http2Event[] = [];
  readonly #exchanges = new Map<number, Exchange>();
  readonly #pipe: Duplex;
  readonly #out: Uint8Array[] = [];

  constructor() {
    this.state = openConnection(this.#out);
    this.#pipe = new Duplex({
      read: () => {},
      write: (chunk: Uint8Array, _encoding, done) => {
        this.#receive(chunk);
        done();
      },
    });
    this.#flush();
  }

  get clientEnd(): Duplex {
    return this.#pipe;
  }

  goAway(): void {
    goAway(this.state, 0, this.#out);
    this.#flush();
  }

  #receive(chunk: Uint8Array): void {
    this.state = structuredClone(this.state);
    for (const event of receive(this.state, chunk, 0, this.#out)) this.#handle(event);
    this.#flush();
  }

  #handle(event: Http2Event): void {
    this.events.push(event);
    if (event.type === "request") {
      this.#exchanges.set(event.streamId, { path: event.head.path, bytesIn: 0, rest: new Uint8Array(0) });
      this.#begin(event.streamId, event.head.path);
    }
    const exchange = "streamId" in event ? this.#exchanges.get(event.streamId) : undefined;
    if (event.type === "data" && exchange !== undefined) exchange.bytesIn += event.data.length;
    if ((event.type === "request" || event.type === "data") && event.endStream) this.#answer(event.streamId);
    if (event.type === "writable") for (const streamId of this.#exchanges.keys()) this.#resume(streamId);
    if (event.type === "reset") this.#exchanges.delete(event.streamId);
  }

  #begin(streamId: number, path: string): void {
    if (path === "/early") sendHeaders(this.state, streamId, { status: 413 }, true, this.#out);
    if (path === "/hang") sendHeaders(this.state, streamId, { status: 200 }, false, this.#out);
    if (path === "/refuse") resetStream(this.state, streamId, 7, this.#out);
  }

  #answer(streamId: number): void {
    const exchange = this.#exchanges.get(streamId);
    if (exchange === undefined || exchange.path === "/hang") return;
    const size = /^\/size\/(\d+)$/.exec(exchange.path)?.[1];
    exchange.rest = size === undefined ? Buffer.from(String(exchange.bytesIn)) : new Uint8Array(Number(size)).fill(7);
    sendHeaders(this.state, streamId, { status: 200 }, false, this.#out);
    this.#resume(streamId, true);
  }

  #resume(streamId: number, isFirst = false): void {
    const exchange = this.#exchanges.get(streamId);
    if (exchange === undefined || (exchange.rest.length === 0 && !isFirst)) return;
    exchange.rest = exchange.rest.subarray(sendData(this.state, streamId, exchange.rest, true, this.#out));
    if (!isOpen(this.state, streamId)) this.#exchanges.delete(streamId);
  }

  #flush(): void {
    for (const bytes of this.#out.splice(0)) this.#pipe.push(bytes);
  }
}

const sessions: ClientHttp2Session[] = [];
afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
});

function open(): { client: ClientHttp2Session; server: PipeServer } {
  const server = new PipeServer();
  const client = connect("http://tailnet.example", { createConnection: () => server.clientEnd });
  sessions.push(client);
  return { client, server };
}

async function finished(stream: ClientHttp2Stream): Promise<{ status: number; body: Uint8Array }> {
  let status = 0;
  stream.on("response", (headers) => {
    status = headers[":status"] ?? 0;
  });
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece as Uint8Array);
  return { status, body: concat(pieces) };
}

function upload(
  client: ClientHttp2Session,
  path: string,
  bytes: number,
): Promise<{ status: number; body: Uint8Array }> {
  const stream = client.request({ ":method": "POST", ":path": path });
  stream.end(Buffer.alloc(bytes, 1));
  return finished(stream);
}

describe("with Node's http2 client", () => {
  test.each([0, 4096, 300_000, 8 << 20])("carries bodies of %i bytes both ways", async (size) => {
    const { client, server } = open();
    const up = await upload(client, "/count", size);
    expect(up).toEqual({ status: 200, body: new Uint8Array(Buffer.from(String(size))) });
    const down = await upload(client, `/size/${size}`, 10);
    expect(down.status).toBe(200);
    expect(down.body.length).toBe(size);
    expect(down.body.every((byte) => byte === 7)).toBe(true);
    expect(server.state.streams).toEqual([]);
  });

  test("serves 200 requests one after the other", async () => {
    const { client, server } = open();
    for (let i = 0; i < 200; i++)
      expect((await upload(client, "/count", i)).body).toEqual(new Uint8Array(Buffer.from(`${i}`)));
    expect(server.state.streams).toEqual([]);
  });

  test("serves 60 requests at once", async () => {
    const { client, server } = open();
    const sizes = Array.from({ length: 60 }, (_, i) => i * 1500);
    const answers = await Promise.all(sizes.map((size) => upload(client, `/size/${size}`, size)));
    expect(answers.map(({ body }) => body.length)).toEqual(sizes);
    expect(server.state.streams).toEqual([]);
  });

  test("goes on after cancelled requests, with the header table in step", async () => {
    const { client, server } = open();
    for (let i = 0; i < 30; i++) {
      const hanging = client.request({ ":path": "/hang", "x-round": `${i}` });
      await new Promise((resolve) => hanging.once("response", resolve));
      hanging.close(constants.NGHTTP2_CANCEL);
      await new Promise((resolve) => hanging.once("close", resolve));
      expect((await upload(client, "/count", i)).status).toBe(200);
    }
    expect(server.events.filter(({ type }) => type === "reset")).toHaveLength(30);
    const rounds = server.events
      .flatMap((e) => (e.type === "request" ? e.head.headers : []))
      .filter(([n]) => n === "x-round");
    expect(rounds.map(([, value]) => Number(value))).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(server.state.streams).toEqual([]);
  });

  test("reads header values of every octet that a value may have, Huffman-coded or not", async () => {
    const { client, server } = open();
    const octets = Array.from({ length: 0xff - 0x20 }, (_, i) => String.fromCharCode(0x21 + i)).filter(
      (c) => c !== "\x7f",
    );
    const values = [octets.join(""), ...octets.map((octet) => `aaaaaaaaaaaaaaaaaaaa${octet}`)];
    await Promise.all(values.map((value, i) => finished(client.request({ ":path": "/count", [`x-${i}`]: value }))));
    const received = server.events.flatMap((event) => (event.type === "request" ? event.head.headers : []));
    expect(received.map(([, value]) => value).sort()).toEqual(values.sort());
  });

  test("answers PING", async () => {
    const { client } = open();
    const payload = Buffer.from("8 bytes!");
    const echoed = await new Promise((resolve, reject) => {
      client.ping(payload, (error, _duration, answer) => (error ? reject(error) : resolve(answer)));
    });
    expect(echoed).toEqual(payload);
  });

  test("answers before the body is in, ten times the stream window in all", async () => {
    const { client, server } = open();
    for (let i = 0; i < 20; i++) expect((await upload(client, "/early", HTTP2_STREAM_WINDOW / 2)).status).toBe(413);
    expect((await upload(client, "/count", 300_000)).status).toBe(200);
    expect(server.state.streams).toEqual([]);
  });

  test("resets a stream without harming the next", async () => {
    const { client } = open();
    const refused = client.request({ ":path": "/refuse" });
    const error = await new Promise<{ code?: string }>((resolve) => refused.once("error", resolve));
    expect(error.code).toBe("ERR_HTTP2_STREAM_ERROR");
    expect((await upload(client, "/count", 1)).status).toBe(200);
  });

  test("sends GOAWAY that names the last stream", async () => {
    const { client, server } = open();
    await upload(client, "/count", 1);
    const received = new Promise((resolve) => client.once("goaway", (code, last) => resolve([code, last])));
    server.goAway();
    expect(await received).toEqual([0, 1]);
  });

  test("empties the header table once the client obeys our SETTINGS", async () => {
    const { client, server } = open();
    for (let i = 0; i < 3; i++) await upload(client, "/count", 1);
    expect(server.state.table).toEqual({ entries: [], size: 0, capacity: 0 });
  });
});
