// A relay connection as native clients make it (control-protocol.md 7.1, 7.3): TCP, TLS with the map's pin or a trusted
// certificate, the upgrade, the login; each step timed. Errors name the step that failed.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { concat, equalBytes, utf8 } from "../../worker/protocol/bytes.ts";
import type { DerpNode } from "../../worker/protocol/control/derp-map.ts";
import { decodeFrames, newDecoder } from "../../worker/protocol/derp/decode.ts";
import { encodeFrame, encodePing, encodePong } from "../../worker/protocol/derp/encode.ts";
import { type Frame, FrameType, KEY_LENGTH, MAGIC, NONCE_LENGTH, payloadOf } from "../../worker/protocol/derp/frame.ts";
import { boxKeyOf } from "../../worker/protocol/derp/login.ts";
import { DERP_MAX_FRAME } from "../../worker/protocol/limits.ts";
import { noble } from "../control/noise-probe.ts";
import { CHECK_TIMEOUT_MS, failureText } from "../finding.ts";

/** Milliseconds of each step. */
export interface Steps {
  readonly connect: number;
  readonly tls: number;
  readonly upgrade: number;
  readonly login: number;
}

/** A step that failed. */
export class StepFailed extends Error {
  readonly step: keyof Steps;

  constructor(step: keyof Steps, message: string) {
    super(message);
    this.step = step;
  }
}

/** Opens the TCP and TLS connection to a relay. @throws StepFailed */
export async function openTls(node: DerpNode): Promise<{ socket: tls.TLSSocket; connect: number; tls: number }> {
  const startedAt = performance.now();
  const tcp = net.connect({ host: addressOf(node), port: node.DERPPort || 443, noDelay: true });
  await settle("connect", tcp, once(tcp, "connect"));
  const connectedAt = performance.now();
  const pin = /^sha256-raw:([0-9a-f]{64})$/.exec(node.CertName ?? "")?.[1];
  const isUnverified = pin !== undefined || node.InsecureForTests === true;
  const name = (pin === undefined && node.CertName) || node.HostName;
  const socket = tls.connect({
    socket: tcp,
    rejectUnauthorized: !isUnverified,
    ...(net.isIP(node.HostName) === 0 && { servername: node.HostName }),
    checkServerIdentity: (_, certificate) => tls.checkServerIdentity(name, certificate),
  });
  await settle("tls", socket, once(socket, "secureConnect"));
  const raw = socket.getPeerCertificate().raw;
  if (pin !== undefined && createHash("sha256").update(raw).digest("hex") !== pin) {
    socket.destroy();
    throw new StepFailed("tls", "the relay has another certificate than the DERP map names");
  }
  return { socket, connect: connectedAt - startedAt, tls: performance.now() - connectedAt };
}

function addressOf(node: DerpNode): string {
  const literal = [node.IPv4, node.IPv6].find((address) => address !== undefined && net.isIP(address) !== 0);
  return literal ?? node.HostName;
}

/** Waits for an event of a socket, its failure or the end of patience. @throws StepFailed */
async function settle<T>(step: keyof Steps, socket: net.Socket, event: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const fail = (message: string) => {
    socket.destroy();
    reject(new StepFailed(step, message));
  };
  const timer = setTimeout(() => fail("no answer within 5 s"), CHECK_TIMEOUT_MS);
  const closed = () => fail(step === "login" ? "the relay ends the connection" : "the connection ends");
  socket.once("close", closed);
  try {
    return await Promise.race([event, promise]);
  } catch (error) {
    socket.destroy();
    throw error instanceof StepFailed ? error : new StepFailed(step, failureText(error));
  } finally {
    clearTimeout(timer);
    socket.off("close", closed);
  }
}

/** A relay connection that is logged in. */
export class RelayConnection {
  readonly publicKey: Uint8Array;
  readonly steps: Steps;
  /** Called with the length of each packet that arrives. */
  onPacket: (length: number) => void = () => {};
  readonly #socket: tls.TLSSocket;
  #onFrame: (frame: Frame) => void = () => {};

  private constructor(socket: tls.TLSSocket, publicKey: Uint8Array, steps: Steps) {
    this.#socket = socket;
    this.publicKey = publicKey;
    this.steps = steps;
  }

