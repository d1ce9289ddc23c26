// Peers that break rules or aim at our memory or time: each limit at its edge and one beyond, each connection error, and
// noise. The worst state that a peer can build must fit a socket's attachment.
import { serialize } from "node:v8";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, EMPTY, utf8, writeU32 } from "../bytes.ts";
import { Http2ErrorCode, ProtocolError } from "../errors.ts";
import {
  HTTP2_FLOOD_WINDOW_MS,
  HTTP2_MAX_CONTINUATIONS,
  HTTP2_MAX_EMPTY_DATA,
  HTTP2_MAX_HEADER_BLOCK,
  HTTP2_MAX_HEADER_LIST,
  HTTP2_MAX_PINGS,
  HTTP2_MAX_RESETS,
  HTTP2_MAX_SETTINGS,
  HTTP2_MAX_STREAMS,
} from "../limits.ts";
import { data, headers, literals, NOW, newPeer, openPeer, type Peer, POST } from "./connection.fixture.ts";
import {
  encodeFrame,
  encodeFrameHeader,
  encodeReset,
  encodeSettings,
  encodeSettingsAck,
  encodeWindowUpdate,
} from "./encode.ts";
import { CLIENT_PREFACE, Flag, FrameType, Setting } from "./frame.ts";

/** What the state of one connection may take of an attachment, whose limit is 16,384 bytes. */
const STATE_MAX = 13 * 1024;

const failsWith = (http2: Http2ErrorCode) => expect.objectContaining({ code: "http2", http2 });
const frame = (type: number, flags: number, streamId: number, payload: Uint8Array = EMPTY) =>
  encodeFrame({ type, flags, streamId }, payload);
const sizeOf = (peer: Peer) => serialize(peer.state).length;
const ping = frame(FrameType.PING, 0, 0, new Uint8Array(8));

/** A connection with streams 1 (body to come) and 3 (request ended). */
function twoStreams(): Peer {
  const peer = openPeer();
  peer.receive(concat([headers(1, false), headers(3, true)]));
  return peer;
}

