// A gateway is anybody, and a Worker may be another one than we think: what no trunk of ours sends ends the trunk, and
// nothing is kept of it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, fromHex } from "../bytes.ts";
import { ProtocolError } from "../errors.ts";
import { decodeTrunkMessage, TrunkDecoder, type TrunkSender } from "./decode.ts";
import { encodeTrunkHeader, TRUNK_MAX_INITIATION, TRUNK_MAX_PAYLOAD, TrunkFrameType } from "./frame.ts";

const isTrunkError = expect.objectContaining({ name: "ProtocolError", code: "trunk" });

function refusal(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("refused at the header", () => {
  it.each<[string, TrunkSender, Uint8Array]>([
    ["an unknown type", "gateway", encodeTrunkHeader(0, 1, 0)],
    ["a type of later versions", "worker", encodeTrunkHeader(7, 1, 0)],
    ["ACCEPT of a gateway", "gateway", encodeTrunkHeader(TrunkFrameType.ACCEPT, 1, 1)],
    ["REFUSE of a gateway", "gateway", encodeTrunkHeader(TrunkFrameType.REFUSE, 1, 4)],
    ["OPEN of a Worker", "worker", encodeTrunkHeader(TrunkFrameType.OPEN, 1, 101)],
    ["CREDIT of a Worker", "worker", encodeTrunkHeader(TrunkFrameType.CREDIT, 1, 4)],
    ["channel 0", "gateway", encodeTrunkHeader(TrunkFrameType.DATA, 0, 1)],
    ["an OPEN without an initiation", "gateway", encodeTrunkHeader(TrunkFrameType.OPEN, 1, 0)],
    ["an initiation that is too long", "gateway", encodeTrunkHeader(TrunkFrameType.OPEN, 1, TRUNK_MAX_INITIATION + 1)],
    ["DATA that is too long", "worker", encodeTrunkHeader(TrunkFrameType.DATA, 1, TRUNK_MAX_PAYLOAD + 1)],
    ["a CLOSE of three bytes", "worker", encodeTrunkHeader(TrunkFrameType.CLOSE, 1, 3)],
    ["a CLOSE without a code", "gateway", encodeTrunkHeader(TrunkFrameType.CLOSE, 1, 0)],
    ["a CREDIT of two bytes", "gateway", encodeTrunkHeader(TrunkFrameType.CREDIT, 1, 2)],
    ["a REFUSE without a status", "worker", encodeTrunkHeader(TrunkFrameType.REFUSE, 1, 3)],
  ])("%s", (_, sender, header) => {
    expect(refusal(() => decodeTrunkMessage(header, sender))).toEqual(isTrunkError);
    expect(refusal(() => new TrunkDecoder(sender).receive(header, () => {}))).toEqual(isTrunkError);
  });
});

it("a message that ends inside a frame is refused", () => {
  const whole = concat([encodeTrunkHeader(TrunkFrameType.DATA, 1, 3), Uint8Array.of(1, 2, 3)]);
  for (let length = 1; length < whole.length; length++) {
    expect(
      refusal(() => decodeTrunkMessage(whole.subarray(0, length), "gateway")),
      `${length}`,
    ).toEqual(isTrunkError);
  }
  expect(decodeTrunkMessage(whole, "gateway")).toHaveLength(1);
});

it("text that is no UTF-8 is read with marks in place of what is wrong", () => {
  const message = fromHex("030000060000000101ad0000fffe") as Uint8Array;
  expect(decodeTrunkMessage(message, "worker")).toMatchObject([{ type: "refuse", text: "\uFFFD\uFFFD" }]);
});

it("any bytes are frames or a protocol error", () => {
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc
      .tuple(fc.nat(7), fc.nat(3), fc.nat(40), fc.uint8Array({ maxLength: 60 }))
      .map(([type, channel, length, rest]) => concat([encodeTrunkHeader(type, channel, length), rest])),
  );
  fc.assert(
    fc.property(message, fc.constantFrom<TrunkSender>("gateway", "worker"), (bytes, sender) => {
      const thrown = refusal(() => decodeTrunkMessage(bytes, sender));
      if (thrown !== undefined) expect(thrown).toBeInstanceOf(ProtocolError);
    }),
    { numRuns: 2_000 },
  );
});
