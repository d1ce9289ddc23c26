// One end of a relay connection for the load program: logs in, then hands on packets with as little work as it can, so
// that what is measured is the relay and not this.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { DerpClient, frameOf } from "../../support/derp-client.ts";

const UPGRADE = "GET /derp HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n\r\n";
const HEADER = 5;
const RECV_PACKET = 0x05;
const PING = 0x12;
const PONG = 0x13;
const KEY = 32;

/** A logged-in connection. */
export class DerpConnection {
  readonly publicKey: Uint8Array;
  readonly socket: net.Socket;
  /** Called with the length of each packet that arrives. */
  onPacket: (length: number) => void = () => {};
  #rest = 0;
  #held: Buffer = Buffer.alloc(0);

  private constructor(publicKey: Uint8Array, socket: net.Socket) {
    this.publicKey = publicKey;
    this.socket = socket;
    socket.on("data", (chunk) => this.#read(chunk));
  }

  /** Connects by the native upgrade, without TLS, and logs in. @throws Error when the relay does not admit it */
  static async open(url: string, privateKey: Uint8Array = randomBytes(KEY)): Promise<DerpConnection> {
    const { hostname, port } = new URL(url);
    const socket = net.connect({ host: hostname, port: Number(port), noDelay: true });
    socket.on("error", () => {}); // a close follows
    socket.write(UPGRADE);
    const client = new DerpClient(privateKey, (bytes) => void socket.write(bytes));
    const closed = once(socket, "close").then(() => Promise.reject(new Error("the relay closed the connection")));
    closed.catch(() => {});
    let head = Buffer.alloc(0);
    let isSwitched = false;
    const read = (chunk: Buffer) => {
      if (isSwitched) return client.receive(chunk);
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      isSwitched = true;
      client.receive(head.subarray(end + 4));
    };
    socket.on("data", read);
    await Promise.race([client.logIn(), closed]);
    socket.off("data", read);
    return new DerpConnection(client.publicKey, socket);
  }

  close(): void {
    this.socket.destroy();
  }

  /** Skips from header to header; of packets only the header is looked at. Our relay paces by the Pongs to its Pings. */
  #read(chunk: Buffer): void {
    let bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    this.#held = Buffer.alloc(0);
    while (bytes.length > 0) {
      const skipped = Math.min(this.#rest, bytes.length);
      this.#rest -= skipped;
      bytes = bytes.subarray(skipped);
      if (bytes.length === 0) return;
      const isWhole = bytes.length >= HEADER && (bytes[0] !== PING || bytes.length >= HEADER + bytes.readUInt32BE(1));
      if (!isWhole) {
        this.#held = Buffer.from(bytes);
        return;
      }
      this.#rest = HEADER + bytes.readUInt32BE(1);
      if (bytes[0] === RECV_PACKET) this.onPacket(this.#rest - HEADER - KEY);
      if (bytes[0] === PING) this.socket.write(frameOf(PONG, bytes.subarray(HEADER, HEADER + 8)));
    }
  }
}

/** A SendPacket frame with so many bytes for a peer. */
export function packetTo(peer: Uint8Array, length: number): Buffer {
  const payload = Buffer.alloc(KEY + length, 0x58);
  payload.set(peer);
  return Buffer.from(frameOf(0x04, payload));
}
