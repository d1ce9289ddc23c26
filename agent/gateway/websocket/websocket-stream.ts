// The client's end of a WebSocket that carries a byte stream (RFC 6455): message boundaries mean nothing. Written for the
// gateway instead of using a WebSocket library, because those gather whole messages in memory of their own, and that was
// more than half of what a relayed byte cost here (docs/decisions/0012-gateway-websocket.md).
import type { Socket } from "node:net";
import { CLOSE_TIMEOUT_MS } from "../limits.ts";
import { writeFrame } from "./client-frames.ts";
import { CloseCode, Opcode } from "./frame.ts";
import { ServerFrames, type StreamEnd } from "./server-frames.ts";

/** What the other side does. */
export interface StreamEvents {
  /** Bytes; the memory is overwritten after the call. */
  data(bytes: Buffer): void;
  pong(): void;
  /** The connection is gone. Comes once, after all data. */
  close(end: StreamEnd): void;
}

const BROKEN_OFF: StreamEnd = { code: CloseCode.ABNORMAL, isViolation: false };

/** A connection that has switched to WebSocket. */
export class WebSocketStream {
  readonly #socket: Socket;
  readonly #frames: ServerFrames;
  #events: StreamEvents | undefined;
  #hasSentClose = false;
  #closeTimer: NodeJS.Timeout | undefined;
  #head: Buffer | undefined;

  /**
   * The socket is paused and nobody else writes to it; what it reads is handed to {@link receive}. `head` are bytes that
   * came behind the handshake.
   */
  constructor(socket: Socket, head: Buffer) {
    this.#socket = socket;
    this.#head = head;
    this.#frames = new ServerFrames((opcode, payload) => this.#control(opcode, payload));
    socket.once("close", () => {
      clearTimeout(this.#closeTimer);
      this.#events?.close(this.#frames.end ?? BROKEN_OFF);
    });
  }

  /** Says who is told; once, before the stream is resumed for the first time. */
  listen(events: StreamEvents): void {
    this.#events = events;
    const head = this.#head;
    this.#head = undefined;
    if (head !== undefined && head.length > 0) this.receive(head);
  }

  /** Bytes that wait to be written. */
  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  get isPaused(): boolean {
    return this.#socket.isPaused();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Takes bytes of the connection, in memory that it may rearrange and that is the caller's again afterwards. */
  receive(chunk: Buffer): void {
    if (this.#frames.end !== undefined) return;
    const data = this.#frames.read(chunk);
    if (data.length > 0) this.#events?.data(data);
    const end = this.#frames.end as StreamEnd | undefined; // reading has changed it
    if (end === undefined) return;
    this.close(end.code === CloseCode.NO_STATUS ? CloseCode.NORMAL : end.code);
    this.#socket.end();
  }

  /** Sends one message. @param written called when it has left the process, or cannot any more */
  send(parts: readonly Uint8Array[], written: () => void): void {
    writeFrame(this.#socket, Opcode.BINARY, parts, written);
  }

  ping(): void {
    if (!this.#hasSentClose) writeFrame(this.#socket, Opcode.PING, []);
  }

  /** Begins the closing handshake; what the server still says is heard, for some seconds. */
  close(code: number, reason = ""): void {
    if (this.#hasSentClose) return;
    this.#hasSentClose = true;
    const head = Buffer.alloc(2);
    head.writeUInt16BE(code);
    writeFrame(this.#socket, Opcode.CLOSE, [head, Buffer.from(reason)]);
    this.#closeTimer = setTimeout(() => this.terminate(), CLOSE_TIMEOUT_MS);
  }

  /** Ends the connection at once. */
  terminate(): void {
    this.#socket.destroy();
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode === Opcode.PONG) this.#events?.pong();
    else if (!this.#hasSentClose) writeFrame(this.#socket, Opcode.PONG, [payload]);
  }
}
