import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Http2ErrorCode } from "../errors.ts";
import { HTTP2_MAX_SETTINGS_PAYLOAD } from "../limits.ts";
import { checkFrameHeader, readFrameHeader, readHeadersFragment, readSettings } from "./decode.ts";
import { encodeFrameHeader, encodeSettings } from "./encode.ts";
import { Flag, FRAME_HEADER_SIZE, FrameType } from "./frame.ts";

const failsWith = (http2: Http2ErrorCode) => expect.objectContaining({ code: "http2", http2 });

describe("readFrameHeader", () => {
  test("reads what encodeFrameHeader writes", () => {
    const header = fc.record({
      length: fc.integer({ min: 0, max: 0xffffff }),
      type: fc.integer({ min: 0, max: 255 }),
      flags: fc.integer({ min: 0, max: 255 }),
      streamId: fc.integer({ min: 0, max: 0x7fffffff }),
    });
    fc.assert(
      fc.property(header, (expected) => {
        expect(readFrameHeader(encodeFrameHeader(expected), 0)).toEqual(expected);
      }),
    );
  });

  test("drops the reserved bit of the stream id", () => {
    expect(readFrameHeader(Uint8Array.of(0, 0, 0, 0, 0, 0x80, 0, 0, 1), 0).streamId).toBe(1);
  });
});

describe("checkFrameHeader", () => {
  const { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION } = FrameType;

  test.each([
    ["DATA", DATA, 0, 1, 16_384],
    ["HEADERS", HEADERS, 0, 1, 0],
    ["PRIORITY", PRIORITY, 0, 1, 5],
    ["RST_STREAM", RST_STREAM, 0, 1, 4],
    ["SETTINGS", SETTINGS, 0, 0, 18],
    ["empty SETTINGS", SETTINGS, 0, 0, 0],
    ["SETTINGS ACK", SETTINGS, Flag.ACK, 0, 0],
    ["PING", PING, 0, 0, 8],
    ["GOAWAY with debug data", GOAWAY, 0, 0, 16_384],
    ["WINDOW_UPDATE of the connection", WINDOW_UPDATE, 0, 0, 4],
    ["WINDOW_UPDATE of a stream", WINDOW_UPDATE, 0, 1, 4],
    ["CONTINUATION", CONTINUATION, 0, 1, 16_384],
    ["an unknown frame on stream 0", 0xee, 0xff, 0, 16_384],
    ["an unknown frame on a stream", 0x10, 0, 7, 0],
  ])("accepts %s", (_, type, flags, streamId, length) => {
    expect(() => checkFrameHeader({ type, flags, streamId, length })).not.toThrow();
  });

  test.each([
    ["DATA above 16,384", DATA, 0, 1, 16_385],
    ["an unknown frame above 16,384", 0xee, 0, 1, 16_385],
    ["PRIORITY of 4", PRIORITY, 0, 1, 4],
    ["RST_STREAM of 5", RST_STREAM, 0, 1, 5],
    ["SETTINGS of 5", SETTINGS, 0, 0, 5],
    ["SETTINGS ACK of 6", SETTINGS, Flag.ACK, 0, 6],
    ["PING of 7", PING, 0, 0, 7],
    ["GOAWAY of 7", GOAWAY, 0, 0, 7],
    ["WINDOW_UPDATE of 3", WINDOW_UPDATE, 0, 1, 3],
  ])("refuses the length of %s", (_, type, flags, streamId, length) => {
    const check = () => checkFrameHeader({ type, flags, streamId, length });
    expect(check).toThrow(failsWith(Http2ErrorCode.FRAME_SIZE_ERROR));
  });

  test.each([
    ["DATA on stream 0", DATA, 0, 10],
    ["HEADERS on stream 0", HEADERS, 0, 10],
    ["PRIORITY on stream 0", PRIORITY, 0, 5],
    ["RST_STREAM on stream 0", RST_STREAM, 0, 4],
    ["CONTINUATION on stream 0", CONTINUATION, 0, 10],
    ["SETTINGS on a stream", SETTINGS, 1, 6],
    ["PING on a stream", PING, 1, 8],
    ["GOAWAY on a stream", GOAWAY, 1, 8],
  ])("refuses %s", (_, type, streamId, length) => {
    const check = () => checkFrameHeader({ type, flags: 0, streamId, length });
    expect(check).toThrow(failsWith(Http2ErrorCode.PROTOCOL_ERROR));
  });

  test("refuses SETTINGS above the limit", () => {
    const check = (length: number) => () => checkFrameHeader({ type: SETTINGS, flags: 0, streamId: 0, length });
    expect(check(HTTP2_MAX_SETTINGS_PAYLOAD)).not.toThrow();
    expect(check(HTTP2_MAX_SETTINGS_PAYLOAD + 6)).toThrow(failsWith(Http2ErrorCode.ENHANCE_YOUR_CALM));
  });
});

