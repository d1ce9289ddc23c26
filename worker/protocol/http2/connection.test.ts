import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Http2TestClient } from "../../../test/support/http2-client.ts";
import { concat, EMPTY, toHex, utf8, writeU32 } from "../bytes.ts";
import { Http2ErrorCode } from "../errors.ts";
import { HTTP2_CONNECTION_WINDOW, HTTP2_MAX_HEADER_LIST, HTTP2_MAX_STREAMS, HTTP2_STREAM_WINDOW } from "../limits.ts";
import { data, headers, literals, newPeer, openPeer, POST } from "./connection.fixture.ts";
import { goAway, isOpen, openConnection, resetStream, sendData, sendHeaders, sendWindow } from "./connection.ts";
import { readFrameHeader } from "./decode.ts";
import { encodeFrame, encodeSettings, encodeSettingsAck, encodeWindowUpdate } from "./encode.ts";
import {
  CLIENT_PREFACE,
  DATA_FRAME_PAYLOAD,
  Flag,
  FRAME_HEADER_SIZE,
  type FrameHeader,
  FrameType,
  Setting,
} from "./frame.ts";

const FIRST_CLIENT_FRAMES = concat([CLIENT_PREFACE, encodeSettings([])]);

/** The frames in what was sent. */
function framesOf(bytes: Uint8Array): (FrameHeader & { payload: string })[] {
  const frames: (FrameHeader & { payload: string })[] = [];
  for (let at = 0; at < bytes.length; ) {
    const header = readFrameHeader(bytes, at);
    const end = at + FRAME_HEADER_SIZE + header.length;
    frames.push({ ...header, payload: toHex(bytes.subarray(at + FRAME_HEADER_SIZE, end)) });
    at = end;
  }
  return frames;
}

const resets = (bytes: Uint8Array) =>
  framesOf(bytes)
    .filter(({ type }) => type === FrameType.RST_STREAM)
    .map(({ streamId, payload }) => [streamId, Number.parseInt(payload, 16)]);

function windowUpdates(bytes: Uint8Array, streamId: number): number {
  return framesOf(bytes)
    .filter((frame) => frame.type === FrameType.WINDOW_UPDATE && frame.streamId === streamId)
    .reduce((sum, { payload }) => sum + Number.parseInt(payload, 16), 0);
}

describe("the start", () => {
  test("sends SETTINGS, then the connection window", () => {
    const client = new Http2TestClient();
    const out: Uint8Array[] = [];
    openConnection(out);
    client.receive(concat(out));
    expect(framesOf(concat(out)).map(({ type }) => type)).toEqual([FrameType.SETTINGS, FrameType.WINDOW_UPDATE]);
    expect(Object.fromEntries(client.settings)).toEqual({
      [Setting.HEADER_TABLE_SIZE]: 0,
      [Setting.MAX_CONCURRENT_STREAMS]: HTTP2_MAX_STREAMS,
      [Setting.INITIAL_WINDOW_SIZE]: HTTP2_STREAM_WINDOW,
      [Setting.MAX_HEADER_LIST_SIZE]: HTTP2_MAX_HEADER_LIST,
    });
    expect(client.windowReceived + 65_535).toBe(HTTP2_CONNECTION_WINDOW);
  });

  test("acknowledges each SETTINGS once", () => {
    const peer = newPeer();
    peer.sent();
    peer.receive(FIRST_CLIENT_FRAMES);
    expect(toHex(peer.sent())).toBe("000000040100000000");
    peer.receive(encodeSettingsAck());
    expect(peer.sent()).toEqual(EMPTY);
    peer.receive(concat([encodeSettings([]), encodeSettings([])]));
    expect(toHex(peer.sent())).toBe("000000040100000000".repeat(2));
  });

  test("takes a request that came before our SETTINGS were acknowledged, with an indexed path", () => {
    const peer = newPeer();
    const indexing = (streamId: number, block: number[]) =>
      encodeFrame({ type: FrameType.HEADERS, flags: 5, streamId }, Uint8Array.from(block));
    const first = indexing(1, [0x83, 0x87, 0x44, 2, 0x2f, 0x61]);
    const second = indexing(3, [0x83, 0x87, 0xbe]);
    const third = indexing(5, [0x20, 0x83, 0x87, 0x04, 2, 0x2f, 0x62]);
    const events = peer.receive(concat([FIRST_CLIENT_FRAMES, first, second, encodeSettingsAck(), third]));
    expect(events.flatMap((event) => (event.type === "request" ? event.head.path : []))).toEqual(["/a", "/a", "/b"]);
    expect(peer.state.table).toEqual({ entries: [], size: 0, capacity: 0 });
  });
});

