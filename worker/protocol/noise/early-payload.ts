// The optional greeting at the very start of the server's plaintext, before HTTP/2 (tailscale control/ts2021/conn.go,
// client 1.103.0). Its magic cannot begin an HTTP/2 frame that a server would send first, so a client tells the two apart
// by peeking at 9 bytes. Clients in range read the challenge and do not use it.
import { concat, utf8, writeU32 } from "../bytes.ts";
import type { ChallengeKey } from "../keys.ts";

const MAGIC = Uint8Array.of(0xff, 0xff, 0xff, 0x54, 0x53);

// [5 bytes FF FF FF 'T' 'S'][u32be length][JSON]
/** Encodes the greeting. The challenge is a fresh X25519 public key; send it once, whole, before SETTINGS. */
export function encodeEarlyPayload(challenge: ChallengeKey): Uint8Array {
  const json = utf8(JSON.stringify({ nodeKeyChallenge: challenge }));
  const length = new Uint8Array(4);
  writeU32(length, 0, json.length);
  return concat([MAGIC, length, json]);
}