describe("the start", () => {
  test.each([
    ["an HTTP/1.1 request", utf8("GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
    ["a preface that is wrong at its end", concat([CLIENT_PREFACE.subarray(0, 23), utf8("\r")])],
    ["a frame before SETTINGS", concat([CLIENT_PREFACE, ping])],
    ["an acknowledgement before SETTINGS", concat([CLIENT_PREFACE, encodeSettingsAck()])],
    ["a request before SETTINGS", concat([CLIENT_PREFACE, headers(1, true)])],
    ["an unknown frame before SETTINGS", concat([CLIENT_PREFACE, frame(0x42, 0, 0)])],
  ])("refuses %s", (_, bytes) => {
    expect(() => newPeer().receive(bytes)).toThrow(failsWith(Http2ErrorCode.PROTOCOL_ERROR));
  });

  test("refuses a wrong preface at its first wrong byte", () => {
    expect(() => newPeer().receive(utf8("G"))).toThrow(ProtocolError);
    expect(newPeer().receive(utf8("P"))).toEqual([]);
  });
});

describe("connection errors", () => {
  const pad = (padding: number, length: number) => concat([Uint8Array.of(padding), new Uint8Array(length)]);

  test.each([
    ["DATA on an idle stream", data(5, EMPTY, false)],
    ["DATA on an even stream", data(2, EMPTY, false)],
    ["RST_STREAM on an idle stream", encodeReset(5, 0)],
    ["RST_STREAM on an even stream", encodeReset(2, 0)],
    ["WINDOW_UPDATE on an idle stream", encodeWindowUpdate(5, 1)],
    ["HEADERS on an even stream", headers(2, true)],
    ["PUSH_PROMISE", frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, 1, new Uint8Array(4))],
    ["CONTINUATION without HEADERS", frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1)],
    ["CONTINUATION after END_HEADERS", concat([headers(5, true), frame(FrameType.CONTINUATION, 4, 5)])],
    ["CONTINUATION of another stream", concat([frame(FrameType.HEADERS, 0, 5), frame(FrameType.CONTINUATION, 4, 7)])],
    ["HEADERS inside a header block", concat([frame(FrameType.HEADERS, 0, 5), headers(5, true)])],
    ["DATA inside a header block", concat([frame(FrameType.HEADERS, 0, 5), data(1, EMPTY, true)])],
    ["PING inside a header block", concat([frame(FrameType.HEADERS, 0, 5), ping])],
    ["an unknown frame inside a header block", concat([frame(FrameType.HEADERS, 0, 5), frame(0x42, 0, 5)])],
    ["DATA whose padding exceeds it", frame(FrameType.DATA, Flag.PADDED, 1, pad(3, 2))],
    ["padded DATA without a padding length", frame(FrameType.DATA, Flag.PADDED, 1)],
    ["HEADERS whose padding exceeds them", frame(FrameType.HEADERS, Flag.PADDED, 5, pad(3, 2))],
    ["a window increment of 0", encodeWindowUpdate(0, 0)],
    ["a forbidden setting", encodeSettings([[Setting.ENABLE_PUSH, 2]])],
  ])("PROTOCOL_ERROR on %s", (_, bytes) => {
    expect(() => twoStreams().receive(bytes)).toThrow(failsWith(Http2ErrorCode.PROTOCOL_ERROR));
  });

  test.each([
    ["a frame above 16,384", encodeFrameHeader({ length: 16_385, type: FrameType.DATA, flags: 0, streamId: 1 })],
    ["an unknown frame above 16,384", encodeFrameHeader({ length: 16_385, type: 0x42, flags: 0, streamId: 0 })],
    ["PING of 7", encodeFrameHeader({ length: 7, type: FrameType.PING, flags: 0, streamId: 0 })],
  ])("FRAME_SIZE_ERROR on %s, before its payload", (_, bytes) => {
    expect(() => twoStreams().receive(bytes)).toThrow(failsWith(Http2ErrorCode.FRAME_SIZE_ERROR));
  });

  test.each([
    ["a connection window above 2^31 − 1", encodeWindowUpdate(0, 0x7fffffff)],
    ["an initial window above 2^31 − 1", encodeSettings([[Setting.INITIAL_WINDOW_SIZE, 0x80000000]])],
    [
      "an initial window that makes an open stream's window too big",
      concat([encodeWindowUpdate(1, 0x7fff0000), encodeSettings([[Setting.INITIAL_WINDOW_SIZE, 0x20000]])]),
    ],
  ])("FLOW_CONTROL_ERROR on %s", (_, bytes) => {
    expect(() => twoStreams().receive(bytes)).toThrow(failsWith(Http2ErrorCode.FLOW_CONTROL_ERROR));
  });

  test.each([
    ["an index outside the tables", [0x20, 0xbe]],
    ["no table size update after SETTINGS were acknowledged", [0x83]],
    ["a truncated literal", [0x20, 0x00, 0x05, 0x61]],
  ])("COMPRESSION_ERROR on %s", (_, block) => {
    const fresh = openPeer();
    if (block[0] !== 0x20) fresh.state = { ...fresh.state, table: { entries: [], size: 0, capacity: 4096 } };
    const bytes = frame(FrameType.HEADERS, 5, 1, Uint8Array.from(block));
    expect(() => fresh.receive(bytes)).toThrow(failsWith(Http2ErrorCode.COMPRESSION_ERROR));
  });

  test("COMPRESSION_ERROR even in a block that is refused anyway", () => {
    const bytes = frame(FrameType.HEADERS, 5, 1, Uint8Array.of(0x20, 0x80));
    expect(() => twoStreams().receive(bytes)).toThrow(failsWith(Http2ErrorCode.COMPRESSION_ERROR));
  });
});

describe("stream errors", () => {
  test.each([
    ["a window increment of 0", encodeWindowUpdate(1, 0), Http2ErrorCode.PROTOCOL_ERROR],
    ["a stream window above 2^31 − 1", encodeWindowUpdate(1, 0x7fffffff), Http2ErrorCode.FLOW_CONTROL_ERROR],
  ])("%s resets the stream alone", (_, bytes, code) => {
    const peer = twoStreams();
    expect(peer.receive(bytes)).toEqual([{ type: "reset", streamId: 1, code }]);
    expect(peer.state.streams.map(([id]) => id)).toEqual([3]);
  });
});

