import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeTrunk, encodeTrunk, overheadOf, whichDoNotFit } from "./trunk-state.ts";

const trunk = fc.record({
  id: fc.constant("name"),
  remoteAddress: fc.string({ maxLength: 60, unit: "binary" }),
  publicOrigin: fc.string({ maxLength: 60 }),
  highestChannel: fc.nat(2 ** 32 - 1),
  emptySince: fc.nat(2 ** 42),
});
const channel = fc.record({
  number: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  credit: fc.nat(256 << 10),
  state: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
});

describe("an encoded trunk", () => {
  it("is decoded to what it was, and no longer than foreseen", () => {
    fc.assert(
      fc.property(trunk, fc.array(channel, { maxLength: 16 }), (state, channels) => {
        const bytes = encodeTrunk(state, channels);
        expect(decodeTrunk("name", bytes)).toEqual({ trunk: state, channels });
        const states = channels.reduce((sum, each) => sum + (each.state?.length ?? 0), 0);
        expect(bytes.length).toBeLessThanOrEqual(overheadOf(state, channels.length) + states);
      }),
    );
  });

  it("of another version, cut or followed by more is refused", () => {
    const state = { id: "name", remoteAddress: "", publicOrigin: "http://a", highestChannel: 3, emptySince: 4 };
    const bytes = encodeTrunk(state, [{ number: 1, credit: 2, state: Uint8Array.of(3) }]);
    expect(() => decodeTrunk("name", Uint8Array.of(9, ...bytes.subarray(1)))).toThrow("version");
    expect(() => decodeTrunk("name", bytes.subarray(0, -1))).toThrow();
    expect(() => decodeTrunk("name", Uint8Array.of(...bytes, 0))).toThrow();
  });
});

describe("states that do not fit", () => {
  it("are the longest, as few as possible", () => {
    expect(whichDoNotFit([5, 5, 5], 15)).toEqual(new Set());
    expect(whichDoNotFit([5, 9, 7], 15)).toEqual(new Set([1]));
    expect(whichDoNotFit([5, 9, 7], 4)).toEqual(new Set([0, 1, 2]));
  });

  it("leave what fits", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2_000), { maxLength: 16 }), fc.nat(16_000), (lengths, room) => {
        const out = whichDoNotFit(lengths, room);
        const left = lengths.filter((_, index) => !out.has(index)).reduce((sum, length) => sum + length, 0);
        expect(left).toBeLessThanOrEqual(room);
      }),
    );
  });
});
