// The responder's half of the control handshake: Noise_IK_25519_ChaChaPoly_BLAKE2s with the client's capability version in
// the prologue (tailscale control/controlbase/handshake.go, client 1.103.0; Noise rev 34 §7.5). The client knows the
// server's static key from /key; the server learns the client's machine key from the initiation.
// NOTE: an initiation alone can be a replay. Who sent it is proven only by the first record that opens under the new keys,
// so nothing may change because of a handshake that merely succeeded.
import { EMPTY, utf8 } from "../bytes.ts";
import { type MachineKey, machineKeyOf } from "../keys.ts";
import type { NoiseCrypto } from "./crypto.ts";
import { encodeResponse, type Initiation, parseInitiation } from "./messages.ts";
import { SymmetricState } from "./symmetric-state.ts";
import { newTransport, type TransportState } from "./transport.ts";

/** An X25519 key pair, 32 raw bytes each. */
export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** What the server has after answering an initiation. */
export interface HandshakeResult {
  /** The client's capability version. */
  readonly version: number;
  /** The machine key that the client claims; see the note above on when it is proven. */
  readonly machineKey: MachineKey;
  /** The 51 bytes that the client waits for. */
  readonly response: Uint8Array;
  /** Channel binding, 32 bytes; not secret. */
  readonly handshakeHash: Uint8Array;
  readonly transport: TransportState;
}

/**
 * Answers a client's initiation.
 * @param ephemeralPrivateKey 32 fresh random bytes, used for this handshake only.
 * @throws ProtocolError `noise-initiation-*` when it is malformed (worth telling the client), `noise-handshake-failed`
 * when it is not authentic, for the most part because it was made for another server key (close without a word).
 */
export async function respond(
  crypto: NoiseCrypto,
  server: KeyPair,
  initiation: Uint8Array,
  ephemeralPrivateKey: Uint8Array,
): Promise<HandshakeResult> {
  const message = parseInitiation(initiation);
  const state = new SymmetricState(crypto);
  state.mixHash(utf8(`Tailscale Control Protocol v${message.version}`));
  state.mixHash(server.publicKey);
  const machineKey = await readInitiation(state, server, message);
  const ephemeral = { privateKey: ephemeralPrivateKey, publicKey: await crypto.publicKeyForDh(ephemeralPrivateKey) };
  const response = await writeResponse(state, ephemeral, message.ephemeral, machineKey);
  const { clientKey, serverKey, handshakeHash } = state.split();
  return {
    version: message.version,
    machineKey: machineKeyOf(machineKey),
    response,
    handshakeHash,
    transport: newTransport(clientKey, serverKey),
  };
}

// e, es, s, ss
async function readInitiation(state: SymmetricState, server: KeyPair, message: Initiation): Promise<Uint8Array> {
  state.mixHash(message.ephemeral);
  const staticKey = await state.mixDh(server.privateKey, message.ephemeral);
  const machineKey = state.openAndHash(staticKey, message.sealedStatic);
  const tagKey = await state.mixDh(server.privateKey, machineKey);
  state.openAndHash(tagKey, message.tag);
  return machineKey;
}

// e, ee, se
async function writeResponse(
  state: SymmetricState,
  ephemeral: KeyPair,
  clientEphemeral: Uint8Array,
  machineKey: Uint8Array,
): Promise<Uint8Array> {
  state.mixHash(ephemeral.publicKey);
  await state.mixDh(ephemeral.privateKey, clientEphemeral); // no payload between ee and se: its key is not used
  const tagKey = await state.mixDh(ephemeral.privateKey, machineKey);
  return encodeResponse(ephemeral.publicKey, state.sealAndHash(tagKey, EMPTY));
}
