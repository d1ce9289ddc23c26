// STUN binding, the question "which address do you see me at?" over UDP (RFC 8489 §5, §6.3, §14; RFC 5389 is the same
// here), as far as Tailscale clients use it (tailscale net/stun, client 1.102.3; control-protocol.md 7.7). Both sides are
// here: ours as a server, and a client's for checks.
//
//   message    [u16 type][u16 length of what follows the header][u32 cookie][12 bytes transaction id] attributes…
//   attribute  [u16 type][u16 length][value][padding to 4]
//
// Left out: authentication, TCP, other methods, and the 420 answer to attributes that we would have to understand: a
// server that answers nothing but what its own clients send is of no use to a reflected flood.
import { fromUtf8, readU16, readU32, utf8, writeU16, writeU32 } from "./bytes.ts";
import { type Address, addressBits } from "./ip.ts";
import { STUN_MAX_ATTRIBUTES, STUN_MAX_REQUEST } from "./limits.ts";

/** The port of a STUN server when a DERP map names none. */
export const STUN_PORT = 3478;
/** What Tailscale clients call themselves in SOFTWARE. */
export const TAILSCALE_SOFTWARE = "tailnode";
/** Bytes of a transaction id. */
const TRANSACTION_ID_LENGTH = 12;

const HEADER_LENGTH = 20;
const COOKIE = 0x2112a442;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;

const MAPPED_ADDRESS = 0x0001;
const XOR_MAPPED_ADDRESS = 0x0020;
const SOFTWARE = 0x8022;
const FINGERPRINT = 0x8028;
/** Attributes below this must be understood by whoever reads the message. */
const OPTIONAL_FROM = 0x8000;
const FINGERPRINT_LENGTH = 8;
const FINGERPRINT_XOR = 0x5354554e;
const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;

/** A question. */
export interface BindingRequest {
  /** 12 bytes, as a view of the datagram. */
  readonly transactionId: Uint8Array;
  readonly software: string | undefined;
  /** Whether it ends with a FINGERPRINT; a wrong one is no request at all. */
  readonly hasFingerprint: boolean;
}

/** An answer: where the server saw the client. */
export interface BindingResponse {
  readonly transactionId: Uint8Array;
  readonly address: Address;
  readonly port: number;
}

/** Why a datagram is not what it should be; a label of the metrics. */
export type StunProblem = "not-stun" | "other-message" | "malformed" | "unknown-attribute" | "bad-fingerprint";

/** A decoded message, or why there is none. */
export type Decoded<T> =
  | { readonly ok: true; readonly message: T }
  | { readonly ok: false; readonly problem: StunProblem };

/** Decodes a client's datagram. */
export function decodeBindingRequest(datagram: Uint8Array): Decoded<BindingRequest> {
  if (datagram.length > STUN_MAX_REQUEST) return failed("not-stun");
  const opened = openMessage(datagram, BINDING_REQUEST);
  if (!opened.ok) return opened;
  let software: string | undefined;
  for (const { type, value } of opened.message) {
    if (type < OPTIONAL_FROM) return failed("unknown-attribute");
    if (type === SOFTWARE) software ??= fromUtf8(value);
  }
  const hasFingerprint = opened.message.at(-1)?.type === FINGERPRINT;
  return { ok: true, message: { transactionId: transactionIdOf(datagram), software, hasFingerprint } };
}

/** Decodes a server's datagram; of old servers also the form without XOR. */
export function decodeBindingResponse(datagram: Uint8Array): Decoded<BindingResponse> {
  const opened = openMessage(datagram, BINDING_SUCCESS);
  if (!opened.ok) return opened;
  const attribute =
    opened.message.find(({ type }) => type === XOR_MAPPED_ADDRESS) ??
    opened.message.find(({ type }) => type === MAPPED_ADDRESS);
  const mapped = attribute && readAddress(attribute.value);
  if (mapped === undefined) return failed("malformed");
  if (attribute?.type === MAPPED_ADDRESS) {
    return { ok: true, message: { transactionId: transactionIdOf(datagram), ...mapped } };
  }
  const mask = maskOf(datagram, addressBits(mapped.address));
  const address = mapped.address ^ mask;
  return {
    ok: true,
    message: { transactionId: transactionIdOf(datagram), address, port: mapped.port ^ (COOKIE >>> 16) },
  };
}

/** A question as Tailscale clients ask it: 40 bytes. */
export function encodeBindingRequest(transactionId: Uint8Array): Uint8Array {
  const name = utf8(TAILSCALE_SOFTWARE);
  const message = newMessage(BINDING_REQUEST, transactionId, 4 + name.length + FINGERPRINT_LENGTH);
  writeAttributeHeader(message, HEADER_LENGTH, SOFTWARE, name.length);
  message.set(name, HEADER_LENGTH + 4);
  const at = message.length - FINGERPRINT_LENGTH;
  writeAttributeHeader(message, at, FINGERPRINT, 4);
  writeU32(message, at + 4, fingerprintOf(message, at));
  return message;
}

