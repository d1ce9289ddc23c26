// The client's half of the control connection's Noise transport, for fake clients in tests. It follows control-protocol.md
// section 2 in a straight line and shares no code with worker/protocol/noise, so that talking to it is a check of both;
// all primitives come from noble, which runs in Node and in workerd alike.
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { hkdf } from "@noble/hashes/hkdf.js";

const HANDSHAKE_NONCE = new Uint8Array(12);
const EMPTY = new Uint8Array(0);
const MAX_PLAINTEXT = 4077;

/** What a client needs to begin. Keys are 32 raw bytes. */
export interface InitiatorKeys {
  readonly machinePrivateKey: Uint8Array;
  readonly serverPublicKey: Uint8Array;
  /** Fresh for every handshake. */
  readonly ephemeralPrivateKey: Uint8Array;
}

/** A client that has sent, or is about to send, its initiation. */
export class NoiseInitiator {
  /** The 101 bytes to send. */
  readonly initiation: Uint8Array;
  readonly #keys: InitiatorKeys;
  #h: Uint8Array;
  #ck: Uint8Array;

  constructor(keys: InitiatorKeys, version: number) {
    this.#keys = keys;
    this.#h = this.#ck = blake2s(ascii("Noise_IK_25519_ChaChaPoly_BLAKE2s"));
    this.#mixHash(ascii(`Tailscale Control Protocol v${version}`));
    this.#mixHash(keys.serverPublicKey);

    const ephemeral = x25519.getPublicKey(keys.ephemeralPrivateKey);
    this.#mixHash(ephemeral);
    const es = this.#mixDh(keys.ephemeralPrivateKey, keys.serverPublicKey);
    const sealedStatic = this.#seal(es, x25519.getPublicKey(keys.machinePrivateKey));
    const ss = this.#mixDh(keys.machinePrivateKey, keys.serverPublicKey);
    const tag = this.#seal(ss, EMPTY);
    const header = Uint8Array.of(version >> 8, version & 255, 1, 0, 96);
    this.initiation = join([header, ephemeral, sealedStatic, tag]);
  }

  /** Takes the server's 51 bytes. @throws Error when they are an error message or not authentic. */
  finish(response: Uint8Array): NoiseChannel {
    if (response[0] === 3) throw new Error(`server error: ${new TextDecoder().decode(response.subarray(3))}`);
    if (response.length !== 51 || response[0] !== 2 || response[1] !== 0 || response[2] !== 48) {
      throw new Error("not a handshake response");
    }
    const ephemeral = response.slice(3, 35);
    this.#mixHash(ephemeral);
    this.#mixDh(this.#keys.ephemeralPrivateKey, ephemeral);
    const se = this.#mixDh(this.#keys.machinePrivateKey, ephemeral);
    const tag = response.slice(35);
    chacha20poly1305(se, HANDSHAKE_NONCE, this.#h).decrypt(tag);
    this.#mixHash(tag);
    const keys = hkdf(blake2s, EMPTY, this.#ck, undefined, 64);
    return new NoiseChannel(keys.slice(0, 32), keys.slice(32), this.#h);
  }

  #mixHash(bytes: Uint8Array): void {
    this.#h = blake2s(join([this.#h, bytes]));
  }

  #mixDh(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
    const expanded = hkdf(blake2s, x25519.getSharedSecret(privateKey, publicKey), this.#ck, undefined, 64);
    this.#ck = expanded.slice(0, 32);
    return expanded.slice(32);
  }

  #seal(key: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const ciphertext = chacha20poly1305(key, HANDSHAKE_NONCE, this.#h).encrypt(plaintext);
    this.#mixHash(ciphertext);
    return ciphertext;
  }
}

/** A client's established channel. */
export class NoiseChannel {
  /** Channel binding; equal on both sides. */
  readonly handshakeHash: Uint8Array;
  readonly #txKey: Uint8Array;
  readonly #rxKey: Uint8Array;
  #txCounter = 0n;
  #rxCounter = 0n;
  #buffered = EMPTY;

  constructor(txKey: Uint8Array, rxKey: Uint8Array, handshakeHash: Uint8Array) {
    this.#txKey = txKey;
    this.#rxKey = rxKey;
    this.handshakeHash = handshakeHash;
  }

  /** Seals bytes as records; one empty record for no bytes. */
  seal(plaintext: Uint8Array): Uint8Array {
    const records: Uint8Array[] = [];
    let from = 0;
    do {
      const piece = plaintext.subarray(from, from + MAX_PLAINTEXT);
      const ciphertext = chacha20poly1305(this.#txKey, nonce(this.#txCounter++)).encrypt(piece);
      records.push(Uint8Array.of(4, ciphertext.length >> 8, ciphertext.length & 255), ciphertext);
      from += MAX_PLAINTEXT;
    } while (from < plaintext.length);
    return join(records);
  }

  /** Takes bytes of the stream in any division; returns the plaintext that has become readable. @throws Error */
  open(chunk: Uint8Array): Uint8Array {
    let rest = join([this.#buffered, chunk]);
    const plaintexts: Uint8Array[] = [];
    for (;;) {
      const [type, high, low] = rest;
      if (type !== undefined && type !== 4) throw new Error(`record of type ${type}`);
      if (high === undefined || low === undefined) break;
      const end = 3 + high * 256 + low;
      if (end > 4096) throw new Error(`record of ${end} bytes`);
      if (rest.length < end) break;
      plaintexts.push(chacha20poly1305(this.#rxKey, nonce(this.#rxCounter++)).decrypt(rest.subarray(3, end)));
      rest = rest.subarray(end);
    }
    this.#buffered = rest.slice();
    return join(plaintexts);
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function nonce(counter: bigint): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, counter, false);
  return bytes;
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
