// One control connection at work: bytes from its carrier through Noise and HTTP/2 to events, and responses back. Output
// collects until flush(), which seals it and has it sent after the state is stored: a nonce can be skipped, never used
// twice. Whatever the client's windows do not admit goes to the stream buffer, so nothing waits in memory.
import { concat, EMPTY } from "../protocol/bytes.ts";
import { Http2ErrorCode, type ProtocolError } from "../protocol/errors.ts";
import {
  bodyWithin,
  goAway,
  type Http2Event,
  isOpen,
  receive as receiveHttp2,
  resetStream,
  sendData,
  sendHeaders,
  sendWindow,
} from "../protocol/http2/connection.ts";
import { CONNECTION_BODIES_MAX } from "../protocol/limits.ts";
import type { NoiseCrypto } from "../protocol/noise/crypto.ts";
import { openRecords, plaintextWithin, sealRecords } from "../protocol/noise/transport.ts";
import type { Carrier } from "./carrier.ts";
import type { ConnectionState, RequestStream, StreamState } from "./connection-state.ts";
import type { StreamBuffer } from "./stream-buffer.ts";

/** Request bodies up to this size in all are kept in the attachment; larger ones are spilled. */
const INLINE_BODY_MAX = 2_048;
/** What a client must take at a time of what is held back, to count as one that takes it. */
const PROGRESS_MIN = 4 << 10;
/** Response bytes held back for one stream at most; beyond it the stream is reset and the client starts anew. */
const HELD_MAX = 8 << 20;

/** What a connection needs from its object. */
export interface ConnectionPorts {
  readonly crypto: NoiseCrypto;
  readonly buffer: StreamBuffer;
}

/** A head and a whole body. */
export interface ControlResponse {
  readonly status: number;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

/** A live control connection. */
export class ControlConnection {
  readonly state: ConnectionState;
  readonly #carrier: Carrier;
  readonly #ports: ConnectionPorts;
  /** Plaintext that flush() will seal. */
  #out: Uint8Array[] = [];
  /** Body pieces that arrived since the last flush, by stream. */
  readonly #arrived = new Map<number, Uint8Array[]>();

  constructor(carrier: Carrier, state: ConnectionState, ports: ConnectionPorts) {
    this.#carrier = carrier;
    this.state = state;
    this.#ports = ports;
  }