/** The answer: 32 bytes to an IPv4 address, 44 to an IPv6 one. */
export function encodeBindingResponse({ transactionId, address, port }: BindingResponse): Uint8Array {
  const bits = addressBits(address);
  const message = newMessage(BINDING_SUCCESS, transactionId, 8 + bits / 8);
  writeAttributeHeader(message, HEADER_LENGTH, XOR_MAPPED_ADDRESS, 4 + bits / 8);
  message[HEADER_LENGTH + 5] = bits === 32 ? FAMILY_IPV4 : FAMILY_IPV6;
  writeU16(message, HEADER_LENGTH + 6, port ^ (COOKIE >>> 16));
  writeBig(message, HEADER_LENGTH + 8, bits, address ^ maskOf(message, bits));
  return message;
}

interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** Checks the header, the attributes' bounds and the fingerprint; the attributes in order. */
function openMessage(datagram: Uint8Array, type: number): Decoded<readonly Attribute[]> {
  // The two top bits of STUN are zero: in everything that shares a port with it, WireGuard and disco too, they are not
  // enough to tell, but the cookie is.
  if (datagram.length < HEADER_LENGTH || readU32(datagram, 4) !== COOKIE) return failed("not-stun");
  if (readU16(datagram, 0) !== type) return failed(readU16(datagram, 0) >= 0x4000 ? "not-stun" : "other-message");
  if (readU16(datagram, 2) !== datagram.length - HEADER_LENGTH) return failed("malformed");
  const attributes = readAttributes(datagram);
  if (attributes === undefined) return failed("malformed");
  return checkFingerprint(datagram, attributes);
}

function readAttributes(datagram: Uint8Array): Attribute[] | undefined {
  const attributes: Attribute[] = [];
  let at = HEADER_LENGTH;
  while (at < datagram.length) {
    if (datagram.length - at < 4 || attributes.length === STUN_MAX_ATTRIBUTES) return undefined;
    const length = readU16(datagram, at + 2);
    const end = at + 4 + length;
    const next = (end + 3) & ~3;
    if (next > datagram.length) return undefined;
    attributes.push({ type: readU16(datagram, at), value: datagram.subarray(at + 4, end) });
    at = next;
  }
  return attributes;
}

/** A FINGERPRINT is the last attribute, and right, or the datagram is no STUN message that anybody meant. */
function checkFingerprint(datagram: Uint8Array, attributes: readonly Attribute[]): Decoded<readonly Attribute[]> {
  const index = attributes.findIndex(({ type }) => type === FINGERPRINT);
  if (index === -1) return { ok: true, message: attributes };
  const value = attributes[index]?.value ?? datagram;
  if (index !== attributes.length - 1 || value.length !== 4) return failed("malformed");
  if (readU32(value, 0) !== fingerprintOf(datagram, datagram.length - FINGERPRINT_LENGTH))
    return failed("bad-fingerprint");
  return { ok: true, message: attributes };
}

// [u8 0][u8 family][u16 port][4 or 16 bytes]
function readAddress(value: Uint8Array): { readonly address: Address; readonly port: number } | undefined {
  const bits = value[1] === FAMILY_IPV4 ? 32 : 128;
  if (value.length !== 4 + bits / 8 || (value[1] !== FAMILY_IPV4 && value[1] !== FAMILY_IPV6)) return undefined;
  const family = bits === 32 ? 0n : V6;
  return { address: family | readBig(value, 4, bits), port: readU16(value, 2) };
}

const V6 = 1n << 128n;

/** What addresses are XORed with: the cookie, and for IPv6 the transaction id behind it. */
function maskOf(message: Uint8Array, bits: number): bigint {
  return readBig(message, 4, bits);
}

function readBig(bytes: Uint8Array, at: number, bits: number): bigint {
  let value = 0n;
  for (let i = 0; i < bits / 32; i++) value = (value << 32n) | BigInt(readU32(bytes, at + 4 * i));
  return value;
}

function writeBig(bytes: Uint8Array, at: number, bits: number, value: bigint): void {
  const words = bits / 32;
  for (let i = 0; i < words; i++) {
    writeU32(bytes, at + 4 * i, Number((value >> BigInt(32 * (words - 1 - i))) & 0xffff_ffffn));
  }
}

function transactionIdOf(datagram: Uint8Array): Uint8Array {
  return datagram.subarray(8, HEADER_LENGTH);
}

function newMessage(type: number, transactionId: Uint8Array, length: number): Uint8Array {
  const message = new Uint8Array(HEADER_LENGTH + length);
  writeU16(message, 0, type);
  writeU16(message, 2, length);
  writeU32(message, 4, COOKIE);
  message.set(transactionId.subarray(0, TRANSACTION_ID_LENGTH), 8);
  return message;
}

function writeAttributeHeader(message: Uint8Array, at: number, type: number, length: number): void {
  writeU16(message, at, type);
  writeU16(message, at + 2, length);
}

function failed(problem: StunProblem): { readonly ok: false; readonly problem: StunProblem } {
  return { ok: false, problem };
}

/** RFC 8489 §14.7: the CRC-32 (ISO 3309) of all before the attribute, XORed with "STUN". */
function fingerprintOf(message: Uint8Array, end: number): number {
  let crc = 0xffff_ffff;
  for (let i = 0; i < end; i++) {
    crc = crcStep(crc ^ (message[i] as number)) ^ (crc >>> 8);
  }
  return (~crc ^ FINGERPRINT_XOR) >>> 0;
}

/** What the low byte adds, bit by bit: messages are too short to be worth a table. */
function crcStep(crc: number): number {
  let value = crc & 0xff;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb8_8320 : 0);
  return value;
}
