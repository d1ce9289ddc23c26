// The primitives of Noise_IK_25519_ChaChaPoly_BLAKE2s that profit from a native implementation, as a parameter, so that
// the protocol stays pure and the platform picks the fastest. The hash half (BLAKE2s, HMAC, HKDF) is not here: no platform
// that we run on has BLAKE2s natively, so it is in `blake2s.ts`.

/** X25519 and ChaCha20-Poly1305 as Noise uses them. All keys and shared secrets are 32 bytes, nonces 12, tags 16. */
export interface NoiseCrypto {
  /** Computes the X25519 public key of a private key. */
  publicKey(privateKey: Uint8Array): Uint8Array;
  /** The same, of a private key that {@link NoiseCrypto.dh} is called with next: cheaper, as it is made ready once. */
  publicKeyForDh(privateKey: Uint8Array): Promise<Uint8Array>;
  /**
   * Computes the X25519 shared secret; a promise, because workerd computes it natively only in WebCrypto.
   * @throws ProtocolError `noise-handshake-failed` when it is all zero.
   */
  dh(privateKey: Uint8Array, publicKey: Uint8Array): Promise<Uint8Array>;
  /** Encrypts and returns the ciphertext with the tag behind it, in a buffer of its own. */
  seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Decrypts; undefined when the tag does not match or is missing. */
  open(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined;
}

/** Length of the authentication tag behind every ciphertext. */
export const TAG_LENGTH = 16;