describe("header blocks", () => {
  const ofLength = (length: number) => frame(FrameType.HEADERS, 0, 1, new Uint8Array(length));

  test("above the limit are refused by the frame header alone", () => {
    const announce = (length: number) => encodeFrameHeader({ length, type: FrameType.HEADERS, flags: 4, streamId: 1 });
    expect(openPeer().receive(announce(HTTP2_MAX_HEADER_BLOCK))).toEqual([]);
    expect(() => openPeer().receive(announce(HTTP2_MAX_HEADER_BLOCK + 1))).toThrow(
      failsWith(Http2ErrorCode.ENHANCE_YOUR_CALM),
    );
  });

  test("above the limit are refused when CONTINUATION adds to them", () => {
    const peer = openPeer();
    peer.receive(ofLength(HTTP2_MAX_HEADER_BLOCK - 1));
    peer.receive(frame(FrameType.CONTINUATION, 0, 1, new Uint8Array(1)));
    expect(() => peer.receive(frame(FrameType.CONTINUATION, 0, 1, new Uint8Array(1)))).toThrow(
      failsWith(Http2ErrorCode.ENHANCE_YOUR_CALM),
    );
  });

  test("may have so many CONTINUATION frames and no more", () => {
    const peer = openPeer();
    peer.receive(frame(FrameType.HEADERS, 1, 1, literals(POST)));
    for (let i = 1; i < HTTP2_MAX_CONTINUATIONS; i++) peer.receive(frame(FrameType.CONTINUATION, 0, 1));
    const before = structuredClone(peer.state);
    expect(peer.receive(frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1))).toHaveLength(1);
    peer.state = before;
    peer.receive(frame(FrameType.CONTINUATION, 0, 1));
    expect(() => peer.receive(frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1))).toThrow(
      failsWith(Http2ErrorCode.ENHANCE_YOUR_CALM),
    );
  });

  test("whose list is above the limit cost their stream only", () => {
    const peer = newPeer();
    peer.receive(concat([CLIENT_PREFACE, encodeSettings([])]));
    // One field of 2,500 octets in the table, then references to it: 2.5 KB per octet.
    const value = new Uint8Array(2500).fill(0x61);
    const bomb = concat([
      Uint8Array.of(0x83, 0x87, 0x84, 0x40, 1, 0x61, 0x7f, ...integerAfter127(value.length)),
      value,
      new Uint8Array(1500).fill(0xbe),
    ]);
    peer.sent();
    expect(peer.receive(frame(FrameType.HEADERS, 5, 1, bomb))).toEqual([]);
    expect(peer.sent()).toEqual(encodeReset(1, Http2ErrorCode.ENHANCE_YOUR_CALM));
    const [next] = peer.receive(frame(FrameType.HEADERS, 5, 3, Uint8Array.of(0x83, 0x87, 0x84, 0xbe)));
    expect(next).toMatchObject({ type: "request", head: { headers: [["a", "a".repeat(2500)]] } });
  });

  test("may have a list of exactly the limit", () => {
    const fixed = POST.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    const value = new Uint8Array(1900).fill(0x61);
    const shared = concat([
      Uint8Array.of(0x83, 0x87, 0x84, 0x40, 1, 0x61, 0x7f, ...integerAfter127(value.length)),
      value,
    ]);
    const rest = HTTP2_MAX_HEADER_LIST - fixed - 8 * (1900 + 33) - 33;
    const send = (length: number) => {
      const peer = newPeer();
      peer.receive(concat([CLIENT_PREFACE, encodeSettings([])]));
      const filler = concat([
        Uint8Array.of(0x00, 1, 0x62, 0x7f, ...integerAfter127(length)),
        new Uint8Array(length).fill(0x61),
      ]);
      const block = concat([shared, new Uint8Array(7).fill(0xbe), filler]);
      return peer.receive(frame(FrameType.HEADERS, 5, 1, block));
    };
    expect(send(rest)).toHaveLength(1);
    expect(send(rest + 1)).toHaveLength(0);
  });
});

/** Continuation octets of an HPACK integer above a 7-bit prefix. */
function integerAfter127(value: number): number[] {
  const rest = value - 127;
  return rest < 128 ? [rest] : [(rest & 127) | 128, rest >> 7];
}

