// Cutting the stream into frames: any division, truncation at every offset, state put aside between any two bytes.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { frameOf, packetFrame } from "../../../test/support/derp-client.ts";
import { concat, toHex, utf8 } from "../bytes.ts";
import { type DecoderState, decodeFrames, limitAfterLogin, limitBeforeLogin, newDecoder } from "./decode.ts";
import { FrameType, payloadOf } from "./frame.ts";

const key = new Uint8Array(32).fill(7);

/** Decodes chunks, with the state cloned between them as an attachment would be; frames as hex. */
function decodeAll(chunks: readonly Uint8Array[], state: DecoderState = newDecoder()): string[] {
  const frames: string[] = [];
  for (const chunk of chunks) {
    for (const frame of decodeFrames(state, chunk, limitAfterLogin)) frames.push(toHex(frame.bytes));
    state.partial = structuredClone(state.partial.slice(0, state.length));
  }
  return frames;
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}

const frames = [
  packetFrame(key, utf8("a packet")),
  frameOf(FrameType.PING, new Uint8Array(8).fill(1)),
  packetFrame(key, new Uint8Array(0)),
  frameOf(FrameType.NOTE_PREFERRED, Uint8Array.of(1)),
  packetFrame(key, new Uint8Array(65_536).fill(9)),
  frameOf(FrameType.PONG, new Uint8Array(1000)),
];

test("yields every frame of a stream that comes at once, as views of it", () => {
  const stream = concat(frames);
  const decoded = [...decodeFrames(newDecoder(), stream, limitAfterLogin)];
  expect(decoded.map((frame) => toHex(frame.bytes))).toEqual(frames.map(toHex));
  expect(decoded.every((frame) => frame.bytes.buffer === stream.buffer)).toBe(true);
  expect(decoded[1]?.type).toBe(FrameType.PING);
  expect(toHex(payloadOf(decoded[1] ?? { type: 0, bytes: key }))).toBe("01".repeat(8));
});

test("yields the same frames for any frames and any division", () => {
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }).map((packet) => packetFrame(key, packet)),
    fc.constantFrom(...frames.slice(0, 4)),
    fc.constant(frameOf(FrameType.KEEP_ALIVE, new Uint8Array(0))),
    fc.uint8Array({ maxLength: 50 }).map((payload) => frameOf(0x77, payload)),
  );
  const sizes = fc.oneof(fc.constant([1]), fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 5 }));
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), sizes, (stream, chunkSizes) => {
      const known = stream.filter((bytes) => bytes[0] !== 0x77 && bytes[0] !== FrameType.KEEP_ALIVE);
      const state = newDecoder();
      expect(decodeAll(cut(concat(stream), chunkSizes), state)).toEqual(known.map(toHex));
      expect([state.length, state.skip]).toEqual([0, 0]);
    }),
  );
});

test("cut in two at any byte, yields the same frames", () => {
  const stream = concat([frames[0] ?? key, frameOf(0x77, key), frames[1] ?? key, frames[2] ?? key]);
  const whole = decodeAll([stream]);
  expect(whole).toHaveLength(3);
  for (let at = 0; at <= stream.length; at++) {
    expect(decodeAll([stream.slice(0, at), stream.slice(at)])).toEqual(whole);
  }
});

test("keeps of an unfinished frame only what has arrived", () => {
  const state = newDecoder();
  const big = packetFrame(key, new Uint8Array(65_536));
  expect([...decodeFrames(state, big.subarray(0, 100), limitAfterLogin)]).toEqual([]);
  expect(state.length).toBe(100);
  expect(state.partial.length).toBeLessThanOrEqual(200);
});

test("takes a frame in single bytes without copying it over and over", () => {
  const state = newDecoder();
  const big = packetFrame(key, new Uint8Array(65_536));
  let buffers = 0;
  let last = state.partial;
  for (let at = 0; at < big.length - 1; at++) {
    expect([...decodeFrames(state, big.subarray(at, at + 1), limitAfterLogin)]).toEqual([]);
    if (state.partial !== last) buffers++;
    last = state.partial;
  }
  expect(buffers).toBeLessThan(20);
});

describe("limits", () => {
  test("are asked anew after every frame", () => {
    const stream = concat([frameOf(FrameType.CLIENT_INFO, key), frames[0] ?? key]);
    let loggedIn = false;
    const types: number[] = [];
    const limit = (type: number) => (loggedIn ? limitAfterLogin(type) : limitBeforeLogin(type));
    for (const frame of decodeFrames(newDecoder(), stream, limit)) {
      types.push(frame.type);
      loggedIn = true;
    }
    expect(types).toEqual([FrameType.CLIENT_INFO, FrameType.SEND_PACKET]);
  });

  test.each([
    [FrameType.SEND_PACKET, 32 + 65_536],
    [FrameType.NOTE_PREFERRED, 1],
    [FrameType.PING, 1000],
    [FrameType.PONG, 1000],
  ])("frame type %i is taken up to %i bytes of payload", (type, max) => {
    expect(decodeAll([frameOf(type, new Uint8Array(max))])).toHaveLength(1);
  });

  test("frames that mean nothing to us are skipped up to 1 MiB without being kept", () => {
    const state = newDecoder();
    const unknown = frameOf(0x42, new Uint8Array(1 << 20));
    expect(decodeAll([unknown.subarray(0, 600_000)], state)).toEqual([]);
    expect(state.length).toBe(0);
    expect(decodeAll([unknown.subarray(600_000), frames[1] ?? key], state)).toHaveLength(1);
  });
});
