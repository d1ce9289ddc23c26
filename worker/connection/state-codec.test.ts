// The states of connections as bytes: exact, small, and no other bytes are taken for one.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../protocol/bytes.ts";
import { type NodeKey, nodeKeyOf } from "../protocol/keys.ts";
import { HTTP2_MAX_HEADER_BLOCK, HTTP2_MAX_STREAMS } from "../protocol/limits.ts";
import type { ConnectionState } from "./connection-state.ts";
import { anyState, typicalState } from "./state-codec.fixture.ts";
import { decodeConnectionState, encodeConnectionState } from "./state-codec.ts";

/** {@link typicalState}, field by field. */
const FIELDS = [
  "01", // version
  "42 00112233445566778899aabbccddeeff", // id: 16 bytes of hex
  "8088d6b9ad33", // openedAt
  "8301", // capability version
  "a1".repeat(32),
  "2c 3230332e302e3131332e37", // remoteAddress: 11 bytes
  "6c 68747470733a2f2f636f6e74726f6c2e6578616d706c652e636f6d", // publicOrigin: 27 bytes
  "b2".repeat(32),
  "c3".repeat(32),
  "09 b409 00", // rxCounter, txCounter, pending
  "02 00 00", // open; partial, skip
  "00 00 00 00", // table: capacity, size, entries; tableLimit
  "01 05 03 99cffe03 8010 00", // one HTTP/2 stream: id, flags, sendWindow, used, bodyLeft
  "05", // highestId
  "8180f8ff07 80808004 8018", // sendWindow, initialWindow, used
  "f48bd6b9ad33 00 01 02 00", // flood
  "01 01 05 a103", // one stream: map, id, nodeId
  "d4".repeat(32),
];
const TYPICAL = joined(FIELDS);

function joined(fields: readonly string[]): string {
  return fields.join("").replaceAll(" ", "");
}

function refusal(bytes: Uint8Array): Error | undefined {
  try {
    decodeConnectionState(bytes);
  } catch (error) {
    return error as Error;
  }
  return undefined;
}

describe("a state", () => {
  it("of a usual connection has these bytes", () => {
    const bytes = encodeConnectionState(typicalState());
    expect(toHex(bytes)).toBe(TYPICAL);
    expect(decodeConnectionState(fromHex(TYPICAL) as Uint8Array)).toStrictEqual(typicalState());
    expect(bytes.length).toBeLessThanOrEqual(250);
  });

  it("comes back exactly", () => {
    fc.assert(
      fc.property(anyState, (state) => {
        expect(decodeConnectionState(encodeConnectionState(state))).toStrictEqual(state);
      }),
      { numRuns: 500 },
    );
  });

  it("comes back with a hundred streams, a full table and parts of every size", () => {
    const state = typicalState();
    const { http2 } = state;
    for (let id = 7; id < 7 + 2 * (HTTP2_MAX_STREAMS - 1); id += 2) http2.streams.push([id, -id, id, undefined, false]);
    http2.table.entries.push(["x".repeat(4_000), "\u00ff".repeat(31)]);
    http2.block = {
      streamId: 7,
      endStream: true,
      bytes: new Uint8Array(HTTP2_MAX_HEADER_BLOCK).fill(1),
      continuations: 8,
    };
    http2.partial = new Uint8Array(5_000).fill(2);
    state.noise.pending = new Uint8Array(4_095).fill(3);
    expect(decodeConnectionState(encodeConnectionState(state))).toStrictEqual(state);
  });

  it("keeps nothing of its bytes, nor they of it", () => {
    const state = typicalState();
    state.noise.pending = Uint8Array.of(1, 2, 3);
    const bytes = encodeConnectionState(state);
    expect(bytes.buffer.byteLength).toBe(bytes.length);
    const copy = decodeConnectionState(bytes);
    encodeConnectionState({ ...state, id: "another" });
    expect(decodeConnectionState(bytes)).toStrictEqual(copy);
    bytes.fill(0);
    expect(copy).toStrictEqual(state);
    const { noise, http2 } = copy;
    for (const part of [noise.rxKey, noise.txKey, noise.pending, http2.partial])
      expect(part.buffer.byteLength).toBe(part.length);
  });

  it.each<[string, (state: ConnectionState) => ConnectionState]>([
    ["a node key under another name", (state) => withNodeKey(state, `mkey:${"d4".repeat(32)}`)],
    ["a node key that is too short", (state) => withNodeKey(state, `nodekey:${"d4".repeat(31)}`)],
    ["a node key in upper case", (state) => withNodeKey(state, `nodekey:${"D4".repeat(32)}`)],
    ["a count that is none", (state) => ({ ...state, version: -1 })],
    ["a count that is not exact", (state) => ({ ...state, openedAt: 2 ** 53 })],
    ["a part of a millisecond", (state) => ({ ...state, openedAt: 0.5 })],
    ["a window without end", (state) => ({ ...state, http2: { ...state.http2, sendWindow: Infinity } })],
    ["a short cipher key", (state) => ({ ...state, noise: { ...state.noise, rxKey: new Uint8Array(31) } })],
  ])("is not encoded with %s", (_, change) => {
    expect(() => encodeConnectionState(change(typicalState()))).toThrow(Error);
    expect(toHex(encodeConnectionState(typicalState()))).toBe(TYPICAL);
  });
});