describe("a request", () => {
  test("has its headers in order, without pseudo headers", () => {
    const fields = [...POST, ["ts-lb", "nodekey:1"], ["ts-lb", "nodekey:2"]] as const;
    expect(openPeer().receive(headers(1, true, fields))).toEqual([
      {
        type: "request",
        streamId: 1,
        head: { method: "POST", path: "/", authority: "", headers: fields.slice(3) },
        endStream: true,
      },
    ]);
  });

  test("passes its body on while the frame arrives", () => {
    const peer = openPeer();
    peer.receive(headers(1, false));
    const frame = data(1, Uint8Array.of(1, 2, 3, 4), true);
    expect(peer.receive(frame.subarray(0, 11))).toEqual([
      { type: "data", streamId: 1, data: Uint8Array.of(1, 2), endStream: false },
    ]);
    expect(peer.state.partial).toEqual(EMPTY);
    expect(peer.receive(frame.subarray(11))).toEqual([
      { type: "data", streamId: 1, data: Uint8Array.of(3, 4), endStream: true },
    ]);
  });

  test("that is malformed is reset, and the next one served", () => {
    const peer = openPeer();
    expect(peer.receive(headers(1, true, [[":method", "GET"]]))).toEqual([]);
    expect(resets(peer.sent())).toEqual([[1, Http2ErrorCode.PROTOCOL_ERROR]]);
    expect(peer.receive(headers(3, true))).toHaveLength(1);
  });

  test("with trailers that are malformed is reset", () => {
    const peer = openPeer();
    peer.receive(headers(1, false));
    expect(peer.receive(headers(1, true, POST))).toEqual([
      { type: "reset", streamId: 1, code: Http2ErrorCode.PROTOCOL_ERROR },
    ]);
    expect(isOpen(peer.state, 1)).toBe(false);
  });

  test("with trailers that do not end it is reset", () => {
    const peer = openPeer();
    peer.receive(headers(1, false));
    peer.receive(headers(1, false, [["a", "b"]]));
    expect(resets(peer.sent())).toEqual([[1, Http2ErrorCode.PROTOCOL_ERROR]]);
  });

  test("that goes on after END_STREAM is reset", () => {
    const peer = openPeer();
    peer.receive(concat([headers(1, false), data(1, Uint8Array.of(1), true), headers(3, true)]));
    peer.receive(data(1, Uint8Array.of(1), false));
    peer.receive(headers(3, true, [["a", "b"]]));
    expect(resets(peer.sent())).toEqual([
      [1, Http2ErrorCode.STREAM_CLOSED],
      [3, Http2ErrorCode.STREAM_CLOSED],
    ]);
  });
});

