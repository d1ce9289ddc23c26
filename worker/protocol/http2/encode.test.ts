import { expect, test } from "vitest";
import { fromHex, toHex } from "../bytes.ts";
import { Http2ErrorCode } from "../errors.ts";
import {
  encodeFrame,
  encodeFrameHeader,
  encodeGoAway,
  encodePingAck,
  encodeReset,
  encodeSettings,
  encodeSettingsAck,
  encodeWindowUpdate,
} from "./encode.ts";
import { Flag, FrameType } from "./frame.ts";

test.each([
  [
    "a frame header",
    "003faf 00 01 7fffffff",
    encodeFrameHeader({ length: 16_303, type: 0, flags: 1, streamId: 0x7fffffff }),
  ],
  // control-protocol.md, Appendix A.
  ["SETTINGS", "000006 04 00 00000000 0003 000000fa", encodeSettings([[3, 250]])],
  [
    "SETTINGS of two parameters",
    "00000c 04 00 00000000 0001 00000000 0004 00100000",
    encodeSettings([
      [1, 0],
      [4, 1 << 20],
    ]),
  ],
  ["a SETTINGS acknowledgement", "000000 04 01 00000000", encodeSettingsAck()],
  ["WINDOW_UPDATE", "000004 08 00 00000005 7fffffff", encodeWindowUpdate(5, 0x7fffffff)],
  ["RST_STREAM", "000004 03 00 00000007 00000008", encodeReset(7, Http2ErrorCode.CANCEL)],
  ["GOAWAY", "000008 07 00 00000000 00000009 0000000b", encodeGoAway(9, Http2ErrorCode.ENHANCE_YOUR_CALM)],
  [
    "a PING acknowledgement",
    "000008 06 01 00000000 0102030405060708",
    encodePingAck(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
  ],
  [
    "HEADERS",
    "000002 01 05 00000001 2088",
    encodeFrame(
      { type: FrameType.HEADERS, flags: Flag.END_HEADERS | Flag.END_STREAM, streamId: 1 },
      Uint8Array.of(0x20, 0x88),
    ),
  ],
])("writes %s", (_, hex, frame) => {
  expect(toHex(frame)).toBe(toHex(fromHex(hex.replaceAll(" ", "")) ?? expect.fail("not hex")));
});
