import { expect, test } from "vitest";
import { fromUtf8, toHex } from "../bytes.ts";
import { challengeKeyOf } from "../keys.ts";
import { encodeEarlyPayload } from "./early-payload.ts";

test("puts magic and length before the challenge as JSON", () => {
  const payload = encodeEarlyPayload(challengeKeyOf(new Uint8Array(32).fill(0xab)));
  const json = `{"nodeKeyChallenge":"chalpub:${"ab".repeat(32)}"}`;
  expect(toHex(payload.subarray(0, 9))).toBe(`ffffff5453000000${json.length.toString(16)}`);
  expect(fromUtf8(payload.subarray(9))).toBe(json);
});