describe("content-length", () => {
  const open = (length: string, endStream = false) => {
    const peer = openPeer();
    const events = peer.receive(headers(1, endStream, [...POST, ["content-length", length]]));
    return { peer, events };
  };
  const reset = { type: "reset", streamId: 1, code: Http2ErrorCode.PROTOCOL_ERROR };

  test("may be met in several frames", () => {
    const { peer } = open("5");
    expect(peer.receive(concat([data(1, new Uint8Array(2), false), data(1, new Uint8Array(3), true)]))).toHaveLength(2);
    expect(peer.sent()).toEqual(EMPTY);
  });

  test("may be met before an empty last frame or trailers", () => {
    for (const last of [data(1, EMPTY, true), headers(1, true, [["a", "b"]])]) {
      const { peer } = open("2");
      peer.receive(data(1, new Uint8Array(2), false));
      expect(peer.receive(last)).toEqual([{ type: "data", streamId: 1, data: EMPTY, endStream: true }]);
    }
  });

  test("of 0 may stand on a request without body", () => {
    expect(open("0", true).events).toHaveLength(1);
  });

  test("above 0 may not stand on a request without body", () => {
    const { peer, events } = open("1", true);
    expect(events).toEqual([]);
    expect(resets(peer.sent())).toEqual([[1, Http2ErrorCode.PROTOCOL_ERROR]]);
  });

  test.each([
    ["too much", data(1, new Uint8Array(6), false)],
    ["too little", data(1, new Uint8Array(4), true)],
    ["too little before trailers", headers(1, true, [["a", "b"]])],
  ])("resets the stream on %s", (_, frame) => {
    expect(open("5").peer.receive(frame)).toEqual([reset]);
  });
});

describe("receive windows", () => {
  test("are returned for every byte, padding included", () => {
    const peer = openPeer();
    peer.receive(headers(1, false));
    const payload = concat([Uint8Array.of(255), new Uint8Array(10_000), new Uint8Array(255)]);
    const frame = encodeFrame({ type: FrameType.DATA, flags: Flag.PADDED, streamId: 1 }, payload);
    for (let i = 0; i < 100; i++) peer.receive(frame);
    const sent = peer.sent();
    const [stream] = peer.state.streams;
    expect(windowUpdates(sent, 0) + peer.state.used).toBe(100 * payload.length);
    expect(windowUpdates(sent, 1) + (stream?.[2] ?? 0)).toBe(100 * payload.length);
    expect(peer.state.used).toBeLessThan(65_536);
  });

  test("of the connection are returned for closed streams too", () => {
    const peer = openPeer();
    peer.receive(headers(1, false));
    resetStream(peer.state, 1, Http2ErrorCode.CANCEL, peer.out);
    for (let i = 0; i < 20; i++) expect(peer.receive(data(1, new Uint8Array(16_384), false))).toEqual([]);
    const sent = peer.sent();
    expect(windowUpdates(sent, 0)).toBe(20 * 16_384);
    expect(windowUpdates(sent, 1)).toBe(0);
  });

  test("of a stream are not returned with its last frame", () => {
    const peer = openPeer();
    peer.receive(headers(1, false));
    peer.receive(data(1, new Uint8Array(16_384), false));
    peer.receive(data(1, new Uint8Array(16_384), true));
    const sent = peer.sent();
    expect(windowUpdates(sent, 0)).toBe(32_768);
    expect(windowUpdates(sent, 1)).toBe(0);
  });
});

describe("sendHeaders", () => {
  test("writes one frame", () => {
    const peer = openPeer();
    peer.receive(headers(1, true));
    sendHeaders(peer.state, 1, { status: 404, headers: [["a", "b"]] }, false, peer.out);
    expect(toHex(peer.sent())).toBe(`000007${"01"}${"04"}00000001${"208d"}${"0001610162"}`);
    expect(isOpen(peer.state, 1)).toBe(true);
  });

  test("does nothing on a closed stream", () => {
    const peer = openPeer();
    sendHeaders(peer.state, 1, { status: 200 }, true, peer.out);
    expect(peer.sent()).toEqual(EMPTY);
  });

  test("refuses a head above one frame", () => {
    const peer = openPeer();
    peer.receive(headers(1, true));
    const head = { status: 200, headers: [["a", "x".repeat(16_384)]] as const };
    expect(() => sendHeaders(peer.state, 1, head, true, peer.out)).toThrow(RangeError);
  });
});