describe("floods", () => {
  /** Feeds `next(i)` `allowed` times, then expects one more to end the connection, and a fresh window to forgive it. */
  function expectLimit(peer: Peer, allowed: number, next: (i: number) => Uint8Array): void {
    peer.state = { ...peer.state, flood: { since: NOW, resets: 0, pings: 0, settings: 0, emptyData: 0 } };
    for (let i = 0; i < allowed; i++) peer.receive(next(i));
    const before = structuredClone(peer.state);
    expect(() => peer.receive(next(allowed))).toThrow(failsWith(Http2ErrorCode.ENHANCE_YOUR_CALM));
    peer.state = before;
    expect(() => peer.receive(next(allowed), NOW + HTTP2_FLOOD_WINDOW_MS)).not.toThrow();
  }
  const id = (i: number) => 2 * i + 1;

  test("of PING", () => expectLimit(openPeer(), HTTP2_MAX_PINGS, () => ping));

  test("of acknowledged PING", () => {
    expectLimit(openPeer(), HTTP2_MAX_PINGS, () => frame(FrameType.PING, Flag.ACK, 0, new Uint8Array(8)));
  });

  test("of SETTINGS", () => expectLimit(openPeer(), HTTP2_MAX_SETTINGS, () => encodeSettings([])));

  test("of acknowledgements", () => expectLimit(openPeer(), HTTP2_MAX_SETTINGS, () => encodeSettingsAck()));

  test("of empty DATA", () => expectLimit(twoStreams(), HTTP2_MAX_EMPTY_DATA, () => data(1, EMPTY, false)));

  test("of DATA that is padding only", () => {
    const padded = frame(FrameType.DATA, Flag.PADDED, 1, concat([Uint8Array.of(255), new Uint8Array(255)]));
    expectLimit(twoStreams(), HTTP2_MAX_EMPTY_DATA, () => padded);
  });

  test("of requests that are reset at once", () => {
    expectLimit(openPeer(), HTTP2_MAX_RESETS, (i) => concat([headers(id(i), true), encodeReset(id(i), 8)]));
  });

  test("of resets of closed streams", () => {
    const peer = openPeer();
    peer.receive(concat([headers(1, true), encodeReset(1, 8)]));
    expectLimit(peer, HTTP2_MAX_RESETS, () => encodeReset(1, 8));
  });

  test("of malformed requests", () => {
    expectLimit(openPeer(), HTTP2_MAX_RESETS, (i) => headers(id(i), true, []));
  });

  test("of requests whose resets the client provokes", () => {
    expectLimit(openPeer(), HTTP2_MAX_RESETS, (i) => concat([headers(id(i), false), encodeWindowUpdate(id(i), 0)]));
  });

  test("of requests above the stream limit", () => {
    const peer = openPeer();
    for (let i = 0; i < HTTP2_MAX_STREAMS; i++) expect(peer.receive(headers(id(i), false))).toHaveLength(1);
    peer.sent();
    expect(peer.receive(headers(201, false))).toEqual([]);
    expect(peer.sent()).toEqual(encodeReset(201, Http2ErrorCode.REFUSED_STREAM));
    expectLimit(peer, HTTP2_MAX_RESETS, (i) => headers(203 + 2 * i, false));
  });
});

