// Reads the frames of a server out of its byte stream, however that is cut. The payload of data frames is a stream to us:
// nobody waits for the end of a message, and nothing of it is kept. What lies between two payloads of one read is
// removed by moving them together, so that one read of the server is one write to the client.
import { WEBSOCKET_MAX_RECEIVE } from "../../../worker/protocol/limits.ts";
import { CloseCode, CONTROL_MAX, FIN, MASKED, Opcode } from "./frame.ts";
import type { StreamEnd } from "./worker-stream.ts";

/** Receives pings and pongs. */
export type OnControl = (opcode: number, payload: Buffer) => void;

/** Bits of the first byte that mean something only with extensions, which we never offer. */
const RESERVED = 0x70;
/** Longest head: two bytes and a length of eight. Servers do not mask. */
const HEAD_MAX = 10;

/** The reader of one connection. */
export class ServerFrames {
  readonly #onControl: OnControl;
  readonly #head = Buffer.allocUnsafe(HEAD_MAX);
  #headLength = 0;
  #opcode: number = Opcode.BINARY;
  /** Payload still to come of the frame whose head was read. */
  #remaining = 0;
  /** Payload so far of a control frame; only those are kept until they are whole. */
  #control: Buffer[] = [];
  /** Whether a message has begun whose last frame is still to come. */
  #isFragmented = false;
  #end: StreamEnd | undefined;

  constructor(onControl: OnControl) {
    this.#onControl = onControl;
  }

  /** Set once there is nothing more to read. */
  get end(): StreamEnd | undefined {
    return this.#end;
  }

  /** Takes the next bytes, which it may rearrange, and returns the payload among them: a view of their beginning. */
  read(chunk: Buffer): Buffer {
    let length = 0;
    let at = 0;
    while (at < chunk.length && this.#end === undefined) {
      if (this.#remaining === 0) {
        at += this.#readHead(chunk, at);
        continue;
      }
      const taken = Math.min(this.#remaining, chunk.length - at);
      this.#remaining -= taken;
      if (isControl(this.#opcode)) {
        this.#control.push(Buffer.from(chunk.subarray(at, at + taken)));
        if (this.#remaining === 0) this.#endControl();
      } else {
        if (length !== at) chunk.copyWithin(length, at, at + taken);
        length += taken;
      }
      at += taken;
    }
    return chunk.subarray(0, length);
  }

  /** Takes what it can of a head. Returns how many bytes that was. */
  #readHead(chunk: Buffer, at: number): number {
    let taken = 0;
    while (at + taken < chunk.length) {
      this.#head[this.#headLength] = chunk[at + taken] as number;
      this.#headLength += 1;
      taken += 1;
      if (this.#headLength >= 2 && this.#headLength === headLength(this.#head)) {
        this.#headLength = 0;
        this.#begin();
        break;
      }
    }
    return taken;
  }

  #begin(): void {
    const first = this.#head[0] as number;
    const opcode = first & 0x0f;
    const isLast = (first & FIN) !== 0;
    const length = payloadLength(this.#head);
    const fault = this.#faultOf(opcode, isLast, length);
    if (fault !== undefined || (first & RESERVED) !== 0 || ((this.#head[1] as number) & MASKED) !== 0) {
      this.#end = { code: fault ?? CloseCode.PROTOCOL_ERROR, fault: "violation" };
      return;
    }
    if (!isControl(opcode)) this.#isFragmented = !isLast;
    this.#opcode = opcode;
    this.#remaining = length;
    if (length === 0 && isControl(opcode)) this.#endControl();
  }

  /** The closing code for a frame that must not come now. */
  #faultOf(opcode: number, isLast: boolean, length: number): number | undefined {
    if (isControl(opcode)) {
      return isLast && length <= CONTROL_MAX && opcode <= Opcode.PONG ? undefined : CloseCode.PROTOCOL_ERROR;
    }
    if (opcode === Opcode.TEXT) return CloseCode.UNSUPPORTED;
    if (opcode !== (this.#isFragmented ? Opcode.CONTINUATION : Opcode.BINARY)) return CloseCode.PROTOCOL_ERROR;
    return length > WEBSOCKET_MAX_RECEIVE ? CloseCode.TOO_BIG : undefined;
  }

  #endControl(): void {
    const payload = Buffer.concat(this.#control);
    this.#control = [];
    if (this.#opcode === Opcode.CLOSE) this.#end = endOf(payload);
    else this.#onControl(this.#opcode, payload);
  }
}

/** What a close frame says. */
function endOf(payload: Buffer): StreamEnd {
  if (payload.length === 0) return { code: CloseCode.NO_STATUS };
  const code = payload.length === 1 ? undefined : payload.readUInt16BE(0);
  const isSound = code !== undefined && isSendable(code);
  return isSound ? { code } : { code: CloseCode.PROTOCOL_ERROR, fault: "violation" };
}

function isControl(opcode: number): boolean {
  return (opcode & 0x08) !== 0;
}

/** Of a head whose first two bytes are there. */
function headLength(head: Buffer): number {
  const length = (head[1] as number) & 0x7f;
  if (length === 126) return 4;
  return length === 127 ? HEAD_MAX : 2;
}

function payloadLength(head: Buffer): number {
  const length = (head[1] as number) & 0x7f;
  if (length === 126) return head.readUInt16BE(2);
  return length === 127 ? Number(head.readBigUInt64BE(2)) : length;
}

/** Codes that may stand in a close frame. */
function isSendable(code: number): boolean {
  return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999);
}
