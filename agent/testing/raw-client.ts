// A client that writes bytes and looks at bytes: tests see exactly what a peer of the gateway sees.
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";

/** A connection and all that came over it. */
export class RawClient {
  readonly socket: net.Socket;
  #chunks: Buffer[] = [];
  #length = 0;
  /** Set when the other side has sent its end. */
  hasEnded = false;
  /** Set when the connection broke. */
  error: NodeJS.ErrnoException | undefined;
  readonly #watchers = new Set<() => void>();

  constructor(socket: net.Socket) {
    this.socket = socket;
    const changed = () => {
      for (const watcher of this.#watchers) watcher();
    };
    socket
      .on("data", (chunk: Buffer) => {
        this.#chunks.push(chunk);
        this.#length += chunk.length;
        changed();
      })
      .on("end", () => {
        this.hasEnded = true;
        changed();
      })
      .on("error", (error) => {
        this.error = error;
        changed();
      })
      .on("close", changed);
  }

  /** Everything received and not yet taken. */
  get received(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Waits until a condition on this client holds. */
  async until(condition: (client: RawClient) => boolean): Promise<void> {
    if (condition(this)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const watcher = () => {
      if (condition(this)) resolve();
    };
    this.#watchers.add(watcher);
    await promise;
    this.#watchers.delete(watcher);
  }

  /** Takes the head of an HTTP answer, blank line included. */
  async head(): Promise<string> {
    await this.until((client) => client.received.includes("\r\n\r\n") || client.isOver);
    const end = this.received.indexOf("\r\n\r\n") + 4;
    return this.#take(end).toString("latin1");
  }

  /** Takes exactly so many bytes. */
  async bytes(length: number): Promise<Buffer> {
    await this.until((client) => client.#length >= length || client.isOver);
    return this.#take(length);
  }

  /** Waits for the end and returns all bytes before it. */
  async rest(): Promise<Buffer> {
    await this.until((client) => client.isOver);
    return this.#take(this.#length);
  }

  get isOver(): boolean {
    return this.hasEnded || this.error !== undefined || this.socket.destroyed;
  }

  #take(length: number): Buffer {
    const all = this.received;
    const taken = all.subarray(0, length);
    this.#chunks = [all.subarray(length)];
    this.#length = all.length - taken.length;
    return taken;
  }
}

/** Connects without TLS; the connection can be half-closed. */
export async function connectRaw(port: number): Promise<RawClient> {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  return new RawClient(socket);
}

/** Connects with TLS and believes any certificate. */
export async function connectTls(port: number): Promise<RawClient> {
  const socket = tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  return new RawClient(socket);
}

/** The upgrade request of a native control client. */
export function controlRequest(handshake = "AAAA", extra = ""): string {
  return [
    "POST /ts2021 HTTP/1.1",
    "Host: gateway.example:8080",
    "User-Agent: Go-http-client/1.1",
    "Content-Length: 0",
    "Connection: upgrade",
    "Upgrade: tailscale-control-protocol",
    `X-Tailscale-Handshake: ${handshake}`,
    `${extra}\r\n`,
  ].join("\r\n");
}

/** The upgrade request of a native DERP client. */
export function derpRequest(extra = ""): string {
  return `GET /derp HTTP/1.1\r\nHost: gateway.example\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n${extra}\r\n`;
}
