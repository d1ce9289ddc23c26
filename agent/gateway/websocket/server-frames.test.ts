import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as ws from "ws";
import { CloseCode, Opcode } from "./frame.ts";
import { ServerFrames } from "./server-frames.ts";

interface Control {
  readonly opcode: number;
  readonly payload: string;
}

/** What the library's types keep to themselves. */
const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } };

/** Reads a stream cut into chunks; every chunk is destroyed when the next one comes, as shared memory is. */
function read(chunks: readonly Uint8Array[]) {
  const controls: Control[] = [];
  const frames = new ServerFrames((opcode, payload) => controls.push({ opcode, payload: payload.toString("hex") }));
  const data: Buffer[] = [];
  for (const chunk of chunks) {
    const own = Buffer.from(chunk);
    data.push(Buffer.from(frames.read(own)));
    own.fill(0xee);
  }
  return { data: Buffer.concat(data), controls, end: frames.end };
}

function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? 1;
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

/** A server's frame, made by a WebSocket library. */
function frame(opcode: number, payload: Uint8Array, { fin = true, rsv1 = false, mask = false } = {}): Buffer {
  const options = { opcode, fin, rsv1, mask, readOnly: true };
  return Buffer.concat(Sender.frame(Buffer.from(payload), options));
}

const lengths = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 70_000 })), {
  minLength: 1,
  maxLength: 20,
});
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 130 }),
  fc.integer({ min: 65_534, max: 65_538 }).map((length) => new Uint8Array(length).fill(length)),
);

describe("ServerFrames", () => {
  it("gives the payload of all messages in order, however they are fragmented and cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(payloads, { minLength: 1, maxLength: 3 }), { maxLength: 6 }),
        lengths,
        (messages, cuts) => {
          const stream = messages.flatMap((parts) =>
            parts.map((part, i) =>
              frame(i === 0 ? Opcode.BINARY : Opcode.CONTINUATION, part, { fin: i === parts.length - 1 }),
            ),
          );
          const { data, end } = read(cut(Buffer.concat(stream), cuts));
          expect(data.equals(Buffer.concat(messages.flat()))).toBe(true);
          expect(end).toBeUndefined();
        },
      ),
      { numRuns: 60 },
    );
  });

  it("hears pings and pongs between the fragments of a message", () => {
    const stream = Buffer.concat([
      frame(Opcode.BINARY, Buffer.from("ab"), { fin: false }),
      frame(Opcode.PING, Buffer.from("?")),
      frame(Opcode.CONTINUATION, Buffer.from("cd"), { fin: false }),
      frame(Opcode.PONG, Buffer.alloc(125, 7)),
      frame(Opcode.CONTINUATION, Buffer.from("ef")),
    ]);
    for (const size of [1, 2, 3, 1_000]) {
      const { data, controls, end } = read(cut(stream, [size]));
      expect(data.toString()).toBe("abcdef");
      expect(controls).toEqual([
        { opcode: Opcode.PING, payload: "3f" },
        { opcode: Opcode.PONG, payload: "07".repeat(125) },
      ]);
      expect(end).toBeUndefined();
    }
  });

  it("gives what came before a close frame, tells its code and reads nothing behind it", () => {
    const close = frame(Opcode.CLOSE, Buffer.from([1012 >> 8, 1012 & 255, 0x62]));
    const stream = Buffer.concat([frame(2, Buffer.from("ab")), close, frame(2, Buffer.from("cd"))]);
    for (const size of [1, 1_000]) {
      const { data, end } = read(cut(stream, [size]));
      expect(data.toString()).toBe("ab");
      expect(end).toEqual({ code: 1012 });
    }
    expect(read([frame(Opcode.CLOSE, Buffer.alloc(0))]).end).toEqual({ code: CloseCode.NO_STATUS });
  });

  it.each([
    ["text", frame(Opcode.TEXT, Buffer.from("hello")), CloseCode.UNSUPPORTED],
    ["a masked frame", frame(2, Buffer.from("a"), { mask: true }), CloseCode.PROTOCOL_ERROR],
    ["compression that was not agreed on", frame(2, Buffer.from("a"), { rsv1: true }), CloseCode.PROTOCOL_ERROR],
    ["an unknown data frame", frame(3, Buffer.from("a")), CloseCode.PROTOCOL_ERROR],
    ["an unknown control frame", frame(11, Buffer.from("a")), CloseCode.PROTOCOL_ERROR],
    ["a continuation of nothing", frame(Opcode.CONTINUATION, Buffer.from("a")), CloseCode.PROTOCOL_ERROR],
    ["a fragmented ping", frame(Opcode.PING, Buffer.from("a"), { fin: false }), CloseCode.PROTOCOL_ERROR],
    ["a ping of 126 bytes", frame(Opcode.PING, Buffer.alloc(126)), CloseCode.PROTOCOL_ERROR],
    ["a close frame of one byte", frame(Opcode.CLOSE, Buffer.alloc(1)), CloseCode.PROTOCOL_ERROR],
    ["a close code that must not be sent", frame(Opcode.CLOSE, Buffer.from([1006 >> 8, 1006 & 255])), 1002],
    ["a frame of 1 MiB and a byte", Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 1]), CloseCode.TOO_BIG],
    ["a length beyond all numbers", Buffer.from([0x82, 127, ...Buffer.alloc(8, 0xff)]), CloseCode.TOO_BIG],
  ])("ends at %s, whatever comes behind it", (_, hostile, code) => {
    const begin = frame(2, Buffer.from("before"));
    const stream = Buffer.concat([begin, hostile, frame(2, Buffer.from("after"))]);
    for (const size of [1, 7, 100_000]) {
      const { data, controls, end } = read(cut(stream, [size]));
      expect(end).toEqual({ code, fault: "violation" });
      expect(data.toString()).toBe("before");
      expect(controls).toEqual([]);
    }
  });

  it("refuses a new message inside another", () => {
    const stream = [frame(2, Buffer.from("a"), { fin: false }), frame(2, Buffer.from("b"))];
    expect(read(stream).end).toEqual({ code: CloseCode.PROTOCOL_ERROR, fault: "violation" });
  });

  it("survives any bytes: it gives no more than came, and ends at most once", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), lengths, (bytes, cuts) => {
        const { data, end } = read(cut(Buffer.from(bytes), cuts));
        expect(data.length).toBeLessThanOrEqual(bytes.length);
        const whole = read([bytes]);
        expect(whole.data.equals(data)).toBe(true);
        expect(whole.end).toEqual(end);
      }),
      { numRuns: 2_000 },
    );
  });
});
