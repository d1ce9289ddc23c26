// A control connection of a scripted client in Node: Noise, the early payload and HTTP/2 over a real socket, put
// together from the client halves in test/support. The twin of test/support/control-client.ts, which lives in workerd.
import { randomBytes } from "node:crypto";
import { Http2TestClient, type TestResponse } from "../../support/http2-client.ts";
import { type NoiseChannel, NoiseInitiator } from "../../support/noise-initiator.ts";
import { type ControlSocket, type Dial, openControlSocket } from "./control-socket.ts";

const CAPABILITY_VERSION = 133;
const NOISE_RESPONSE_BYTES = 51;
/** `ff ff ff 'T' 'S'`, then the length of the early payload as u32be. */
const EARLY_HEADER_BYTES = 9;
const ANSWER_TIMEOUT_MS = 30_000;

/** Whom to connect to, how, and as which machine. */
export interface ConnectOptions extends Omit<Dial, "initiation"> {
  readonly serverPublicKey: Uint8Array;
  readonly machinePrivateKey: Uint8Array;
}

/** The connection has ended: what was not answered may have been done or not. */
export class ConnectionLost extends Error {
  override name = "ConnectionLost";
}

/** An open control connection. */
export class ControlConnection {
  readonly #initiator: NoiseInitiator;
  readonly #http2 = new Http2TestClient();
  readonly #streams = new Map<number, (bytes: Uint8Array) => void>();
  readonly #waiters = new Set<() => void>();
  #socket: ControlSocket | undefined;
  #channel: NoiseChannel | undefined;
  #pending: Buffer = Buffer.alloc(0);
  #isEarlyDone = false;
  #isClosed = false;

  private constructor(options: ConnectOptions) {
    const { machinePrivateKey, serverPublicKey } = options;
    const keys = { machinePrivateKey, serverPublicKey, ephemeralPrivateKey: randomBytes(32) };
    this.#initiator = new NoiseInitiator(keys, CAPABILITY_VERSION);
  }

  /** Connects and sends the HTTP/2 preface. @throws ConnectionLost */
  static async open(options: ConnectOptions): Promise<ControlConnection> {
    const connection = new ControlConnection(options);
    const dial = { url: options.url, via: options.via, initiation: connection.#initiator.initiation };
    try {
      await openControlSocket(dial, {
        opened: (socket) => {
          connection.#socket = socket;
        },
        received: (bytes) => connection.#receive(bytes),
        closed: () => connection.#end(),
      });
    } catch (cause) {
      throw new ConnectionLost("no connection", { cause });
    }
    await connection.#until(() => connection.#channel !== undefined);
    return connection;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Posts JSON and returns the whole answer. @throws ConnectionLost when it does not come */
  async post(path: string, body: unknown): Promise<TestResponse> {
    const streamId = this.#request(path, body);
    const response = () => this.#http2.response(streamId);
    await this.#until(() => response().ended || response().resetCode !== undefined);
    return response();
  }

  /** Posts JSON and hands on the body of the answer piece by piece, for as long as it comes. */
  stream(path: string, body: unknown, onBytes: (bytes: Uint8Array) => void): void {
    this.#streams.set(this.#request(path, body), onBytes);
  }

  /** Ends it at once, without a farewell. */
  close(): void {
    this.#socket?.close();
    this.#end();
  }

  #request(path: string, body: unknown): number {
    if (this.#isClosed) throw new ConnectionLost("the connection has ended");
    const { streamId, bytes } = this.#http2.request("POST", path, Buffer.from(JSON.stringify(body)));
    this.#send(bytes);
    return streamId;
  }

  #send(plaintext: Uint8Array): void {
    if (this.#channel === undefined) throw new Error("the handshake is not done");
    this.#socket?.send(this.#channel.seal(plaintext));
  }

  #receive(bytes: Uint8Array): void {
    let ciphertext = bytes;
    if (this.#channel === undefined) {
      this.#pending = Buffer.concat([this.#pending, bytes]);
      if (this.#pending.length < NOISE_RESPONSE_BYTES) return;
      this.#channel = this.#initiator.finish(this.#pending.subarray(0, NOISE_RESPONSE_BYTES));
      ciphertext = this.#pending.subarray(NOISE_RESPONSE_BYTES);
      this.#pending = Buffer.alloc(0);
      this.#send(this.#http2.start());
    }
    const plaintext = this.#channel.open(ciphertext);
    if (plaintext.length > 0) this.#receivePlaintext(plaintext);
    for (const look of this.#waiters) look();
  }

  #receivePlaintext(plaintext: Uint8Array): void {
    let rest = plaintext;
    if (!this.#isEarlyDone) {
      this.#pending = Buffer.concat([this.#pending, plaintext]);
      if (this.#pending.length < EARLY_HEADER_BYTES) return;
      const end = EARLY_HEADER_BYTES + this.#pending.readUInt32BE(5);
      if (this.#pending.length < end) return;
      this.#isEarlyDone = true;
      rest = this.#pending.subarray(end);
    }
    const reply = this.#http2.receive(rest);
    if (reply.length > 0) this.#send(reply);
    for (const [streamId, onBytes] of this.#streams) {
      const body = this.#http2.takeBody(streamId);
      if (body.length > 0) onBytes(body);
    }
  }

  #end(): void {
    this.#isClosed = true;
    for (const look of this.#waiters) look();
  }

  /** Waits until something holds, which is looked at whenever bytes arrive. */
  #until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        this.#waiters.delete(look);
        clearTimeout(timer);
        if (error) reject(error);
        else resolve();
      };
      const look = () => {
        if (holds()) settle();
        else if (this.#isClosed) settle(new ConnectionLost("the connection has ended"));
      };
      const timer = setTimeout(() => settle(new ConnectionLost("no answer in time")), ANSWER_TIMEOUT_MS);
      this.#waiters.add(look);
      look();
    });
  }
}