function withNodeKey(state: ConnectionState, nodeKey: string): ConnectionState {
  const map = {
    kind: "map",
    id: 5,
    held: undefined,
    nodeId: 1,
    nodeKey: nodeKeyOf(new Uint8Array(32)),
    omitsPeers: false,
  } as const;
  return { ...state, streams: [{ ...map, nodeKey: nodeKey as NodeKey }] };
}

describe("bytes that are no state", () => {
  const typical = fromHex(TYPICAL) as Uint8Array;

  it.each([
    ["nothing", new Uint8Array(0), "connection state has version undefined, not 1"],
    ["another version", Uint8Array.of(2, ...typical.subarray(1)), "connection state has version 2, not 1"],
    ["a byte too many", Uint8Array.of(...typical, 0), "connection state is damaged"],
  ])("%s", (_, bytes, message) => {
    expect(refusal(bytes)?.message).toBe(message);
  });

  it("cut anywhere", () => {
    for (let length = 1; length < typical.length; length++)
      expect(refusal(typical.subarray(0, length))?.message, `${length}`).toBe("connection state is damaged");
  });

  it.each([
    ["a text", "42 00112233445566778899aabbccddeeff", "MOST 00112233445566778899aabbccddeeff"],
    ["bytes", "09 b409 00", "09 b409 MOST"],
    ["entries of a table", "00 00 00 00", "00 00 MOST 00"],
    ["HTTP/2 streams", "01 05 03 99cffe03 8010 00", "MOST 05 03 99cffe03 8010 00"],
    ["streams", "01 01 05 a103", "MOST 01 05 a103"],
  ])("that promise more of %s than there is", (_, whole, more) => {
    const fields = FIELDS.with(FIELDS.indexOf(whole), more.replace("MOST", "ffffffffffffff0f"));
    expect(refusal(fromHex(joined(fields)) as Uint8Array)?.message).toBe("connection state is damaged");
  });

  it("with a number above 2^53 - 1", () => {
    const openedAt = 18;
    const number = (last: number) => [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, last];
    const bytes = (last: number) =>
      Uint8Array.of(...typical.subarray(0, openedAt), ...number(last), ...typical.subarray(openedAt + 6));
    expect(decodeConnectionState(bytes(0x0f)).openedAt).toBe(Number.MAX_SAFE_INTEGER);
    expect(refusal(bytes(0x10))?.message).toBe("connection state is damaged");
    expect(refusal(bytes(0xff))?.message).toBe("connection state is damaged");
  });

  it("any bytes are a state or an error that says so", () => {
    const changed = fc
      .tuple(anyState.map(encodeConnectionState), fc.array(fc.tuple(fc.nat(2_000), fc.nat(255)), { maxLength: 5 }))
      .map(([bytes, changes]) => {
        for (const [at, byte] of changes) bytes[1 + (at % (bytes.length - 1))] = byte;
        return bytes;
      });
    const versioned = fc.uint8Array({ maxLength: 400 }).map((bytes) => Uint8Array.of(1, ...bytes));
    fc.assert(
      fc.property(fc.oneof(changed, versioned, fc.uint8Array({ maxLength: 20 })), (bytes) => {
        const error = refusal(bytes);
        if (error !== undefined) {
          expect(error.message).toMatch(/^connection state (is damaged$|has version )/);
          return;
        }
        const state = decodeConnectionState(bytes);
        expect(decodeConnectionState(encodeConnectionState(state))).toStrictEqual(state);
      }),
      { numRuns: 1_000 },
    );
  });
});
