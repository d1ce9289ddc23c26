// The two sealed frames of a login (tailscale derp/derp_client.go and derp/derpserver, client 1.103.0). Both are NaCl
// crypto_box: X25519, HSalsa20 over the shared secret, XSalsa20-Poly1305 with a random 24-byte nonce in front. A ClientInfo
// that opens proves that its sender holds the private half of its node key.
import { hsalsa, xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { concat, fromHex, fromUtf8Strict, utf8 } from "../bytes.ts";
import { ProtocolError } from "../errors.ts";
import type { NoiseCrypto } from "../noise/crypto.ts";
import type { KeyPair } from "../noise/handshake.ts";
import { encodeFrame } from "./encode.ts";
import { FrameType, KEY_LENGTH, NONCE_LENGTH } from "./frame.ts";

const PROTOCOL_VERSION = 2;
const TAG_LENGTH = 16;

/** What a client says of itself, and what is needed to answer it. */
export interface ClientLogin {
  /** The client's node key, 32 raw bytes, proven. */
  readonly nodeKey: Uint8Array;
  /** Whether the client answers Ping with Pong; clients before 1.22 and probers do not. */
  readonly canAckPings: boolean;
  /** Whether the client only measures. */
  readonly isProber: boolean;
  /** The key by which a relay of the same region proves itself, 32 bytes; undefined for everybody else. */
  readonly meshKey: Uint8Array | undefined;
  /** Seals the answer; 32 bytes. */
  readonly boxKey: Uint8Array;
}

// [32 node key][24 nonce][box of {"version":2,"CanAckPings":true,…}]
/**
 * Opens the payload of a ClientInfo frame.
 * @throws ProtocolError `derp` when it is too short, not authentic, not JSON, or of another protocol version;
 * `noise-handshake-failed` when the node key is no usable public key.
 */
export async function openClientInfo(
  crypto: Pick<NoiseCrypto, "dh">,
  server: KeyPair,
  payload: Uint8Array,
): Promise<ClientLogin> {
  if (payload.length < KEY_LENGTH + NONCE_LENGTH + TAG_LENGTH)
    throw new ProtocolError("derp", "ClientInfo is too short");
  const nodeKey = payload.slice(0, KEY_LENGTH);
  const boxKey = boxKeyOf(await crypto.dh(server.privateKey, nodeKey));
  const nonce = payload.subarray(KEY_LENGTH, KEY_LENGTH + NONCE_LENGTH);
  const info = parseInfo(openBox(boxKey, nonce, payload.subarray(KEY_LENGTH + NONCE_LENGTH)));
  if (info.version !== PROTOCOL_VERSION) throw new ProtocolError("derp", "client speaks another protocol version");
  return {
    nodeKey,
    canAckPings: info.CanAckPings === true,
    isProber: info.IsProber === true,
    meshKey: meshKeyOf(info.meshKey),
    boxKey,
  };
}

/** Clients without a mesh key say so with zeros, or leave it out. */
function meshKeyOf(text: unknown): Uint8Array | undefined {
  if (typeof text !== "string" || text.length !== 2 * KEY_LENGTH || /^0*$/.test(text)) return undefined;
  return fromHex(text);
}

/** How fast a client may send: bytes per second on average, and at once. */
export interface TokenBucket {
  readonly bytesPerSecond: number;
  readonly burstBytes: number;
}

/** The frame that ends a login. `nonce` is 24 fresh random bytes; clients drop what exceeds the `limit` before they send it. */
export function encodeServerInfo(boxKey: Uint8Array, nonce: Uint8Array, limit?: TokenBucket): Uint8Array {
  const bucket = limit && {
    TokenBucketBytesPerSecond: limit.bytesPerSecond,
    TokenBucketBytesBurst: limit.burstBytes,
  };
  const info = utf8(JSON.stringify({ version: PROTOCOL_VERSION, ...bucket }));
  return encodeFrame(FrameType.SERVER_INFO, concat([nonce, xsalsa20poly1305(boxKey, nonce).encrypt(info)]));
}

const SIGMA = words(utf8("expand 32-byte k"));
const ZERO_INPUT = new Uint32Array(4);

/** The symmetric key of a NaCl box: HSalsa20 of the X25519 shared secret. */
export function boxKeyOf(sharedSecret: Uint8Array): Uint8Array {
  const key = new Uint32Array(8);
  hsalsa(SIGMA, words(sharedSecret), ZERO_INPUT, key);
  return new Uint8Array(key.buffer);
}

// noble takes words in host order; the copy is aligned.
function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(Uint8Array.from(bytes).buffer);
}

function openBox(key: Uint8Array, nonce: Uint8Array, box: Uint8Array): Uint8Array {
  try {
    return xsalsa20poly1305(key, nonce).decrypt(box);
  } catch {
    throw new ProtocolError("derp", "ClientInfo is not authentic");
  }
}

interface ClientInfo {
  readonly version?: unknown;
  readonly CanAckPings?: unknown;
  readonly IsProber?: unknown;
  readonly meshKey?: unknown;
}

function parseInfo(json: Uint8Array): ClientInfo {
  let info: unknown;
  try {
    info = JSON.parse(fromUtf8Strict(json));
  } catch {
    throw new ProtocolError("derp", "ClientInfo is not JSON");
  }
  if (typeof info !== "object" || info === null) throw new ProtocolError("derp", "ClientInfo is no JSON object");
  return info;
}
