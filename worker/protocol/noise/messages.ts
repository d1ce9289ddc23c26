// The messages of the control connection's Noise transport, byte by byte (tailscale control/controlbase/messages.go,
// client 1.103.0). All integers are big-endian and no header byte enters a hash. Only the initiation carries the version:
// it is what the client speaks, and the server uses it without negotiation. Encrypting and checking is in `handshake.ts`
// and `transport.ts`.
import { readU16, utf8, writeU16 } from "../bytes.ts";
import { ProtocolError } from "../errors.ts";
import { TAG_LENGTH } from "./crypto.ts";

/** The second header byte of an initiation, the first of everything else. */
export const MessageType = { INITIATION: 1, RESPONSE: 2, ERROR: 3, RECORD: 4 } as const;

/** Length of a Noise public key on the wire. */
const KEY_LENGTH = 32;
/** Length of the header of every message but the initiation: type and payload length. */
export const HEADER_LENGTH = 3;
/** Length of a whole initiation. */
const INITIATION_LENGTH = 101;
/** Length of a whole response. */
const RESPONSE_LENGTH = 51;

const INITIATION_HEADER_LENGTH = 5;
const SEALED_KEY_LENGTH = KEY_LENGTH + TAG_LENGTH;

// [u16be version][u8 type = 1][u16be length = 96][32 ephemeral][48 sealed static][16 tag]   client → server
// The ephemeral key is in clear; the client's machine key is sealed to the server's static key.
export interface Initiation {
  /** The client's capability version; part of the prologue. */
  readonly version: number;
  readonly ephemeral: Uint8Array;
  readonly sealedStatic: Uint8Array;
  readonly tag: Uint8Array;
}

/**
 * Splits an initiation into its fields, which are views of `bytes`.
 * @throws ProtocolError `noise-initiation-size`, `noise-initiation-type` or `noise-initiation-length`.
 */
export function parseInitiation(bytes: Uint8Array): Initiation {
  if (bytes.length !== INITIATION_LENGTH) {
    throw new ProtocolError("noise-initiation-size", "handshake initiation has the wrong size");
  }
  if (bytes[2] !== MessageType.INITIATION) {
    throw new ProtocolError("noise-initiation-type", "handshake message is not an initiation");
  }
  if (readU16(bytes, 3) !== INITIATION_LENGTH - INITIATION_HEADER_LENGTH) {
    throw new ProtocolError("noise-initiation-length", "handshake initiation states the wrong length");
  }
  const staticAt = INITIATION_HEADER_LENGTH + KEY_LENGTH;
  const tagAt = staticAt + SEALED_KEY_LENGTH;
  return {
    version: readU16(bytes, 0),
    ephemeral: bytes.subarray(INITIATION_HEADER_LENGTH, staticAt),
    sealedStatic: bytes.subarray(staticAt, tagAt),
    tag: bytes.subarray(tagAt),
  };
}

// [u8 type = 2][u16be length = 48][32 ephemeral][16 tag]   server → client
/** Encodes the response to an initiation. */
export function encodeResponse(ephemeral: Uint8Array, tag: Uint8Array): Uint8Array {
  const response = withHeader(MessageType.RESPONSE, RESPONSE_LENGTH - HEADER_LENGTH);
  response.set(ephemeral, HEADER_LENGTH);
  response.set(tag, HEADER_LENGTH + KEY_LENGTH);
  return response;
}

// [u8 type = 3][u16be length][UTF-8 text]   server → client, only in place of the response
/**
 * Encodes a refusal of the handshake. The client only writes the text to its log; it is not authenticated, so it must
 * hold nothing that depends on a secret. At most 65,535 bytes.
 */
export function encodeHandshakeError(text: string): Uint8Array {
  const payload = utf8(text);
  const message = withHeader(MessageType.ERROR, payload.length);
  message.set(payload, HEADER_LENGTH);
  return message;
}

function withHeader(type: number, length: number): Uint8Array {
  const message = new Uint8Array(HEADER_LENGTH + length);
  message[0] = type;
  writeU16(message, 1, length);
  return message;
}
