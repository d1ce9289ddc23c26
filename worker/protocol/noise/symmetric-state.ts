// The symmetric state of one handshake: a running hash of everything exchanged and a chaining key that every Diffie-Hellman
// result is mixed into (Noise rev 34 §5.2, with BLAKE2s). In the IK pattern as it is used here every payload follows a
// mixDh directly, so each key seals or opens exactly one payload and its nonce is always zero; there is no counter.
import { EMPTY, utf8 } from "../bytes.ts";
import { ProtocolError } from "../errors.ts";
import { blake2s, hkdfPair } from "./blake2s.ts";
import type { NoiseCrypto } from "./crypto.ts";

const PROTOCOL_NAME_HASH = blake2s(utf8("Noise_IK_25519_ChaChaPoly_BLAKE2s"));
const ZERO_NONCE = new Uint8Array(12);

/** A key that seals or opens one payload of the handshake. */
export type MessageKey = Uint8Array;

/** What a handshake ends in. */
export interface HandshakeSecrets {
  /** Encrypts records from client to server. */
  readonly clientKey: Uint8Array;
  /** Encrypts records from server to client. */
  readonly serverKey: Uint8Array;
  /** Hash of the whole handshake (channel binding); not secret. */
  readonly handshakeHash: Uint8Array;
}

/** The hash and chaining key of a handshake under way; of no use once it is split. */
export class SymmetricState {
  readonly #crypto: NoiseCrypto;
  #hash: Uint8Array = PROTOCOL_NAME_HASH;
  #chainingKey: Uint8Array = PROTOCOL_NAME_HASH;

  constructor(crypto: NoiseCrypto) {
    this.#crypto = crypto;
  }

  /** Adds bytes that both sides have seen to the running hash. */
  mixHash(bytes: Uint8Array): void {
    this.#hash = blake2s(this.#hash, bytes);
  }

  /**
   * Mixes a shared secret into the chaining key and returns the key for the payload that follows, if one does.
   * @throws ProtocolError `noise-handshake-failed` when the secret is all zero.
   */
  async mixDh(privateKey: Uint8Array, publicKey: Uint8Array): Promise<MessageKey> {
    const [chainingKey, key] = hkdfPair(this.#chainingKey, await this.#crypto.dh(privateKey, publicKey));
    this.#chainingKey = chainingKey;
    return key;
  }

  /** Seals a payload, bound to everything before it, and mixes the ciphertext. */
  sealAndHash(key: MessageKey, plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#crypto.seal(key, ZERO_NONCE, this.#hash, plaintext);
    this.mixHash(ciphertext);
    return ciphertext;
  }

  /** Opens a payload and mixes the ciphertext. @throws ProtocolError `noise-handshake-failed` when it is not authentic. */
  openAndHash(key: MessageKey, ciphertext: Uint8Array): Uint8Array {
    const plaintext = this.#crypto.open(key, ZERO_NONCE, this.#hash, ciphertext);
    if (plaintext === undefined)
      throw new ProtocolError("noise-handshake-failed", "handshake payload is not authentic");
    this.mixHash(ciphertext);
    return plaintext;
  }

  /** Ends the handshake. */
  split(): HandshakeSecrets {
    const [clientKey, serverKey] = hkdfPair(this.#chainingKey, EMPTY);
    return { clientKey, serverKey, handshakeHash: this.#hash };
  }
}
