import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, fromHex, toHex } from "../bytes.ts";
import { decodeTrunkMessage, TrunkDecoder, type TrunkSender } from "./decode.ts";
import {
  encodeTrunkFrame,
  TRUNK_MAX_CHANNEL,
  TRUNK_MAX_CHANNELS,
  TRUNK_MAX_PAYLOAD,
  TRUNK_PROTOCOL,
  TRUNK_WINDOW,
  type TrunkFrame,
} from "./frame.ts";

const channel = fc.integer({ min: 1, max: TRUNK_MAX_CHANNEL });
const bytes = fc.uint8Array({ maxLength: 200 });
const either = [
  fc.record({ type: fc.constant("data" as const), channel, bytes }),
  fc.record({ type: fc.constant("close" as const), channel, code: fc.nat(65_535) }),
];
const FRAMES: Readonly<Record<TrunkSender, fc.Arbitrary<TrunkFrame>>> = {
  gateway: fc.oneof(
    fc.record({
      type: fc.constant("open" as const),
      channel,
      initiation: fc.uint8Array({ minLength: 1, maxLength: 200 }),
    }),
    fc.record({ type: fc.constant("credit" as const), channel, bytes: fc.nat(2 ** 32 - 1) }),
    ...either,
  ),
  worker: fc.oneof(
    fc.record({ type: fc.constant("accept" as const), channel, bytes }),
    fc.record({
      type: fc.constant("refuse" as const),
      channel,
      status: fc.nat(999),
      retryAfter: fc.nat(65_535),
      text: fc.string({ maxLength: 100 }),
    }),
    ...either,
  ),
};

it("has numbers that both sides rely on; other ones need another name", () => {
  expect({ TRUNK_PROTOCOL, TRUNK_MAX_CHANNELS, TRUNK_MAX_PAYLOAD, TRUNK_WINDOW }).toEqual({
    TRUNK_PROTOCOL: "flarescale-trunk-1",
    TRUNK_MAX_CHANNELS: 16,
    TRUNK_MAX_PAYLOAD: 65_536,
    TRUNK_WINDOW: 262_144,
  });
});

describe("vectors", () => {
  it.each<[TrunkSender, TrunkFrame, string]>([
    ["gateway", { type: "open", channel: 1, initiation: Uint8Array.of(7, 8) }, "01 000002 00000001 0708"],
    ["worker", { type: "accept", channel: 258, bytes: Uint8Array.of(9) }, "02 000001 00000102 09"],
    [
      "worker",
      { type: "refuse", channel: 3, status: 429, retryAfter: 5, text: "é" },
      "03 000006 00000003 01ad 0005 c3a9",
    ],
    ["gateway", { type: "data", channel: 4, bytes: new Uint8Array() }, "04 000000 00000004"],
    ["worker", { type: "close", channel: 5, code: 1001 }, "05 000002 00000005 03e9"],
    ["gateway", { type: "credit", channel: 6, bytes: 131_072 }, "06 000004 00000006 00020000"],
  ])("%s: %o", (sender, frame, hex) => {
    expect(toHex(encodeTrunkFrame(frame))).toBe(hex.replaceAll(" ", ""));
    expect(decodeTrunkMessage(fromHex(hex.replaceAll(" ", "")) as Uint8Array, sender)).toEqual([frame]);
  });
});

/** Frames with the DATA of one channel in a row as one: it is a stream, and its divisions mean nothing. */
function joinData(frames: readonly TrunkFrame[]): TrunkFrame[] {
  const joined: TrunkFrame[] = [];
  for (const frame of frames) {
    const last = joined.at(-1);
    if (frame.type === "data" && last?.type === "data" && last.channel === frame.channel) {
      joined[joined.length - 1] = { ...last, bytes: concat([last.bytes, frame.bytes]) };
    } else {
      joined.push(frame);
    }
  }
  return joined;
}

/** As Node's Buffer has it: what `slice` gives is a view. */
class NodeBytes extends Uint8Array {
  override slice(start?: number, end?: number) {
    return this.subarray(start, end);
  }
}

describe.each(["gateway", "worker"] as const)("frames of a %s", (sender) => {
  const run = fc.array(FRAMES[sender], { maxLength: 8 });

  it("come out of a message as they went in", () => {
    fc.assert(
      fc.property(run, (frames) => {
        expect(decodeTrunkMessage(concat(frames.map(encodeTrunkFrame)), sender)).toEqual(frames);
      }),
    );
  });

  it("come out of a stream as they went in, wherever it is cut", () => {
    fc.assert(
      fc.property(run, fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (frames, cuts) => {
        const stream = concat(frames.map(encodeTrunkFrame));
        const decoder = new TrunkDecoder(sender);
        const seen: TrunkFrame[] = [];
        for (let at = 0; at < stream.length; ) {
          const length = cuts.next().value as number;
          const chunk = NodeBytes.from(stream.slice(at, at + length));
          decoder.receive(chunk, (frame) => seen.push(...decodeTrunkMessage(encodeTrunkFrame(frame), sender)));
          chunk.fill(0xee); // the memory is its owner's again
          at += length;
        }
        expect(joinData(seen)).toEqual(joinData(frames));
      }),
    );
  });
});

it("hands over DATA as it comes, and keeps nothing of it", () => {
  const decoder = new TrunkDecoder("worker");
  const seen: string[] = [];
  const note = (frame: TrunkFrame) => {
    if (frame.type === "data") seen.push(`${frame.channel}: ${toHex(frame.bytes)}`);
  };
  for (const piece of ["040000040000", "0007", "0102", "03", "04040000"])
    decoder.receive(fromHex(piece) as Uint8Array, note);
  expect(seen).toEqual(["7: 0102", "7: 03", "7: 04"]);
});
