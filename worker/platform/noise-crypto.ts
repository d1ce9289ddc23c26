// NoiseCrypto for workerd and Node. X25519 is native: 7 times as fast as noble's, and in constant time. So is
// ChaCha20-Poly1305 of what is long, through a key object that is made once per message; for what is short, as most
// records are, @stablelib's is used: 3 µs for 100 bytes in warm code, where the native one takes 8 and noble's 11.
// NOTE: shared secrets come from WebCrypto, because workerd's node:crypto.diffieHellman takes the private key for the public
// one and fails with any public key that was not made from a private key in the same isolate (workerd of November 2026).
import { Buffer } from "node:buffer";
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type KeyObject,
} from "node:crypto";
import { ChaCha20Poly1305 } from "@stablelib/chacha20poly1305";
import { concat } from "../protocol/bytes.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { type NoiseCrypto, TAG_LENGTH } from "../protocol/noise/crypto.ts";

// RFC 8410: what stands before the 32 raw bytes of a key in DER.
const PKCS8_HEADER = Uint8Array.from([48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 110, 4, 34, 4, 32]);
const SPKI_HEADER_LENGTH = 12;
const X25519 = { name: "X25519" };
const AEAD = "chacha20-poly1305";
/** Bytes of a message up to which a cipher in JavaScript is faster. */
const SHORT = 512;

// Imported keys by the array that they came from: a handshake uses each of its keys two or three times, and the server's
// private key lives as long as the object.
const privateKeys = new WeakMap<Uint8Array, CryptoKey>();
const publicKeys = new WeakMap<Uint8Array, CryptoKey>();

/** The primitives of the Noise transport. An array given as a key must not change afterwards. */
export const noiseCrypto: NoiseCrypto = { publicKey, publicKeyForDh, dh, seal, open };

function publicKey(privateKey: Uint8Array): Uint8Array {
  const der = Buffer.from(concat([PKCS8_HEADER, privateKey]));
  const key = createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
  return Uint8Array.from(key.export({ format: "der", type: "spki" }).subarray(SPKI_HEADER_LENGTH));
}

/** Importing computes the public key anyway, and only an export as JWK gives it away: 6 µs where another import takes 31. */
async function publicKeyForDh(privateKey: Uint8Array): Promise<Uint8Array> {
  const { x } = (await crypto.subtle.exportKey("jwk", await importPrivateKey(privateKey))) as JsonWebKey;
  return new Uint8Array(Buffer.from(x ?? "", "base64url")); // a copy: short Buffers share one
}

async function dh(privateKey: Uint8Array, publicKey: Uint8Array): Promise<Uint8Array> {
  const [own, peer] = await Promise.all([importPrivateKey(privateKey), importPublicKey(publicKey)]);
  const algorithm = { ...X25519, public: peer };
  try {
    return new Uint8Array(await crypto.subtle.deriveBits(algorithm, own, 256));
  } catch {
    // WebCrypto refuses an all-zero secret, which is what a public key of small order leads to.
    throw new ProtocolError("noise-handshake-failed", "key agreement failed");
  }
}

function seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  if (plaintext.length <= SHORT) return new ChaCha20Poly1305(key).seal(nonce, plaintext, ad);
  const cipher = createCipheriv(AEAD, cipherKey(key), nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(ad, { plaintextLength: plaintext.length });
  const sealed = new Uint8Array(plaintext.length + TAG_LENGTH);
  sealed.set(cipher.update(plaintext));
  cipher.final(); // a stream cipher holds nothing back
  sealed.set(cipher.getAuthTag(), plaintext.length);
  return sealed;
}

function open(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
  const length = ciphertext.length - TAG_LENGTH;
  if (length < 0) return undefined;
  if (length <= SHORT) return new ChaCha20Poly1305(key).open(nonce, ciphertext, ad) ?? undefined;
  const decipher = createDecipheriv(AEAD, cipherKey(key), nonce, { authTagLength: TAG_LENGTH });
  decipher.setAAD(ad, { plaintextLength: length });
  decipher.setAuthTag(ciphertext.subarray(length));
  try {
    const plaintext = decipher.update(ciphertext.subarray(0, length));
    decipher.final();
    return new Uint8Array(plaintext); // no Buffer: those are views
  } catch {
    return undefined; // the lengths are right, so what throws (in workerd the first, in Node the second) is the tag
  }
}

/** The key of the message before: its records come one right after the other. */
let lastKey: { readonly raw: Uint8Array; readonly key: KeyObject } | undefined;

/** Not kept with the connection: in workerd a key object is 1 KB, function, prototype and hidden classes of its own among it. */
function cipherKey(raw: Uint8Array): KeyObject {
  if (lastKey?.raw !== raw) lastKey = { raw, key: createSecretKey(raw) };
  return lastKey.key;
}

async function importPrivateKey(raw: Uint8Array): Promise<CryptoKey> {
  const known = privateKeys.get(raw);
  if (known !== undefined) return known;
  const der = new Uint8Array(concat([PKCS8_HEADER, raw]));
  const key = await crypto.subtle.importKey("pkcs8", der, X25519, true, ["deriveBits"]);
  privateKeys.set(raw, key);
  return key;
}

async function importPublicKey(raw: Uint8Array): Promise<CryptoKey> {
  const known = publicKeys.get(raw);
  if (known !== undefined) return known;
  const key = await crypto.subtle.importKey("raw", new Uint8Array(raw), X25519, false, []);
  publicKeys.set(raw, key);
  return key;
}
