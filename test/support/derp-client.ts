// A DERP client for tests, written from control-protocol.md section 7 and sharing no code with worker/protocol/derp. It
// knows nothing of sockets: give it a function that sends bytes, and give it the bytes that arrive, in any division.
import { hsalsa, xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { x25519 } from "@noble/curves/ed25519.js";

/** A frame as received. */
export interface DerpFrame {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** The client's half of one connection. */
export class DerpClient {
  readonly publicKey: Uint8Array;
  /** Frames not yet taken by {@link next}, in order. */
  readonly frames: DerpFrame[] = [];
  readonly #privateKey: Uint8Array;
  readonly #send: (bytes: Uint8Array) => void;
  #rest: Uint8Array = new Uint8Array(0);
  #waiting: ((frame: DerpFrame) => void) | undefined;
  #serverKey: Uint8Array | undefined;

  constructor(privateKey: Uint8Array, send: (bytes: Uint8Array) => void) {
    this.#privateKey = privateKey;
    this.publicKey = x25519.getPublicKey(privateKey);
    this.#send = send;
  }

  /** Takes bytes that arrived. */
  receive(chunk: Uint8Array): void {
    let rest = join([this.#rest, chunk]);
    for (;;) {
      if (rest.length < 5) break;
      const end = 5 + new DataView(rest.buffer, rest.byteOffset).getUint32(1);
      if (end > 1 << 20) throw new Error("frame of more than 1 MiB");
      if (rest.length < end) break;
      this.#take({ type: rest[0] ?? 0, payload: rest.slice(5, end) });
      rest = rest.subarray(end);
    }
    this.#rest = rest;
  }

  /** The next frame, now or when it comes. One caller at a time. */
  next(): Promise<DerpFrame> {
    const frame = this.frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Reads the ServerKey, sends the ClientInfo. @returns the frame that was sent */
  async sendClientInfo(info: Record<string, unknown> = { version: 2, CanAckPings: true }): Promise<Uint8Array> {
    const hello = await this.next();
    const magic = [0x44, 0x45, 0x52, 0x50, 0xf0, 0x9f, 0x94, 0x91];
    if (hello.type !== 1 || magic.some((byte, i) => hello.payload[i] !== byte)) throw new Error("no ServerKey");
    this.#serverKey = hello.payload.slice(8, 40);
    const nonce = crypto.getRandomValues(new Uint8Array(24));
    const box = xsalsa20poly1305(this.#boxKey(), nonce).encrypt(new TextEncoder().encode(JSON.stringify(info)));
    const frame = frameOf(2, join([this.publicKey, nonce, box]));
    this.#send(frame);
    return frame;
  }

  /** Logs in and returns the server's info. */
  async logIn(info?: Record<string, unknown>): Promise<unknown> {
    await this.sendClientInfo(info);
    const reply = await this.next();
    if (reply.type !== 3) throw new Error(`frame ${reply.type} instead of ServerInfo`);
    const plain = xsalsa20poly1305(this.#boxKey(), reply.payload.subarray(0, 24)).decrypt(reply.payload.subarray(24));
    return JSON.parse(new TextDecoder().decode(plain));
  }

  /** Sends a packet to a peer. */
  sendPacket(destination: Uint8Array, packet: Uint8Array): void {
    this.#send(packetFrame(destination, packet));
  }

  /** Sends any frame. */
  sendFrame(type: number, payload: Uint8Array): void {
    this.#send(frameOf(type, payload));
  }

  #take(frame: DerpFrame): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.frames.push(frame);
    else waiting(frame);
  }

  #boxKey(): Uint8Array {
    if (this.#serverKey === undefined) throw new Error("no ServerKey yet");
    const shared = x25519.getSharedSecret(this.#privateKey, this.#serverKey);
    const key = new Uint32Array(8);
    const sigma = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574);
    hsalsa(sigma, new Uint32Array(shared.slice().buffer), new Uint32Array(4), key);
    return new Uint8Array(key.buffer);
  }
}

/** Encodes a SendPacket frame. */
export function packetFrame(destination: Uint8Array, packet: Uint8Array): Uint8Array {
  return frameOf(4, join([destination, packet]));
}

/** A path-discovery packet with some bytes of content. */
export function discoPacket(discoKey: Uint8Array, content: Uint8Array): Uint8Array {
  return join([Uint8Array.of(0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac), discoKey, content]);
}

/** Encodes a frame. */
export function frameOf(type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(5 + payload.length);
  frame[0] = type;
  new DataView(frame.buffer).setUint32(1, payload.length);
  frame.set(payload, 5);
  return frame;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