describe("END_STREAM of ours", () => {
  test.each([
    ["head", headers(1, true)],
    ["body", concat([headers(1, false), data(1, EMPTY, true)])],
    ["trailers", concat([headers(1, false), headers(1, true, [["a", "b"]])])],
  ])("closes a stream whose request has ended with its %s", (_, request) => {
    const peer = openPeer();
    peer.receive(request);
    sendHeaders(peer.state, 1, { status: 204 }, true, peer.out);
    expect(framesOf(peer.sent()).map(({ type, flags }) => [type, flags])).toEqual([[FrameType.HEADERS, 5]]);
    expect(peer.state.streams).toEqual([]);
  });

  test("tells the client to stop a request body, and drops the rest of it", () => {
    const peer = openPeer();
    peer.receive(headers(1, false));
    const frame = data(1, new Uint8Array(1000), false);
    peer.receive(frame.subarray(0, 500));
    sendHeaders(peer.state, 1, { status: 413 }, true, peer.out);
    expect(resets(peer.sent())).toEqual([[1, Http2ErrorCode.NO_ERROR]]);
    expect(peer.receive(concat([frame.subarray(500), data(1, new Uint8Array(9), true)]))).toEqual([]);
    expect(peer.receive(headers(3, true))).toHaveLength(1);
  });
});

describe("sendData", () => {
  const openStream = (settings: readonly (readonly [number, number])[] = []) => {
    const peer = openPeer(settings);
    peer.receive(headers(1, true));
    return peer;
  };

  test("cuts frames that fill four Noise records", () => {
    const peer = openStream([[Setting.INITIAL_WINDOW_SIZE, 1 << 20]]);
    expect(sendData(peer.state, 1, new Uint8Array(40_000), true, peer.out)).toBe(40_000);
    const rest = 40_000 - 2 * DATA_FRAME_PAYLOAD;
    expect(framesOf(peer.sent()).map(({ length, flags }) => [length, flags])).toEqual([
      [16_299, 0],
      [16_299, 0],
      [rest, Flag.END_STREAM],
    ]);
    expect((DATA_FRAME_PAYLOAD + FRAME_HEADER_SIZE) % 4077).toBe(0);
  });

  test("stops at the stream's window and ends later", () => {
    const peer = openStream([[Setting.INITIAL_WINDOW_SIZE, 10]]);
    expect(sendData(peer.state, 1, new Uint8Array(15), true, peer.out)).toBe(10);
    expect(sendData(peer.state, 1, new Uint8Array(5), true, peer.out)).toBe(0);
    expect(framesOf(peer.sent()).map(({ length, flags }) => [length, flags])).toEqual([[10, 0]]);
    expect(peer.receive(encodeWindowUpdate(1, 5))).toEqual([{ type: "writable", streamId: 1 }]);
    expect(sendData(peer.state, 1, new Uint8Array(5), true, peer.out)).toBe(5);
    expect(isOpen(peer.state, 1)).toBe(false);
  });

  test("stops at the connection's window", () => {
    const peer = openStream([[Setting.INITIAL_WINDOW_SIZE, 1 << 20]]);
    expect(sendData(peer.state, 1, new Uint8Array(100_000), false, peer.out)).toBe(65_535);
    expect(sendWindow(peer.state, 1)).toBe(0);
    expect(peer.receive(encodeWindowUpdate(0, 7))).toEqual([{ type: "writable", streamId: 0 }]);
    expect(sendWindow(peer.state, 1)).toBe(7);
  });

  test("ends a stream with a shut window by an empty frame", () => {
    const peer = openStream([[Setting.INITIAL_WINDOW_SIZE, 0]]);
    expect(sendData(peer.state, 1, EMPTY, true, peer.out)).toBe(0);
    expect(framesOf(peer.sent())).toMatchObject([{ length: 0, flags: Flag.END_STREAM, streamId: 1 }]);
    expect(isOpen(peer.state, 1)).toBe(false);
  });

  test("sends nothing for no data, and nothing on a closed stream", () => {
    const peer = openStream();
    expect(sendData(peer.state, 1, EMPTY, false, peer.out)).toBe(0);
    expect(sendData(peer.state, 3, utf8("x"), true, peer.out)).toBe(0);
    expect(sendWindow(peer.state, 3)).toBe(0);
    expect(peer.sent()).toEqual(EMPTY);
  });

  test("waits while a lowered INITIAL_WINDOW_SIZE holds the window below 0", () => {
    const peer = openStream([[Setting.INITIAL_WINDOW_SIZE, 100]]);
    sendData(peer.state, 1, new Uint8Array(80), false, peer.out);
    expect(peer.receive(encodeSettings([[Setting.INITIAL_WINDOW_SIZE, 10]]))).toEqual([]);
    expect(sendWindow(peer.state, 1)).toBe(0);
    peer.receive(encodeWindowUpdate(1, 70));
    expect(sendWindow(peer.state, 1)).toBe(0);
    expect(peer.receive(encodeSettings([[Setting.INITIAL_WINDOW_SIZE, 12]]))).toEqual([
      { type: "writable", streamId: 0 },
    ]);
    expect(sendWindow(peer.state, 1)).toBe(2);
  });

  test("never exceeds what was granted, and uses all of it", () => {
    const step = fc.oneof(
      fc.record({ grant: fc.integer({ min: 1, max: 50_000 }), streamId: fc.constantFrom(0, 1, 3) }),
      fc.record({ initial: fc.nat(100_000) }),
      fc.record({ send: fc.nat(60_000), streamId: fc.constantFrom(1, 3) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const peer = openPeer();
        peer.receive(concat([headers(1, true), headers(3, true)]));
        const windows = new Map([
          [0, 65_535],
          [1, 65_535],
          [3, 65_535],
        ]);
        const add = (id: number, bytes: number) => windows.set(id, (windows.get(id) ?? 0) + bytes);
        let initial = 65_535;
        let sent = 0;
        for (const next of steps) {
          if ("grant" in next) {
            peer.receive(encodeWindowUpdate(next.streamId, next.grant));
            add(next.streamId, next.grant);
          } else if ("initial" in next) {
            peer.receive(encodeSettings([[Setting.INITIAL_WINDOW_SIZE, next.initial]]));
            for (const id of [1, 3]) add(id, next.initial - initial);
            initial = next.initial;
          } else {
            const room = Math.max(0, Math.min(windows.get(0) ?? 0, windows.get(next.streamId) ?? 0));
            const accepted = sendData(peer.state, next.streamId, new Uint8Array(next.send), false, peer.out);
            expect(accepted).toBe(Math.min(room, next.send));
            add(0, -accepted);
            add(next.streamId, -accepted);
            sent += accepted;
          }
        }
        const frames = framesOf(peer.sent()).filter(({ type }) => type === FrameType.DATA);
        expect(frames.reduce((sum, { length }) => sum + length, 0)).toBe(sent);
        expect(Math.max(0, ...frames.map(({ length }) => length))).toBeLessThanOrEqual(16_384);
      }),
    );
  });
});

