// Peers that break DERP: every case ends in a ProtocolError at the header, before anything is kept.
import fc from "fast-check";
import { expect, test } from "vitest";
import { frameOf } from "../../../test/support/derp-client.ts";
import { ProtocolError } from "../errors.ts";
import { decodeFrames, limitAfterLogin, limitBeforeLogin, newDecoder, type PayloadLimit } from "./decode.ts";
import { FrameType } from "./frame.ts";

/** A header that promises `length` bytes. */
function header(type: number, length: number): Uint8Array {
  const bytes = new Uint8Array(5);
  bytes[0] = type;
  new DataView(bytes.buffer).setUint32(1, length);
  return bytes;
}

function refused(bytes: Uint8Array, limit: PayloadLimit): boolean {
  const state = newDecoder();
  try {
    for (const _ of decodeFrames(state, bytes, limit));
    return false;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    expect(error.code).toBe("derp");
    expect(state.partial.length).toBeLessThanOrEqual(5);
    return true;
  }
}

test("before login every frame but ClientInfo is refused", () => {
  for (let type = 0; type < 256; type++) {
    expect(refused(header(type, 0), limitBeforeLogin)).toBe(type !== FrameType.CLIENT_INFO);
  }
});

test("a ClientInfo of more than 4096 bytes is refused", () => {
  expect(refused(header(FrameType.CLIENT_INFO, 4096), limitBeforeLogin)).toBe(false);
  expect(refused(header(FrameType.CLIENT_INFO, 4097), limitBeforeLogin)).toBe(true);
});

test.each([
  [FrameType.SEND_PACKET, 32 + 65_536],
  [FrameType.NOTE_PREFERRED, 1],
  [FrameType.PING, 1000],
  [FrameType.PONG, 1000],
  [FrameType.CLIENT_INFO, 1 << 20],
  [0x55, 1 << 20],
])("after login frame type %i of more than %i bytes is refused", (type, max) => {
  expect(refused(header(type, max), limitAfterLogin)).toBe(false);
  expect(refused(header(type, max + 1), limitAfterLogin)).toBe(true);
  expect(refused(header(type, 0xffffffff), limitAfterLogin)).toBe(true);
});

test("the header is judged also when it comes in single bytes", () => {
  const state = newDecoder();
  const bytes = header(FrameType.SEND_PACKET, 1 << 24);
  const feed = () => {
    for (const byte of bytes) for (const _ of decodeFrames(state, Uint8Array.of(byte), limitAfterLogin));
  };
  expect(feed).toThrow(ProtocolError);
});

test("the frames of the mesh are refused", () => {
  for (const type of [FrameType.FORWARD_PACKET, FrameType.WATCH_CONNS, FrameType.CLOSE_PEER]) {
    expect(refused(frameOf(type, new Uint8Array(64)), limitAfterLogin)).toBe(true);
  }
});

test("random bytes yield frames or a ProtocolError, and never more kept than came", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), (chunks) => {
      const state = newDecoder();
      let fed = 0;
      try {
        for (const chunk of chunks) {
          fed += chunk.length;
          for (const frame of decodeFrames(state, chunk, limitAfterLogin))
            expect(frame.bytes.length).toBeLessThanOrEqual(fed);
          expect(state.length).toBeLessThanOrEqual(fed);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }),
  );
});
