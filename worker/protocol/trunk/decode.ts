// Reads the frames of a trunk (frame.ts). The Worker takes whole messages; a gateway reads a stream in any division. Both
// check type and length at the header, before anything of a frame is kept.
import { concat, EMPTY, fromUtf8, readU16, readU24, readU32 } from "../bytes.ts";
import { ProtocolError } from "../errors.ts";
import {
  TRUNK_HEADER_LENGTH,
  TRUNK_MAX_INITIATION,
  TRUNK_MAX_PAYLOAD,
  TRUNK_MAX_TEXT,
  type TrunkFrame,
  TrunkFrameType,
} from "./frame.ts";

/** Who sent the frames: each side has its own. */
export type TrunkSender = "gateway" | "worker";

interface Rule {
  readonly sender: TrunkSender | "either";
  /** Lengths of the payload. */
  readonly min: number;
  readonly max: number;
}

const RULES: Readonly<Record<number, Rule>> = {
  [TrunkFrameType.OPEN]: { sender: "gateway", min: 1, max: TRUNK_MAX_INITIATION },
  [TrunkFrameType.ACCEPT]: { sender: "worker", min: 0, max: TRUNK_MAX_PAYLOAD },
  [TrunkFrameType.REFUSE]: { sender: "worker", min: 4, max: 4 + TRUNK_MAX_TEXT },
  [TrunkFrameType.DATA]: { sender: "either", min: 0, max: TRUNK_MAX_PAYLOAD },
  [TrunkFrameType.CLOSE]: { sender: "either", min: 2, max: 2 },
  [TrunkFrameType.CREDIT]: { sender: "gateway", min: 4, max: 4 },
};

/** The frames of one message; their bytes are views on it. @throws ProtocolError `trunk` when it is no run of whole frames */
export function decodeTrunkMessage(message: Uint8Array, sender: TrunkSender): TrunkFrame[] {
  const frames: TrunkFrame[] = [];
  const left = take(message, sender, (frame) => frames.push(frame));
  if (left < message.length) throw new ProtocolError("trunk", "message ends inside a frame");
  return frames;
}

/** Frames of a stream that is cut anywhere. DATA comes in pieces as the stream does, so that nothing of it is kept. */
export class TrunkDecoder {
  readonly #sender: TrunkSender;
  /** The beginning of a frame, shorter than its header or of another type than DATA. */
  #partial: Uint8Array = EMPTY;
  /** The DATA whose bytes are coming, and how many are still to come. */
  #channel = 0;
  #left = 0;

  constructor(sender: TrunkSender) {
    this.#sender = sender;
  }

  /**
   * Takes the next bytes and hands over what is complete: views that are good during the call alone.
   * @throws ProtocolError `trunk`
   */
  receive(chunk: Uint8Array, onFrame: (frame: TrunkFrame) => void): void {
    const rest = this.#left === 0 ? chunk : this.#takeData(chunk, onFrame);
    if (rest.length === 0) return;
    const bytes = this.#partial.length === 0 ? rest : concat([this.#partial, rest]);
    const unfinished = bytes.subarray(take(bytes, this.#sender, onFrame));
    this.#partial = EMPTY;
    if (unfinished.length >= TRUNK_HEADER_LENGTH && unfinished[0] === TrunkFrameType.DATA) {
      this.#left = readU24(unfinished, 1);
      this.#channel = readU32(unfinished, 4);
      this.#takeData(unfinished.subarray(TRUNK_HEADER_LENGTH), onFrame);
    } else if (unfinished.length > 0) {
      this.#partial = concat([unfinished]); // a copy, since slice of Node's buffers gives a view
    }
  }

  /** Hands over the bytes that belong to a DATA that has begun. @returns those behind it */
  #takeData(chunk: Uint8Array, onFrame: (frame: TrunkFrame) => void): Uint8Array {
    const bytes = chunk.subarray(0, this.#left);
    this.#left -= bytes.length;
    if (bytes.length > 0) onFrame({ type: "data", channel: this.#channel, bytes });
    return chunk.subarray(bytes.length);
  }
}

/** Hands over whole frames. @returns where the first one begins that is not */
function take(bytes: Uint8Array, sender: TrunkSender, onFrame: (frame: TrunkFrame) => void): number {
  let at = 0;
  while (bytes.length - at >= TRUNK_HEADER_LENGTH) {
    const type = bytes[at] as number;
    const length = readU24(bytes, at + 1);
    const channel = readU32(bytes, at + 4);
    checkHeader(type, length, channel, sender);
    const start = at + TRUNK_HEADER_LENGTH;
    if (bytes.length - start < length) break;
    onFrame(readFrame(type, channel, bytes.subarray(start, start + length)));
    at = start + length;
  }
  return at;
}

function checkHeader(type: number, length: number, channel: number, sender: TrunkSender): void {
  const rule = RULES[type];
  if (rule === undefined || (rule.sender !== "either" && rule.sender !== sender)) {
    throw new ProtocolError("trunk", "frame of a type that this side does not send");
  }
  if (length < rule.min || length > rule.max) throw new ProtocolError("trunk", "payload has a length it cannot have");
  if (channel === 0) throw new ProtocolError("trunk", "channel 0");
}

/** The type is one of {@link RULES} and the length fits it. */
function readFrame(type: number, channel: number, payload: Uint8Array): TrunkFrame {
  switch (type) {
    case TrunkFrameType.OPEN:
      return { type: "open", channel, initiation: payload };
    case TrunkFrameType.ACCEPT:
      return { type: "accept", channel, bytes: payload };
    case TrunkFrameType.REFUSE: {
      const text = fromUtf8(payload.subarray(4));
      return { type: "refuse", channel, status: readU16(payload, 0), retryAfter: readU16(payload, 2), text };
    }
    case TrunkFrameType.CLOSE:
      return { type: "close", channel, code: readU16(payload, 0) };
    case TrunkFrameType.CREDIT:
      return { type: "credit", channel, bytes: readU32(payload, 0) };
    default:
      return { type: "data", channel, bytes: payload };
  }
}
