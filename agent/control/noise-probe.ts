// The client's half of one control handshake: it tells who is on the other side, because only the holder of the private
// key to the `publicKey` of `/key` can answer it (control-protocol.md 2.2, 2.3), and leads to a transport for records.
import { randomBytes } from "node:crypto";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { concat, EMPTY, toBase64, utf8, writeU16 } from "../../worker/protocol/bytes.ts";
import type { NoiseCrypto } from "../../worker/protocol/noise/crypto.ts";
import { HEADER_LENGTH, MessageType } from "../../worker/protocol/noise/messages.ts";
import { SymmetricState } from "../../worker/protocol/noise/symmetric-state.ts";
import { newTransport, type TransportState } from "../../worker/protocol/noise/transport.ts";

/** Capability version that the probe speaks: the oldest that the server supports. */
export const PROBE_VERSION = 113;
/** Longest answer that is waited for: a response, or an error with its text. */
const ANSWER_MAX = HEADER_LENGTH + 1_024;

const KEY_LENGTH = 32;
const RESPONSE_LENGTH = 51;

/** What an answer proves. */
export type ProbeVerdict =
  | { readonly kind: "proved"; readonly transport: TransportState }
  | { readonly kind: "unproved" }
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "malformed" };

/** The primitives, in JavaScript alone. */
export const noble: NoiseCrypto = {
  publicKey: (privateKey) => x25519.getPublicKey(privateKey),
  publicKeyForDh: async (privateKey) => x25519.getPublicKey(privateKey),
  dh: async (privateKey, publicKey) => x25519.getSharedSecret(privateKey, publicKey),
  seal: (key, nonce, ad, plaintext) => chacha20poly1305(key, nonce, ad).encrypt(plaintext),
  open: (key, nonce, ad, ciphertext) => {
    try {
      return chacha20poly1305(key, nonce, ad).decrypt(ciphertext);
    } catch {
      return undefined; // the tag does not match
    }
  },
};

/** One handshake with fresh keys; good for one answer. */
export class NoiseProbe {
  /** The initiation as it travels in a header: base64. */
  readonly handshake: string;
  readonly #state: SymmetricState;
  readonly #machineKey: Uint8Array;
  readonly #ephemeralKey: Uint8Array;

  private constructor(handshake: string, state: SymmetricState, keys: { machine: Uint8Array; ephemeral: Uint8Array }) {
    this.handshake = handshake;
    this.#state = state;
    this.#machineKey = keys.machine;
    this.#ephemeralKey = keys.ephemeral;
  }

  // e, es, s, ss
  /** Begins a handshake with the owner of a raw public key. @throws Error when that is no X25519 key */
  static async begin(serverKey: Uint8Array): Promise<NoiseProbe> {
    const [machine, ephemeral] = [randomBytes(KEY_LENGTH), randomBytes(KEY_LENGTH)];
    const state = new SymmetricState(noble);
    state.mixHash(utf8(`Tailscale Control Protocol v${PROBE_VERSION}`));
    state.mixHash(serverKey);
    const ephemeralPublic = noble.publicKey(ephemeral);
    state.mixHash(ephemeralPublic);
    const sealedStatic = state.sealAndHash(await state.mixDh(ephemeral, serverKey), noble.publicKey(machine));
    const tag = state.sealAndHash(await state.mixDh(machine, serverKey), EMPTY);
    const payload = concat([ephemeralPublic, sealedStatic, tag]);
    const header = new Uint8Array(5);
    writeU16(header, 0, PROBE_VERSION);
    header[2] = MessageType.INITIATION;
    writeU16(header, 3, payload.length);
    return new NoiseProbe(toBase64(concat([header, payload])), state, { machine, ephemeral });
  }

  /** Whether so many bytes of the stream hold a whole answer. */
  static isWhole(bytes: Uint8Array): boolean {
    if (bytes.length < HEADER_LENGTH) return false;
    return bytes.length >= Math.min(ANSWER_MAX, HEADER_LENGTH + (bytes[1] ?? 0) * 256 + (bytes[2] ?? 0));
  }

  // e, ee, se
  /** Judges the first bytes of the stream. */
  async judge(bytes: Uint8Array): Promise<ProbeVerdict> {
    const [type, high = 0, low = 0] = bytes;
    if (type === MessageType.ERROR) {
      const text = bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + high * 256 + low);
      return { kind: "error", text: new TextDecoder().decode(text) };
    }
    if (type !== MessageType.RESPONSE || high !== 0 || low !== RESPONSE_LENGTH - HEADER_LENGTH) {
      return { kind: "malformed" };
    }
    const ephemeral = bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + KEY_LENGTH);
    try {
      this.#state.mixHash(ephemeral);
      await this.#state.mixDh(this.#ephemeralKey, ephemeral);
      const tagKey = await this.#state.mixDh(this.#machineKey, ephemeral);
      this.#state.openAndHash(tagKey, bytes.subarray(HEADER_LENGTH + KEY_LENGTH, RESPONSE_LENGTH));
      const { clientKey, serverKey } = this.#state.split();
      return { kind: "proved", transport: newTransport(serverKey, clientKey) };
    } catch {
      return { kind: "unproved" }; // not made with the key, which is what we came to find out
    }
  }
}
