// The beginning of a control connection (control-protocol.md 1.4, 2): the handshake is answered, and what the server says
// first is made.
import { EMPTY, toHex } from "../protocol/bytes.ts";
import type { ProtocolError } from "../protocol/errors.ts";
import { openConnection } from "../protocol/http2/connection.ts";
import { challengeKeyOf } from "../protocol/keys.ts";
import type { NoiseCrypto } from "../protocol/noise/crypto.ts";
import { encodeEarlyPayload } from "../protocol/noise/early-payload.ts";
import { type KeyPair, respond } from "../protocol/noise/handshake.ts";
import { encodeHandshakeError } from "../protocol/noise/messages.ts";
import type { ConnectionState } from "./connection-state.ts";

/** What a session is opened with. */
export interface SessionPorts {
  readonly crypto: NoiseCrypto;
  readonly keys: KeyPair;
  readonly random: (length: number) => Uint8Array;
}

/** A connection whose handshake is answered. */
export interface OpenSession {
  readonly state: ConnectionState;
  /** The handshake's second message. */
  readonly response: Uint8Array;
  /** What the server says first. */
  readonly greeting: readonly Uint8Array[];
}

/** Answers an initiation. @throws ProtocolError when it is none, or for another key */
export async function openSession(
  { crypto, keys, random }: SessionPorts,
  initiation: Uint8Array,
  origin: Pick<ConnectionState, "openedAt" | "remoteAddress" | "publicOrigin">,
): Promise<OpenSession> {
  const { response, version, machineKey, transport } = await respond(crypto, keys, initiation, random(32));
  // Any 32 bytes are a public key (RFC 7748 5); nobody needs the private half, and making one costs a handshake.
  const greeting = [encodeEarlyPayload(challengeKeyOf(random(32)))];
  const http2 = openConnection(greeting);
  const id = toHex(random(16));
  const state = { id, version, machineKey, ...origin, noise: transport, http2, streams: [] };
  return { state, response, greeting };
}

/** What a client is told of what is wrong with its initiation; nothing when that is for another key. */
export function handshakeRefusal(error: ProtocolError): Uint8Array {
  return error.code === "noise-handshake-failed" ? EMPTY : encodeHandshakeError(error.message);
}

/** Tells a client what is wrong with its initiation; an initiation for another key gets no answer but the end. */
export function refuseHandshake(socket: WebSocket, error: ProtocolError): void {
  socket.accept();
  const said = handshakeRefusal(error);
  if (said.length > 0) socket.send(said);
  socket.close(1008, "handshake refused");
}
