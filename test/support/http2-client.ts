// A scripted HTTP/2 client for tests that talk to the server through Noise or over a pipe: it starts as Go's client does
// (control-protocol.md 3.1), sends literal HPACK fields, and understands what our server sends (no Huffman, no dynamic
// table). It shares no code with the codec under test and does not respect the server's windows: bodies above 1 MiB
// must be fed in pieces, with the server's replies between them.
import {
  concat,
  EMPTY,
  fromUtf8,
  readU16,
  readU24,
  readU32,
  utf8,
  writeU24,
  writeU32,
} from "../../worker/protocol/bytes.ts";

const PREFACE = utf8("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const MAX_PAYLOAD = 16_384;

/** The names of static table entries 8-14 are `:status`; these are their values. */
const INDEXED_STATUS = [200, 204, 206, 304, 400, 404, 500];

/** One response as far as it has arrived. */
export interface TestResponse {
  readonly status?: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  readonly ended: boolean;
  readonly resetCode?: number;
}

interface Response {
  status?: number;
  headers: [string, string][];
  pieces: Uint8Array[];
  ended: boolean;
  resetCode?: number;
}

/** What `start` announces; Go's client keeps the defaults. */
export interface StartOptions {
  readonly initialWindow?: number;
  /** Added to the 65,535 bytes that a connection starts with. */
  readonly connectionWindow?: number;
}

/** What a request may have besides method, path and body. */
export interface RequestOptions {
  /** Default true: the request ends with the body given to `request`. */
  readonly endStream?: boolean;
  readonly headers?: readonly (readonly [string, string])[];
  readonly authority?: string;
}

/** One connection. Every method that sends returns the bytes to write; `receive` takes what was read. */
export class Http2TestClient {
  /** Payloads of the PING acknowledgements received. */
  readonly pingAcks: Uint8Array[] = [];
  /** SETTINGS of the server, by identifier. */
  readonly settings = new Map<number, number>();
  /** How often the server acknowledged our SETTINGS. */
  settingsAcks = 0;
  /** Code of the server's last GOAWAY. */
  goAwayCode: number | undefined;
  /** Sum of the connection's window increments received. */
  windowReceived = 0;
  #nextStreamId = 1;
  #pending: Uint8Array = EMPTY;
  readonly #responses = new Map<number, Response>();

  /** Preface, SETTINGS and the connection window. */
  start({ initialWindow = 4_194_304, connectionWindow = 1 << 30 }: StartOptions = {}): Uint8Array {
    const settings = concat([setting(2, 0), setting(4, initialWindow), setting(6, 10_485_760)]);
    return concat([PREFACE, frame(SETTINGS, 0, 0, settings), this.windowUpdate(0, connectionWindow)]);
  }

  /** HEADERS, and DATA when there is a body. */
  request(
    method: string,
    path: string,
    body: Uint8Array = EMPTY,
    { endStream = true, headers = [], authority = "unused" }: RequestOptions = {},
  ): { streamId: number; bytes: Uint8Array } {
    const streamId = this.#nextStreamId;
    this.#nextStreamId += 2;
    const fields: readonly (readonly [string, string])[] = [
      [":method", method],
      [":scheme", "https"],
      [":path", path],
      [":authority", authority],
      ...headers,
    ];
    // [0x20]: a table size of 0, which the server asks for and wants confirmed at the start of a block.
    const literals = fields.flatMap(([name, value]) => [Uint8Array.of(0), literal(name), literal(value)]);
    const block = concat([Uint8Array.of(0x20), ...literals]);
    const endsWithHead = endStream && body.length === 0;
    const head = frame(HEADERS, endsWithHead ? 5 : 4, streamId, block);
    return { streamId, bytes: body.length === 0 ? head : concat([head, this.data(streamId, body, endStream)]) };
  }

  /** DATA frames of at most 16,384 bytes; an empty one when there is nothing but the end to say. */
  data(streamId: number, bytes: Uint8Array, endStream: boolean): Uint8Array {
    const frames: Uint8Array[] = [];
    let at = 0;
    do {
      const piece = bytes.subarray(at, at + MAX_PAYLOAD);
      at += piece.length;
      frames.push(frame(DATA, endStream && at === bytes.length ? 1 : 0, streamId, piece));
    } while (at < bytes.length);
    return concat(frames);
  }

  /** RST_STREAM; CANCEL unless another code is given. */
  reset(streamId: number, code = 8): Uint8Array {
    return frame(RST_STREAM, 0, streamId, word(code));
  }

  /** PING with 8 bytes. */
  ping(opaque: Uint8Array): Uint8Array {
    return frame(PING, 0, 0, opaque);
  }

  /** WINDOW_UPDATE. */
  windowUpdate(streamId: number, increment: number): Uint8Array {
    return frame(WINDOW_UPDATE, 0, streamId, word(increment));
  }

  /** Takes bytes of the server, cut anywhere; returns what to send back: acknowledgements and window updates. */
  receive(chunk: Uint8Array): Uint8Array {
    const bytes = concat([this.#pending, chunk]);
    const replies: Uint8Array[] = [];
    let at = 0;
    while (bytes.length - at >= 9 && bytes.length - at >= 9 + readU24(bytes, at)) {
      const end = at + 9 + readU24(bytes, at);
      const head = { type: bytes[at + 3] as number, flags: bytes[at + 4] as number, streamId: readU32(bytes, at + 5) };
      replies.push(...this.#receiveFrame(head, bytes.slice(at + 9, end)));
      at = end;
    }
    this.#pending = bytes.slice(at);
    return concat(replies);
  }

  /** The response on a stream as far as it has arrived. */
  response(streamId: number): TestResponse {
    const { pieces, ...rest } = this.#at(streamId);
    return { ...rest, body: concat(pieces) };
  }

  /** Takes what has arrived of a body since it was last taken, so that a long stream need not be kept. */
  takeBody(streamId: number): Uint8Array {
    return concat(this.#at(streamId).pieces.splice(0));
  }

  #receiveFrame({ type, flags, streamId }: { type: number; flags: number; streamId: number }, payload: Uint8Array) {
    switch (type) {
      case SETTINGS:
        if (flags & 1) {
          this.settingsAcks++;
          return [];
        }
        for (let at = 0; at < payload.length; at += 6)
          this.settings.set(readU16(payload, at), readU32(payload, at + 2));
        return [frame(SETTINGS, 1, 0, EMPTY)];
      case HEADERS:
        readFields(payload, this.#at(streamId));
        this.#at(streamId).ended = (flags & 1) !== 0;
        return [];
      case DATA:
        this.#at(streamId).pieces.push(payload);
        this.#at(streamId).ended = (flags & 1) !== 0;
        if (payload.length === 0) return [];
        return [
          this.windowUpdate(0, payload.length),
          ...(flags & 1 ? [] : [this.windowUpdate(streamId, payload.length)]),
        ];
      case RST_STREAM:
        this.#at(streamId).resetCode = readU32(payload, 0);
        return [];
      case PING:
        if (!(flags & 1)) return [frame(PING, 1, 0, payload)];
        this.pingAcks.push(payload);
        return [];
      case GOAWAY:
        this.goAwayCode = readU32(payload, 4);
        return [];
      case WINDOW_UPDATE:
        if (streamId === 0) this.windowReceived += readU32(payload, 0);
        return [];
      default:
        throw new Error(`frame type ${type} from the server`);
    }
  }

  #at(streamId: number): Response {
    const known = this.#responses.get(streamId);
    if (known !== undefined) return known;
    const response: Response = { headers: [], pieces: [], ended: false };
    this.#responses.set(streamId, response);
    return response;
  }
}

function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(9);
  writeU24(header, 0, payload.length);
  header[3] = type;
  header[4] = flags;
  writeU32(header, 5, streamId);
  return concat([header, payload]);
}

function setting(identifier: number, value: number): Uint8Array {
  return concat([Uint8Array.of(0, identifier), word(value)]);
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

/** An HPACK string without Huffman. */
function literal(text: string): Uint8Array {
  const octets = utf8(text);
  if (octets.length < 127) return concat([Uint8Array.of(octets.length), octets]);
  const length = [127];
  let rest = octets.length - 127;
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
  return concat([Uint8Array.of(...length, rest), octets]);
}

/** Reads [0x20][:status, indexed or literal][0x00, name, value]…, the only shape that our server sends. */
function readFields(block: Uint8Array, response: Response): void {
  let at = 0;
  const readString = () => {
    let length = block[at++] as number;
    if (length === 127) {
      for (let shift = 0, octet = 128; octet & 128; shift += 7) {
        octet = block[at++] as number;
        length += (octet & 127) << shift;
      }
    }
    at += length;
    return fromUtf8(block.subarray(at - length, at));
  };
  while (at < block.length) {
    const first = block[at++] as number;
    if (first === 0x20) continue;
    if (first >= 0x88 && first <= 0x8e) response.status = INDEXED_STATUS[first - 0x88] as number;
    else if (first === 0x08) response.status = Number(readString());
    else if (first === 0x00) response.headers.push([readString(), readString()]);
    else throw new Error("header field that the server must not send");
  }
}