describe("the state", () => {
  /** Everything large at once: a full header table, 100 streams with large numbers, and a header block in pieces. */
  function fill(peer: Peer): void {
    peer.receive(concat([CLIENT_PREFACE, encodeSettings([[Setting.INITIAL_WINDOW_SIZE, 0x7fffffff]])]));
    const lastId = 0x7fffffff - 2;
    const open = Uint8Array.of(0x83, 0x87, 0x84, 0x0f, 0x0d, 15, ...utf8("999999999999999"));
    // A field of 4,096 by the table's count: the name `a` and 4,063 times `0`, whose Huffman code is 5 zeros.
    const huffman = new Uint8Array(2540);
    huffman[2539] = 0x1f;
    const entry = concat([Uint8Array.of(0x40, 1, 0x61, 0xff, ...integerAfter127(huffman.length)), huffman]);
    for (let i = 1; i <= HTTP2_MAX_STREAMS; i++) {
      const streamId = lastId - 2 * (HTTP2_MAX_STREAMS - i);
      peer.receive(frame(FrameType.HEADERS, Flag.END_HEADERS, streamId, i === 1 ? concat([open, entry]) : open));
      peer.receive(data(streamId, new Uint8Array(16_383), false));
    }
    peer.receive(frame(FrameType.HEADERS, 0, lastId + 2, new Uint8Array(HTTP2_MAX_HEADER_BLOCK - 300)));
    peer.receive(frame(FrameType.CONTINUATION, 0, lastId + 2, new Uint8Array(300)).subarray(0, 308));
  }

  test("stays below its maximum when a peer fills everything", () => {
    const peer = newPeer();
    fill(peer);
    expect(peer.state.streams).toHaveLength(HTTP2_MAX_STREAMS);
    expect(peer.state.table.size).toBe(4096);
    expect(peer.state.block?.bytes.length).toBe(HTTP2_MAX_HEADER_BLOCK - 300);
    expect(sizeOf(peer)).toBeGreaterThan(STATE_MAX - 1024);
    expect(sizeOf(peer)).toBeLessThan(STATE_MAX);
  });

  test("is small with one open stream", () => {
    const peer = openPeer([[Setting.INITIAL_WINDOW_SIZE, 4 << 20]]);
    peer.receive(concat([encodeWindowUpdate(0, 1 << 30), headers(1, false), data(1, new Uint8Array(300), true)]));
    expect(sizeOf(peer)).toBeLessThan(320);
  });

  test("holds nothing of DATA, unknown frames and debug data that trickle in", () => {
    const types = [FrameType.DATA, 0x42, FrameType.PRIORITY, FrameType.GOAWAY];
    for (const type of types) {
      const length = type === FrameType.PRIORITY ? 5 : 16_384;
      const streamId = type === FrameType.GOAWAY ? 0 : 1;
      const bytes = concat([encodeFrameHeader({ length, type, flags: 0, streamId }), new Uint8Array(length - 1)]);
      const peer = twoStreams();
      for (let at = 0; at < bytes.length; at += 97) peer.receive(bytes.subarray(at, at + 97));
      expect(peer.state.partial).toEqual(EMPTY);
      expect(sizeOf(peer)).toBeLessThan(420);
    }
  });

  test("does not keep the chunk of which it keeps a piece", () => {
    const peer = openPeer();
    const pings = concat(Array.from({ length: 100 }, () => ping));
    peer.receive(
      concat([pings, frame(FrameType.HEADERS, 0, 1, new Uint8Array(10)), ping.subarray(0, 0), Uint8Array.of(0)]),
    );
    expect(peer.state.block?.bytes.buffer.byteLength).toBe(10);
    expect(peer.state.partial.buffer.byteLength).toBe(1);
  });
});

describe("noise", () => {
  /** Feeds chunks until the connection fails; only protocol errors of HTTP/2 may come out. */
  function survive(peer: Peer, chunks: readonly Uint8Array[]): void {
    try {
      for (const chunk of chunks) {
        peer.receive(chunk);
        expect(sizeOf(peer)).toBeLessThan(STATE_MAX);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      expect(error.code).toBe("http2");
      expect(error.http2).not.toBe(Http2ErrorCode.NO_ERROR);
    }
  }

  test("random bytes end in a protocol error or nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) =>
        survive(openPeer(), chunks),
      ),
      { numRuns: 1000 },
    );
  });

  test("random frames of known types end in a protocol error or nothing", () => {
    const anyFrame = fc.record({
      type: fc.nat(10),
      flags: fc.nat(255),
      streamId: fc.oneof(fc.nat(9), fc.nat(0x7fffffff)),
      payload: fc.uint8Array({ maxLength: 60 }),
    });
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 30 }), (frames) => {
        survive(
          twoStreams(),
          frames.map(({ payload, ...head }) => encodeFrame(head, payload)),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test("a good session with flipped bytes ends in a protocol error or nothing", () => {
    const reset = new Uint8Array(4);
    writeU32(reset, 0, 8);
    const good = concat([
      CLIENT_PREFACE,
      encodeSettings([[Setting.INITIAL_WINDOW_SIZE, 4 << 20]]),
      encodeSettingsAck(),
      headers(1, false, [...POST, ["content-length", "5"]]),
      data(1, utf8("hello"), true),
      frame(FrameType.HEADERS, Flag.END_STREAM, 3, literals(POST).subarray(0, 9)),
      frame(FrameType.CONTINUATION, Flag.END_HEADERS, 3, literals(POST).subarray(9)),
      frame(FrameType.RST_STREAM, 0, 3, reset),
      encodeWindowUpdate(0, 1 << 30),
      ping,
    ]);
    const flips = fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(flips, fc.integer({ min: 1, max: 100 }), (changes, step) => {
        const bytes = good.slice();
        for (const [at, mask] of changes) bytes[at] = (bytes[at] ?? 0) ^ mask;
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; at += step) chunks.push(bytes.slice(at, at + step));
        survive(newPeer(), chunks);
      }),
      { numRuns: 3000 },
    );
  });
});