describe("resets", () => {
  test("by the client close the stream", () => {
    const peer = openPeer();
    const client = new Http2TestClient();
    peer.receive(headers(1, false));
    expect(peer.receive(client.reset(1, 8))).toEqual([{ type: "reset", streamId: 1, code: 8 }]);
    expect(peer.receive(client.reset(1, 8))).toEqual([]);
    expect(peer.sent()).toEqual(EMPTY);
  });

  test("by us are sent once", () => {
    const peer = openPeer();
    peer.receive(headers(1, false));
    resetStream(peer.state, 1, Http2ErrorCode.INTERNAL_ERROR, peer.out);
    resetStream(peer.state, 1, Http2ErrorCode.INTERNAL_ERROR, peer.out);
    expect(resets(peer.sent())).toEqual([[1, Http2ErrorCode.INTERNAL_ERROR]]);
  });

  test("answer trailers that were under way when the stream was reset", () => {
    const peer = openPeer();
    peer.receive(headers(1, false));
    resetStream(peer.state, 1, Http2ErrorCode.CANCEL, peer.out);
    peer.sent();
    expect(peer.receive(headers(1, true, [["a", "b"]]))).toEqual([]);
    expect(resets(peer.sent())).toEqual([[1, Http2ErrorCode.STREAM_CLOSED]]);
  });

  test("leave the header table in step", () => {
    const peer = newPeer();
    peer.receive(FIRST_CLIENT_FRAMES);
    const indexing = Uint8Array.of(0x83, 0x87, 0x44, 2, 0x2f, 0x61);
    const badThenIndexing = Uint8Array.of(0x83, 0x83, 0x44, 2, 0x2f, 0x62);
    const frame = (streamId: number, block: Uint8Array) =>
      encodeFrame({ type: FrameType.HEADERS, flags: 5, streamId }, block);
    peer.receive(frame(1, indexing));
    peer.receive(frame(3, badThenIndexing));
    const [event] = peer.receive(frame(5, Uint8Array.of(0x83, 0x87, 0xbe)));
    expect(event).toMatchObject({ type: "request", streamId: 5, head: { path: "/b" } });
  });
});

