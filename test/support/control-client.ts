// A scripted control client for tests inside workerd: WebSocket, Noise, HTTP/2 and map framing put together from the
// client halves of this folder. It shares no protocol code with the server. Byte counts are exposed so that a test can
// cut the stream anywhere.

import { x25519 } from "@noble/curves/ed25519.js";
import { decompressFrames } from "../../agent/control/zstd-frames.ts";
import { Arrivals } from "./arrivals.ts";
import { Http2TestClient, type TestResponse } from "./http2-client.ts";
import { type NoiseChannel, NoiseInitiator } from "./noise-initiator.ts";

const EARLY_MAGIC = [0xff, 0xff, 0xff, 0x54, 0x53];

/** How to reach the server and as whom. */
export interface ControlClientOptions {
  /** Sends the upgrade request, for example `exports.default.fetch`. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly serverPublicKey: Uint8Array;
  /** 32 bytes; the machine's identity. */
  readonly machinePrivateKey: Uint8Array;
  readonly version?: number;
  /** Called before each message is sent, for example to evict the object. */
  readonly beforeSend?: () => Promise<void>;
  /** Cuts each message into pieces of this many bytes. */
  readonly pieceSize?: number;
  /** Sends each HTTP/2 frame as a record, and each record as a message, of its own. */
  readonly sendsFramesApart?: boolean;
  /** Stream window that the client grants. */
  readonly initialWindow?: number;
}

/** One control connection. */
export class ControlClient {
  readonly http2 = new Http2TestClient();
  /** JSON of the early payload; empty when there was none. */
  early = "";
  /** Close code, once closed. */
  closeCode: number | undefined;
  /** Length of the longest message that the server sent. */
  longestMessage = 0;
  readonly #socket: WebSocket;
  readonly #initiator: NoiseInitiator;
  readonly #options: ControlClientOptions;
  #channel: NoiseChannel | undefined;
  #preface: Promise<void> | undefined;
  #raw = new Uint8Array(0);
  #plain = new Uint8Array(0);
  #isEarlyDone = false;
  readonly #arrivals = new Arrivals(() => this.closeCode);
  #sending: Promise<void> = Promise.resolve();

