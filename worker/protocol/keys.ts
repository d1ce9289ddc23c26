// Public keys as they travel in JSON: a prefix and 64 lower-case hex digits (tailscale types/key). Each kind is a
// branded string with one parser, so that a machine key cannot be passed for a node key. Keys stay in text form in the
// domain: they are map keys, SQL values and JSON; only codecs need the raw 32 bytes.
import { fromHex, toHex } from "./bytes.ts";
import { ProtocolError } from "./errors.ts";

declare const brand: unique symbol;
type Branded<Kind extends string> = string & { readonly [brand]: Kind };

/** X25519 key of a device installation, `mkey:…`; proven by the Noise handshake. */
export type MachineKey = Branded<"machine">;
/** X25519 WireGuard key of a login profile, `nodekey:…`; public information. */
export type NodeKey = Branded<"node">;
/** X25519 path-discovery key of one client process, `discokey:…`. */
export type DiscoKey = Branded<"disco">;
/** Ed25519 tailnet-lock key, `nlpub:…`. */
export type TailnetLockKey = Branded<"nl">;
/** X25519 challenge of one Noise connection, `chalpub:…`. */
export type ChallengeKey = Branded<"challenge">;

/** The machine key that means "none". */
export const ZERO_MACHINE_KEY = `mkey:${"0".repeat(64)}` as MachineKey;

function parser<K extends string>(prefix: string, aliases: readonly string[] = []) {
  return (text: unknown): K | undefined => {
    if (typeof text !== "string") return undefined;
    const alias = aliases.find((a) => text.startsWith(a));
    const digits = text.slice((alias ?? prefix).length);
    if (alias === undefined && !text.startsWith(prefix)) return undefined;
    return /^[0-9a-f]{64}$/.test(digits) ? ((prefix + digits) as K) : undefined;
  };
}

/** Parses `mkey:` and 64 hex digits; undefined when malformed. */
export const parseMachineKey = parser<MachineKey>("mkey:");
/** Parses `nodekey:` and 64 hex digits; undefined when malformed. */
export const parseNodeKey = parser<NodeKey>("nodekey:");
/** Parses `discokey:` and 64 hex digits; undefined when malformed. */
export const parseDiscoKey = parser<DiscoKey>("discokey:");
/** Parses `nlpub:` (or `tlpub:`) and 64 hex digits; undefined when malformed. */
export const parseTailnetLockKey = parser<TailnetLockKey>("nlpub:", ["tlpub:"]);

/** Tells whether a key is all zero, which on the wire means "absent". */
export function isZeroKey(key: string): boolean {
  return key.endsWith(`:${"0".repeat(64)}`);
}

/** Formats 32 raw bytes as a machine key. */
export function machineKeyOf(raw: Uint8Array): MachineKey {
  return `mkey:${toHex(raw)}` as MachineKey;
}

/** Formats 32 raw bytes as a node key. */
export function nodeKeyOf(raw: Uint8Array): NodeKey {
  return `nodekey:${toHex(raw)}` as NodeKey;
}

/** Formats 32 raw bytes as a challenge key. */
export function challengeKeyOf(raw: Uint8Array): ChallengeKey {
  return `chalpub:${toHex(raw)}` as ChallengeKey;
}

/** The 32 raw bytes of a key in text form. @throws ProtocolError `malformed-key`. */
export function rawKey(key: MachineKey | NodeKey | DiscoKey | TailnetLockKey | ChallengeKey): Uint8Array {
  const raw = fromHex(key.slice(key.indexOf(":") + 1));
  if (raw?.length !== 32) throw new ProtocolError("malformed-key", "key has the wrong length");
  return raw;
}