describe("goAway", () => {
  test("names the highest stream, lets open ones end and refuses new ones", () => {
    const peer = openPeer();
    peer.receive(headers(5, true));
    goAway(peer.state, Http2ErrorCode.NO_ERROR, peer.out);
    expect(toHex(peer.sent())).toBe("000008070000000000" + "00000005" + "00000000");
    expect(peer.receive(headers(7, true))).toEqual([]);
    expect(resets(peer.sent())).toEqual([[7, Http2ErrorCode.REFUSED_STREAM]]);
    expect(sendData(peer.state, 5, utf8("end"), true, peer.out)).toBe(3);
  });
});

describe("other frames", () => {
  test("PING is answered with its 8 bytes", () => {
    const peer = openPeer();
    peer.receive(new Http2TestClient().ping(utf8("12345678")));
    expect(toHex(peer.sent())).toBe(`000008060100000000${toHex(utf8("12345678"))}`);
  });

  test("an acknowledged PING is not answered", () => {
    const peer = openPeer();
    peer.receive(encodeFrame({ type: FrameType.PING, flags: Flag.ACK, streamId: 0 }, new Uint8Array(8)));
    expect(peer.sent()).toEqual(EMPTY);
  });

  test("GOAWAY is reported with its code, its debug data dropped", () => {
    const payload = new Uint8Array(5000);
    writeU32(payload, 4, 2);
    const frame = encodeFrame({ type: FrameType.GOAWAY, flags: 0, streamId: 0 }, payload);
    const peer = openPeer();
    expect(peer.receive(frame.subarray(0, 100))).toEqual([{ type: "goaway", code: 2 }]);
    expect(peer.state.partial).toEqual(EMPTY);
    expect(peer.receive(frame.subarray(100))).toEqual([]);
    expect(peer.receive(headers(1, true))).toHaveLength(1);
  });

  test("PRIORITY and unknown types are ignored", () => {
    const peer = openPeer();
    const frames = [FrameType.PRIORITY, 10, 0x10, 0xff].map((type) =>
      encodeFrame({ type, flags: 0xff, streamId: 9 }, new Uint8Array(5)),
    );
    expect(peer.receive(concat([...frames, headers(1, true)]))).toHaveLength(1);
    expect(peer.sent()).toEqual(EMPTY);
  });

  test("WINDOW_UPDATE and RST_STREAM of closed streams are ignored", () => {
    const peer = openPeer();
    peer.receive(headers(3, true));
    resetStream(peer.state, 3, Http2ErrorCode.CANCEL, peer.out);
    peer.sent();
    const client = new Http2TestClient();
    for (const frame of [
      encodeWindowUpdate(3, 1),
      encodeWindowUpdate(3, 0),
      encodeWindowUpdate(1, 1),
      client.reset(1),
    ]) {
      expect(peer.receive(frame)).toEqual([]);
    }
    expect(peer.sent()).toEqual(EMPTY);
  });
});

test("a header block in pieces is kept apart from the chunks that it came in", () => {
  const peer = openPeer();
  const frame = encodeFrame({ type: FrameType.HEADERS, flags: 1, streamId: 1 }, literals(POST));
  peer.receive(frame);
  frame.fill(0);
  const end = encodeFrame({ type: FrameType.CONTINUATION, flags: Flag.END_HEADERS, streamId: 1 });
  expect(peer.receive(end)).toMatchObject([{ type: "request", head: { method: "POST" }, endStream: true }]);
});