  private constructor(socket: WebSocket, initiator: NoiseInitiator, options: ControlClientOptions) {
    this.#socket = socket;
    this.#initiator = initiator;
    this.#options = options;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", (event) => {
      const bytes = new Uint8Array(event.data as ArrayBuffer);
      this.longestMessage = Math.max(this.longestMessage, bytes.length);
      this.#receive(bytes);
    });
    socket.addEventListener("close", (event) => {
      this.closeCode = event.code;
      this.#arrivals.note();
    });
    socket.accept();
  }

  /** Opens the connection and sends the HTTP/2 preface. */
  static async connect(options: ControlClientOptions): Promise<ControlClient> {
    const initiator = new NoiseInitiator(
      {
        machinePrivateKey: options.machinePrivateKey,
        serverPublicKey: options.serverPublicKey,
        ephemeralPrivateKey: crypto.getRandomValues(new Uint8Array(32)),
      },
      options.version ?? 133,
    );
    const handshake = encodeURIComponent(btoa(String.fromCharCode(...initiator.initiation)));
    const response = await options.fetch(`http://control.test/ts2021?X-Tailscale-Handshake=${handshake}`, {
      headers: { upgrade: "websocket", "sec-websocket-protocol": "tailscale-control-protocol" },
    });
    if (response.webSocket === null) throw new Error(`upgrade refused: ${response.status} ${await response.text()}`);
    const client = new ControlClient(response.webSocket, initiator, options);
    await client.until(() => client.#preface !== undefined, "the handshake response");
    await client.#preface;
    return client;
  }

  /** Sends plaintext as Noise records. */
  async send(plaintext: Uint8Array): Promise<void> {
    const parts = this.#options.sendsFramesApart ? framesOf(plaintext) : [plaintext];
    await Promise.all(parts.map((part) => this.sendRaw(this.#open().seal(part))));
  }

  /** Sends bytes as they are. */
  async sendRaw(bytes: Uint8Array): Promise<void> {
    const size = this.#options.pieceSize ?? bytes.length;
    const send = async () => {
      for (let at = 0; at < bytes.length; at += size) {
        await this.#options.beforeSend?.();
        this.#socket.send(bytes.slice(at, at + size));
      }
    };
    this.#sending = this.#sending.then(send);
    await this.#sending;
  }

  /** Sends a text message, which no client does. */
  sendText(text: string): void {
    this.#socket.send(text);
  }

  /** Sends a request with a JSON body. @returns its stream */
  async request(method: string, path: string, body?: unknown): Promise<number> {
    const bytes = body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(body));
    const request = this.http2.request(method, path, bytes);
    await this.send(request.bytes);
    return request.streamId;
  }

  /** Waits for the end of a response. */
  async response(streamId: number): Promise<TestResponse> {
    const done = () => this.http2.response(streamId).ended || this.http2.response(streamId).resetCode !== undefined;
    await this.until(done, `the response on stream ${streamId}`);
    return this.http2.response(streamId);
  }

  /** Sends a request and decodes its JSON answer. */
  async call(path: string, body: unknown): Promise<Record<string, unknown>> {
    const response = await this.response(await this.request("POST", path, body));
    return JSON.parse(new TextDecoder().decode(response.body)) as Record<string, unknown>;
  }

  /** The messages that have arrived on a map stream. */
  messages(streamId: number): Record<string, unknown>[] {
    const { body } = this.http2.response(streamId);
    const found: Record<string, unknown>[] = [];
    for (let at = 0; at + 4 <= body.length; ) {
      const length = new DataView(body.buffer, body.byteOffset).getUint32(at, true);
      if (at + 4 + length > body.length) break;
      const text = new TextDecoder().decode(decompressFrames(body.subarray(at + 4, at + 4 + length)));
      found.push(JSON.parse(text) as Record<string, unknown>);
      at += 4 + length;
    }
    return found;
  }

  /** Waits for the nth message (from 0) of a map stream. */
  async message(streamId: number, n: number): Promise<Record<string, unknown>> {
    await this.until(() => this.messages(streamId).length > n, `message ${n} on stream ${streamId}`);
    return this.messages(streamId)[n] as Record<string, unknown>;
  }

  /** Waits until something holds; it is looked at after every arrival. @throws Error after 40 s */
  async until(holds: () => boolean, what: string): Promise<void> {
    await this.#arrivals.until(holds, what);
  }

  /** Closes the socket. */
  close(code = 1000): void {
    this.#socket.close(code, "");
  }

  #open(): NoiseChannel {
    if (this.#channel === undefined) throw new Error("the handshake is not done");
    return this.#channel;
  }

  #receive(bytes: Uint8Array): void {
    if (this.#channel === undefined) {
      this.#raw = join(this.#raw, bytes);
      if (this.#raw.length < 51) return;
      this.#channel = this.#initiator.finish(this.#raw.slice(0, 51));
      bytes = this.#raw.slice(51);
      // The preface goes first: the server's SETTINGS may stand in the same message, and are acknowledged at once.
      const { initialWindow } = this.#options;
      this.#preface = this.send(this.http2.start(initialWindow === undefined ? {} : { initialWindow }));
    }
    const plaintext = this.#channel.open(bytes);
    if (plaintext.length > 0) this.#receivePlaintext(plaintext);
    this.#arrivals.note();
  }

  #receivePlaintext(plaintext: Uint8Array): void {
    let rest = plaintext;
    if (!this.#isEarlyDone) {
      this.#plain = join(this.#plain, plaintext);
      if (this.#plain.length < 9) return;
      const isEarly = EARLY_MAGIC.every((byte, i) => this.#plain[i] === byte);
      const length = isEarly ? 9 + new DataView(this.#plain.buffer).getUint32(5) : 0;
      if (this.#plain.length < length) return;
      this.early = new TextDecoder().decode(this.#plain.subarray(9, Math.max(9, length)));
      this.#isEarlyDone = true;
      rest = this.#plain.slice(length);
    }
    const reply = this.http2.receive(rest);
    if (reply.length > 0) void this.send(reply);
  }
}

/** HTTP/2 frames one by one; the preface, when there is one, by itself. */
function framesOf(bytes: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let at = bytes[0] === 0x50 ? 24 : 0; // "PRI * HTTP/2.0…": no frame begins like this, it would be of 5 MB
  if (at > 0) frames.push(bytes.subarray(0, at));
  while (at < bytes.length) {
    const length = 9 + (new DataView(bytes.buffer, bytes.byteOffset).getUint32(at) >>> 8);
    frames.push(bytes.subarray(at, at + length));
    at += length;
  }
  return frames;
}

/** A machine or node key pair in the forms that requests need. */
export function keyPair(seed: number): { readonly privateKey: Uint8Array; readonly publicHex: string } {
  const privateKey = new Uint8Array(32).fill(seed);
  const publicHex = [...x25519.getPublicKey(privateKey)].map((b) => b.toString(16).padStart(2, "0")).join("");
  return { privateKey, publicHex };
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
