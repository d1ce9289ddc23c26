// Records after the handshake: a byte stream in pieces of at most 4,077 bytes, each sealed under a counter (tailscale
// control/controlbase/conn.go, client 1.103.0). The state is a plain record, so that it lives in a socket's attachment and
// survives hibernation. There is no rekey, no close message and no padding.
// NOTE: the nonce counter is big-endian, unlike Noise rev 34 §5.1, where ChaChaPoly counts little-endian.
import { concat, EMPTY, readU16, writeU16, writeU32 } from "../bytes.ts";
import { ProtocolError } from "../errors.ts";
import { NOISE_MAX_PLAINTEXT, NOISE_MAX_RECORD } from "../limits.ts";
import { type NoiseCrypto, TAG_LENGTH } from "./crypto.ts";
import { HEADER_LENGTH, MessageType } from "./messages.ts";

/**
 * One side's state of the record layer. The functions below advance it; store it before sending what they return, because
 * a counter that is used twice breaks the cipher, while one that is skipped only ends the connection.
 */
export interface TransportState {
  readonly rxKey: Uint8Array;
  readonly txKey: Uint8Array;
  /** Number of the next record to open, and to seal. */
  rxCounter: number;
  txCounter: number;
  /** The beginning of a record whose end has not arrived, fewer than 4,096 bytes. */
  pending: Uint8Array;
}

/** The state right after a handshake. */
export function newTransport(rxKey: Uint8Array, txKey: Uint8Array): TransportState {
  return { rxKey, txKey, rxCounter: 0, txCounter: 0, pending: EMPTY };
}

// [u8 type = 4][u16be length ≤ 4093][ciphertext]   one record; the tag is the last 16 bytes, no additional data
// Both directions count nonces from 0.
const RECORD_OVERHEAD = HEADER_LENGTH + TAG_LENGTH;

/**
 * Takes the next bytes of the stream, in any division, and returns the plaintexts of the records that are complete now,
 * in order. Records without plaintext are legal and left out.
 * @throws ProtocolError `noise-record-type`, `noise-record-too-big`, `noise-record-corrupt` or `noise-counter-exhausted`;
 * the connection is then beyond repair.
 */
export function openRecords(crypto: NoiseCrypto, state: TransportState, chunk: Uint8Array): Uint8Array[] {
  const stream = state.pending.length === 0 ? chunk : concat([state.pending, chunk]);
  const plaintexts: Uint8Array[] = [];
  let at = 0;
  for (let end = recordEnd(stream, at); end !== undefined; end = recordEnd(stream, at)) {
    const plaintext = openRecord(crypto, state, stream.subarray(at + HEADER_LENGTH, end));
    if (plaintext.length > 0) plaintexts.push(plaintext);
    at = end;
  }
  state.pending = stream.slice(at); // a copy: a view would keep and serialise the whole chunk
  return plaintexts;
}

/** Seals plaintext of any length and returns the records one after another; none for no plaintext. */
export function sealRecords(crypto: NoiseCrypto, state: TransportState, plaintext: Uint8Array): Uint8Array {
  const count = Math.ceil(plaintext.length / NOISE_MAX_PLAINTEXT);
  const records = new Uint8Array(plaintext.length + count * RECORD_OVERHEAD);
  let at = 0;
  for (let from = 0; from < plaintext.length; from += NOISE_MAX_PLAINTEXT) {
    const piece = count === 1 ? plaintext : plaintext.subarray(from, from + NOISE_MAX_PLAINTEXT);
    const ciphertext = crypto.seal(state.txKey, nonceOf(state.txCounter), EMPTY, piece);
    state.txCounter++;
    records[at] = MessageType.RECORD;
    writeU16(records, at + 1, ciphertext.length);
    records.set(ciphertext, at + HEADER_LENGTH);
    at += HEADER_LENGTH + ciphertext.length;
  }
  return records;
}

/** Length of the longest plaintext whose records, sealed, take no more than a number of bytes. */
export function plaintextWithin(length: number): number {
  const whole = Math.max(0, Math.floor(length / NOISE_MAX_RECORD));
  return whole * NOISE_MAX_PLAINTEXT + Math.max(0, length - whole * NOISE_MAX_RECORD - RECORD_OVERHEAD);
}

// Where the record at `at` ends, undefined while it is not all there. Refuses a header as soon as its bytes are seen.
function recordEnd(stream: Uint8Array, at: number): number | undefined {
  const available = stream.length - at;
  if (available === 0) return undefined;
  if (stream[at] !== MessageType.RECORD) throw new ProtocolError("noise-record-type", "message is not a record");
  if (available < HEADER_LENGTH) return undefined;
  const length = readU16(stream, at + 1);
  if (length > NOISE_MAX_RECORD - HEADER_LENGTH) {
    throw new ProtocolError("noise-record-too-big", "record is longer than 4096 bytes");
  }
  if (length < TAG_LENGTH) throw new ProtocolError("noise-record-corrupt", "record is shorter than its tag");
  return available < HEADER_LENGTH + length ? undefined : at + HEADER_LENGTH + length;
}

function openRecord(crypto: NoiseCrypto, state: TransportState, ciphertext: Uint8Array): Uint8Array {
  const plaintext = crypto.open(state.rxKey, nonceOf(state.rxCounter), EMPTY, ciphertext);
  if (plaintext === undefined) throw new ProtocolError("noise-record-corrupt", "record is not authentic");
  state.rxCounter++;
  return plaintext;
}

// [u32 0][u64be counter]. The wire reserves 2^64 − 1; a JavaScript number is exact up to 2^53 − 1, so we stop there.
function nonceOf(counter: number): Uint8Array {
  if (counter >= Number.MAX_SAFE_INTEGER) {
    throw new ProtocolError("noise-counter-exhausted", "connection has used up its nonces");
  }
  const nonce = new Uint8Array(12);
  writeU32(nonce, 4, Math.floor(counter / 2 ** 32));
  writeU32(nonce, 8, counter % 2 ** 32);
  return nonce;
}