  /** Connects and logs in. @throws StepFailed */
  static async open(node: DerpNode, privateKey: Uint8Array): Promise<RelayConnection> {
    const opened = await openTls(node);
    const { socket } = opened;
    const upgradeAt = performance.now();
    socket.write(`GET /derp HTTP/1.1\r\nHost: ${node.HostName}\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n\r\n`);
    const frames = new FrameReader(socket);
    const greeting = payloadOf(await settle("upgrade", socket, frames.next()));
    if (!equalBytes(greeting.subarray(0, MAGIC.length), MAGIC)) throw new StepFailed("upgrade", "that is no relay");
    const loginAt = performance.now();
    const publicKey = noble.publicKey(privateKey);
    socket.write(await clientInfo(privateKey, publicKey, greeting.subarray(MAGIC.length, MAGIC.length + KEY_LENGTH)));
    const info = await settle("login", socket, frames.next());
    if (info.type !== FrameType.SERVER_INFO) throw new StepFailed("login", "the relay answers something else");
    const now = performance.now();
    const { connect, tls: tlsMs } = opened;
    const connection = new RelayConnection(socket, publicKey, {
      connect,
      tls: tlsMs,
      upgrade: loginAt - upgradeAt,
      login: now - loginAt,
    });
    frames.onFrame = (frame) => connection.#take(frame);
    return connection;
  }

  /** One ping; milliseconds. @throws StepFailed */
  async ping(): Promise<number> {
    const startedAt = performance.now();
    const pong = new Promise<void>((resolve) => {
      this.#onFrame = (frame) => {
        if (frame.type === FrameType.PONG) resolve();
      };
    });
    this.#socket.write(encodePing(randomBytes(8)));
    await settle("login", this.#socket, pong);
    return performance.now() - startedAt;
  }

  /** Sends a packet to a peer of the same relay. */
  send(peer: Uint8Array, packet: Uint8Array): void {
    this.#socket.write(encodeFrame(FrameType.SEND_PACKET, concat([peer, packet])));
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(frame: Frame): void {
    if (frame.type === FrameType.RECV_PACKET) this.onPacket(payloadOf(frame).length - KEY_LENGTH);
    else if (frame.type === FrameType.PING) this.#socket.write(encodePong(payloadOf(frame).subarray(0, 8)));
    else this.#onFrame(frame);
  }
}

/** Frames behind the head of the upgrade's answer. */
class FrameReader {
  #onFrame: ((frame: Frame) => void) | undefined;
  readonly #waiting: Frame[] = [];
  #next: { resolve(frame: Frame): void; reject(error: Error): void } | undefined;
  #problem: Error | undefined;

  constructor(socket: tls.TLSSocket) {
    const state = newDecoder();
    let head: Buffer | undefined = Buffer.alloc(0);
    socket.on("error", () => {}); // a close follows
    socket.on("data", (chunk: Buffer) => {
      let bytes = chunk;
      if (head !== undefined) {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf("\r\n\r\n");
        if (end < 0) return;
        const status = /^HTTP\/1\.1 (\d+)/.exec(head.toString("latin1"))?.[1];
        if (status !== "101")
          return this.#fail(new Error(`the relay answers ${status ?? "no HTTP"} to the upgrade`), socket);
        bytes = head.subarray(end + 4);
        head = undefined;
      }
      try {
        // A copy, because frames are views of what is decoded.
        for (const frame of decodeFrames(state, Uint8Array.from(bytes), () => DERP_MAX_FRAME)) this.#give(frame);
      } catch (error) {
        this.#fail(error as Error, socket);
      }
    });
  }

  /** Takes all frames from now on. */
  set onFrame(take: (frame: Frame) => void) {
    this.#onFrame = take;
    for (const frame of this.#waiting.splice(0)) take(frame);
  }

  next(): Promise<Frame> {
    const frame = this.#waiting.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.#problem !== undefined) return Promise.reject(this.#problem);
    return new Promise((resolve, reject) => {
      this.#next = { resolve, reject };
    });
  }

  #give(frame: Frame): void {
    const next = this.#next;
    this.#next = undefined;
    if (this.#onFrame !== undefined) this.#onFrame(frame);
    else if (next !== undefined) next.resolve(frame);
    else this.#waiting.push(frame);
  }

  #fail(error: Error, socket: tls.TLSSocket): void {
    this.#problem = error;
    this.#next?.reject(error);
    socket.destroy();
  }
}

async function clientInfo(privateKey: Uint8Array, publicKey: Uint8Array, serverKey: Uint8Array): Promise<Uint8Array> {
  const nonce = randomBytes(NONCE_LENGTH);
  const boxKey = boxKeyOf(await noble.dh(privateKey, serverKey));
  const info = xsalsa20poly1305(boxKey, nonce).encrypt(utf8(JSON.stringify({ version: 2, CanAckPings: true })));
  return encodeFrame(FrameType.CLIENT_INFO, concat([publicKey, nonce, info]));
}