describe("readHeadersFragment", () => {
  test.each([
    ["nothing around it", 0, [7, 8], [7, 8]],
    ["padding", Flag.PADDED, [2, 7, 8, 0, 0], [7, 8]],
    ["padding of 0", Flag.PADDED, [0, 7, 8], [7, 8]],
    ["nothing but padding", Flag.PADDED, [2, 0, 0], []],
    ["priority", Flag.PRIORITY, [0, 0, 0, 0, 9, 7], [7]],
    ["padding and priority", Flag.PADDED | Flag.PRIORITY, [1, 0, 0, 0, 0, 9, 7, 0], [7]],
  ])("finds the fragment in %s", (_, flags, payload, fragment) => {
    expect([...readHeadersFragment(flags, Uint8Array.from(payload))]).toEqual(fragment);
  });

  test.each([
    ["padding above the payload", Flag.PADDED, [2, 0]],
    ["padding into the priority", Flag.PADDED | Flag.PRIORITY, [1, 0, 0, 0, 0, 9]],
    ["an empty payload with PADDED", Flag.PADDED, []],
    ["a payload of 4 with PRIORITY", Flag.PRIORITY, [0, 0, 0, 0]],
  ])("refuses %s", (_, flags, payload) => {
    expect(() => readHeadersFragment(flags, Uint8Array.from(payload))).toThrow(
      failsWith(Http2ErrorCode.PROTOCOL_ERROR),
    );
  });
});

describe("readSettings", () => {
  const read = (identifier: number, value: number) => {
    const seen: (readonly [number, number])[] = [];
    readSettings(encodeSettings([[identifier, value]]).subarray(FRAME_HEADER_SIZE), (...setting) => seen.push(setting));
    return seen;
  };

  test.each([
    ["HEADER_TABLE_SIZE", 1, 0xffffffff],
    ["ENABLE_PUSH 0", 2, 0],
    ["ENABLE_PUSH 1", 2, 1],
    ["MAX_CONCURRENT_STREAMS 0", 3, 0],
    ["the largest INITIAL_WINDOW_SIZE", 4, 0x7fffffff],
    ["the smallest MAX_FRAME_SIZE", 5, 16_384],
    ["the largest MAX_FRAME_SIZE", 5, 0xffffff],
    ["MAX_HEADER_LIST_SIZE", 6, 0],
    ["an unknown setting", 0xffff, 0xffffffff],
  ])("accepts %s", (_, identifier, value) => {
    expect(read(identifier, value)).toEqual([[identifier, value]]);
  });

  test.each([
    ["ENABLE_PUSH 2", 2, 2, Http2ErrorCode.PROTOCOL_ERROR],
    ["INITIAL_WINDOW_SIZE 2^31", 4, 0x80000000, Http2ErrorCode.FLOW_CONTROL_ERROR],
    ["MAX_FRAME_SIZE 16,383", 5, 16_383, Http2ErrorCode.PROTOCOL_ERROR],
    ["MAX_FRAME_SIZE 2^24", 5, 0x1000000, Http2ErrorCode.PROTOCOL_ERROR],
  ])("refuses %s", (_, identifier, value, code) => {
    expect(() => read(identifier, value)).toThrow(failsWith(code));
  });
});
