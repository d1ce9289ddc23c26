// NoiseCrypto for workerd and Node: X25519 from node:crypto (about 7 times noble's speed), ChaCha20-Poly1305 from node:crypto
// for long inputs and from noble for short ones, where setting up a native cipher costs more than the work.
// Raw keys enter node:crypto behind fixed DER headers (RFC 8410); the key objects are remembered per array, because a
// handshake uses each key two or three times and the server's static key lives as long as the object.
import { Buffer } from "node:buffer";
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
} from "node:crypto";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { concat } from "../protocol/bytes.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { type NoiseCrypto, TAG_LENGTH } from "../protocol/noise/crypto.ts";

const PKCS8_HEADER = Uint8Array.from([48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 110, 4, 34, 4, 32]);
const SPKI_HEADER = Uint8Array.from([48, 42, 48, 5, 6, 3, 43, 101, 110, 3, 33, 0]);
const ALGORITHM = "chacha20-poly1305";
const NATIVE_FROM_BYTES = 1024;

const privateKeys = new WeakMap<Uint8Array, KeyObject>();
const publicKeys = new WeakMap<Uint8Array, KeyObject>();

/** The primitives of the Noise transport. An array given as a key must not change afterwards. */
export const noiseCrypto: NoiseCrypto = { publicKey, dh, seal, open };

function publicKey(privateKey: Uint8Array): Uint8Array {
  const der = createPublicKey(importPrivateKey(privateKey)).export({ format: "der", type: "spki" });
  return Uint8Array.from(der.subarray(SPKI_HEADER.length));
}

function dh(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const keys = { privateKey: importPrivateKey(privateKey), publicKey: importPublicKey(publicKey) };
  try {
    return new Uint8Array(diffieHellman(keys));
  } catch {
    // OpenSSL and BoringSSL refuse an all-zero secret, which is what a public key of small order leads to.
    throw new ProtocolError("noise-handshake-failed", "key agreement failed");
  }
}

function seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  if (plaintext.length < NATIVE_FROM_BYTES) return chacha20poly1305(key, nonce, ad).encrypt(plaintext);
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(ad, { plaintextLength: plaintext.length });
  return concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function open(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
  const length = ciphertext.length - TAG_LENGTH;
  if (length < 0) return undefined;
  try {
    if (length < NATIVE_FROM_BYTES) return chacha20poly1305(key, nonce, ad).decrypt(ciphertext);
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_LENGTH });
    decipher.setAAD(ad, { plaintextLength: length });
    decipher.setAuthTag(ciphertext.subarray(length));
    return concat([decipher.update(ciphertext.subarray(0, length)), decipher.final()]);
  } catch {
    return undefined; // the lengths are right, so what both libraries throw here is a tag that does not match
  }
}

function importPrivateKey(raw: Uint8Array): KeyObject {
  let key = privateKeys.get(raw);
  if (key === undefined) {
    key = createPrivateKey({ key: Buffer.from(concat([PKCS8_HEADER, raw])), format: "der", type: "pkcs8" });
    privateKeys.set(raw, key);
  }
  return key;
}

function importPublicKey(raw: Uint8Array): KeyObject {
  let key = publicKeys.get(raw);
  if (key === undefined) {
    key = createPublicKey({ key: Buffer.from(concat([SPKI_HEADER, raw])), format: "der", type: "spki" });
    publicKeys.set(raw, key);
  }
  return key;
}
