// The client's end of a WebSocket that carries a byte stream (RFC 6455): message boundaries mean nothing. Written for the
// gateway instead of using a WebSocket library, because those gather whole messages in memory of their own, and that was
// more than half of what a relayed byte cost here (docs/decisions/0012-gateway-websocket.md).
import type { Socket } from "node:net";
import { CLOSE_TIMEOUT_MS, MISSED_PINGS_MAX, PING_AFTER_MS, PING_AGAIN_MS } from "../limits.ts";
import { writeFrame } from "./client-frames.ts";
import { CloseCode, Opcode } from "./frame.ts";
import { ServerFrames } from "./server-frames.ts";
import type { StreamEnd, StreamEvents, WorkerStream } from "./worker-stream.ts";

const BROKEN_OFF: StreamEnd = { code: CloseCode.ABNORMAL };
const SILENT: StreamEnd = { code: CloseCode.ABNORMAL, fault: "silence" };

/** A connection that has switched to WebSocket. */
export class WebSocketStream implements WorkerStream {
  readonly #socket: Socket;
  readonly #frames: ServerFrames;
  #events: StreamEvents | undefined;
  #hasSentClose = false;
  #closeTimer: NodeJS.Timeout | undefined;
  #head: Buffer | undefined;
  /** Whether the Worker gave a sign of life since the last beat: bytes or a pong. */
  #hasHeard = false;
  /** The beat that saw the last sign of life. */
  #heardAt = performance.now();
  #missedPings = 0;
  #isSilent = false;

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
      this.#events?.close(this.#frames.end ?? (this.#isSilent ? SILENT : BROKEN_OFF));
    });
  }

  listen(events: StreamEvents): void {
    this.#events = events;
    const head = this.#head;
    this.#head = undefined;
    if (head !== undefined && head.length > 0) this.receive(head);
  }

  /** A paused connection is not read. */
  get heldBytes(): number {
    return 0;
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
    this.#hasHeard = true;
    const data = this.#frames.read(chunk);
    if (data.length > 0) this.#events?.data(data);
    const end = this.#frames.end as StreamEnd | undefined; // reading has changed it
    if (end === undefined) return;
    this.close(end.code === CloseCode.NO_STATUS ? CloseCode.NORMAL : end.code);
    this.#socket.end();
  }

  /** Sends one message. @param written called when it has left the process, or cannot any more */
  send(parts: readonly Uint8Array[], written?: () => void): void {
    writeFrame(this.#socket, Opcode.BINARY, parts, written);
  }

  /** Pings a Worker that has said nothing for long, and ends the connection when that brings nothing. */
  beat(nowMs: number): void {
    // Pongs of a paused connection cannot be read, so that its silence says nothing about the Worker.
    if (this.isPaused) this.#hasHeard = true;
    if (this.#hasHeard) {
      this.#hasHeard = false;
      this.#heardAt = nowMs;
      this.#missedPings = 0;
    }
    if (nowMs - this.#heardAt < PING_AFTER_MS + this.#missedPings * PING_AGAIN_MS) return;
    if (this.#missedPings >= MISSED_PINGS_MAX) {
      this.#isSilent = true;
      this.terminate();
      return;
    }
    this.#missedPings += 1;
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

  terminate(): void {
    this.#socket.destroy();
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode !== Opcode.PONG && !this.#hasSentClose) writeFrame(this.#socket, Opcode.PONG, [payload]);
  }
}