  /** Takes bytes from the client. @throws ProtocolError when the peer broke a protocol; then call fail() */
  receive(bytes: Uint8Array, now: number): Http2Event[] {
    const events: Http2Event[] = [];
    for (const plaintext of openRecords(this.#ports.crypto, this.state.noise, bytes)) {
      events.push(...receiveHttp2(this.state.http2, plaintext, now, this.#out));
    }
    return events;
  }

  /** What a stream is for. */
  stream(id: number): StreamState | undefined {
    return this.state.streams.find((stream) => stream.id === id);
  }

  /** Notes what a stream is for, in place of what it was for before. */
  setStream(stream: StreamState): void {
    this.state.streams = [...this.state.streams.filter((other) => other.id !== stream.id), stream];
  }

  /** Forgets a stream and what was buffered for it. @returns what it was for */
  dropStream(id: number): StreamState | undefined {
    const stream = this.stream(id);
    if (stream === undefined) return undefined;
    this.state.streams = this.state.streams.filter((other) => other !== stream);
    this.#arrived.delete(id);
    if (stream.held !== undefined || (stream.kind === "request" && stream.isSpilled)) {
      this.#ports.buffer.dropStream(this.state.id, id);
    }
    return stream;
  }

  /** Keeps a piece of a request body. @returns false when the body, or all of the connection's, are over their limit */
  keepBody(stream: RequestStream, data: Uint8Array): boolean {
    stream.received += data.length;
    if (stream.received > stream.limit) return false;
    let total = 0;
    for (const other of this.state.streams) if (other.kind === "request") total += other.received;
    if (total > CONNECTION_BODIES_MAX) return false;
    const pieces = this.#arrived.get(stream.id);
    if (pieces === undefined) this.#arrived.set(stream.id, [data]);
    else pieces.push(data);
    return true;
  }

  /** The whole body of a request that has arrived; it is not kept any longer. */
  takeBody(stream: RequestStream): Uint8Array {
    const spilled = stream.isSpilled ? this.#ports.buffer.take(this.state.id, stream.id, "in") : EMPTY;
    const arrived = this.#arrived.get(stream.id) ?? [];
    this.#arrived.delete(stream.id);
    stream.isSpilled = false;
    return concat([spilled, stream.inline, ...arrived]);
  }

  /** Answers a request. */
  respond(streamId: number, response: ControlResponse, now: number): void {
    const { status, headers, body } = response;
    this.dropStream(streamId);
    sendHeaders(this.state.http2, streamId, { status, ...(headers && { headers }) }, body.length === 0, this.#out);
    if (body.length === 0) return;
    this.setStream({ kind: "response", id: streamId, held: undefined });
    this.push(streamId, body, now, true);
  }

  /** Sends a response head and leaves the body open. */
  openBody(streamId: number, status: number): void {
    sendHeaders(this.state.http2, streamId, { status }, false, this.#out);
  }

  /** Sends body bytes, as far as windows and carrier admit them; the rest is held back and follows. */
  push(streamId: number, bytes: Uint8Array, now: number, endsStream = false): void {
    const stream = this.stream(streamId);
    if (stream === undefined || !isOpen(this.state.http2, streamId)) return;
    if (stream.held === undefined) {
      const accepted = this.#send(streamId, bytes, endsStream);
      if (accepted === bytes.length) {
        if (endsStream) this.dropStream(streamId);
        return;
      }
      stream.held = { bytes: 0, since: now, endsStream };
      this.#hold(stream, bytes.subarray(accepted), endsStream);
    } else this.#hold(stream, bytes, endsStream);
  }

  /** Ends a stream after what was sent on it. */
  endStream(streamId: number, now: number): void {
    this.push(streamId, EMPTY, now, true);
  }

  /** Ends a stream at once, without what is held back. */
  reset(streamId: number, code: Http2ErrorCode): void {
    this.dropStream(streamId);
    resetStream(this.state.http2, streamId, code, this.#out);
  }

  /** Sends what was held back, now that windows or the carrier take more; 0: on all streams. */
  drain(streamId: number, now: number): void {
    let total = 0;
    for (const stream of [...this.state.streams]) {
      if (stream.held === undefined || (streamId !== 0 && stream.id !== streamId)) continue;
      const { held } = stream;
      const taken = this.#ports.buffer.drain(this.state.id, stream.id, (piece) => this.#send(stream.id, piece, false));
      total += taken;
      held.bytes -= taken;
      if (taken >= PROGRESS_MIN) held.since = now;
      if (held.bytes > 0) continue;
      stream.held = undefined;
      if (held.endsStream) {
        sendData(this.state.http2, stream.id, EMPTY, true, this.#out);
        this.dropStream(stream.id);
      }
    }
    if (total >= PROGRESS_MIN) this.#noteProgress(now);
  }

  /** Stores the state and sends what has collected; on a connection that is closing it goes nowhere. */
  flush(): void {
    const out = this.#out;
    this.#out = [];
    if (!this.isOpen) return;
    this.#spillBodies();
    const sealed = out.length === 0 ? EMPTY : sealRecords(this.#ports.crypto, this.state.noise, concat(out));
    this.#carrier.send(this.state, sealed);
  }

  /** Sends the handshake's response and, in the same message, the first records: what the server says first. */
  greet(response: Uint8Array, greeting: readonly Uint8Array[]): void {
    const records = sealRecords(this.#ports.crypto, this.state.noise, concat(greeting));
    this.#carrier.send(this.state, concat([response, records]));
  }

  /** Whether the client can still be heard and told anything. */
  get isOpen(): boolean {
    return this.#carrier.isOpen;
  }

  /**
   * Forgets all streams and ends the connection; an HTTP/2 peer that broke a rule is told which.
   * @returns what the streams were for
   */
  close(code: number, reason: string, error?: ProtocolError): readonly StreamState[] {
    const { streams } = this.state;
    for (const stream of [...streams]) this.dropStream(stream.id);
    if (!this.isOpen) return streams;
    if (error?.code === "http2") goAway(this.state.http2, error.http2, this.#out);
    if (error !== undefined) this.flush(); // after the streams are gone, whose number may be what is wrong
    this.#carrier.close(this.state, code, reason);
    return streams;
  }

  /** @returns how many of the bytes were admitted */
  #send(streamId: number, bytes: Uint8Array, endsStream: boolean): number {
    const room = this.#roomForBody();
    if (bytes.length <= room || bytes.length === 0) {
      return sendData(this.state.http2, streamId, bytes, endsStream, this.#out);
    }
    return room <= 0 ? 0 : sendData(this.state.http2, streamId, bytes.subarray(0, room), false, this.#out);
  }

  #roomForBody(): number {
    const { room } = this.#carrier;
    if (room === Number.POSITIVE_INFINITY) return room;
    let collected = 0;
    for (const part of this.#out) collected += part.length;
    return bodyWithin(plaintextWithin(room) - collected);
  }

  /** Streams whose client would take them wait for the way that all of them share; they have not stopped. */
  #noteProgress(now: number): void {
    for (const { id, held } of this.state.streams) {
      if (held !== undefined && sendWindow(this.state.http2, id) > 0) held.since = now;
    }
  }

  #hold(stream: StreamState, bytes: Uint8Array, endsStream: boolean): void {
    const { held } = stream;
    if (held === undefined) return;
    held.endsStream = endsStream;
    held.bytes += bytes.length;
    if (held.bytes > HELD_MAX) {
      this.reset(stream.id, Http2ErrorCode.ENHANCE_YOUR_CALM);
      return;
    }
    this.#ports.buffer.append(this.state.id, stream.id, "out", bytes);
  }

  /** Moves body pieces that arrived in this event to where they survive the next. */
  #spillBodies(): void {
    let inline = 0;
    for (const stream of this.state.streams) if (stream.kind === "request") inline += stream.inline.length;
    for (const [id, pieces] of this.#arrived) {
      const stream = this.stream(id);
      if (stream?.kind !== "request") continue;
      const fresh = concat(pieces);
      if (!stream.isSpilled && inline + fresh.length <= INLINE_BODY_MAX) {
        stream.inline = concat([stream.inline, fresh]);
        inline += fresh.length;
      } else {
        this.#ports.buffer.append(this.state.id, id, "in", concat([stream.inline, fresh]));
        inline -= stream.inline.length;
        stream.inline = EMPTY;
        stream.isSpilled = true;
      }
    }
    this.#arrived.clear();
  }
}
