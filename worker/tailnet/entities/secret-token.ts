// Secrets that are shown once and stored as hashes: auth keys, API tokens and client secrets (api-v2.md 1.3).
//
//   tskey-<kind>-<id>-<secret>   id: k + 11 letters and digits + CNTRL; secret: 32 letters and digits (190 bits)
import { sha256 } from "@noble/hashes/sha2.js";
import { toHex, utf8 } from "../../protocol/bytes.ts";

/** What a token is good for; part of its text. */
export type TokenKind = "auth" | "api" | "client";

/** A source of random bytes, given by the shell. */
export type Random = (length: number) => Uint8Array;

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Bytes as letters and digits, one for each byte below 248: none is likelier than another. */
export function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => (byte < 248 ? LETTERS[byte % 62] : "")).join("");
}

/** Draws letters and digits without bias. */
export function randomText(random: Random, length: number): string {
  let text = "";
  while (text.length < length) text += textOf(random(length * 2));
  return text.slice(0, length);
}

/** A new token: its id, its text (to be shown once) and the hash to keep. */
export function mintToken(kind: TokenKind, random: Random): { id: string; text: string; hash: string } {
  const id = `k${randomText(random, 11)}CNTRL`;
  const secret = randomText(random, 32);
  return { id, text: `tskey-${kind}-${id}-${secret}`, hash: hashSecret(secret) };
}

/** A token that somebody else made: its id and the hash to keep; undefined when no {@link mintToken} makes such a text. */
export function adoptToken(kind: TokenKind, text: string): { id: string; text: string; hash: string } | undefined {
  const parts = splitToken(kind, text);
  return parts === undefined || parts.secret.length !== 32
    ? undefined
    : { id: parts.id, text, hash: hashSecret(parts.secret) };
}

/** Splits a token into id and secret; undefined when it is not of this kind. */
export function splitToken(kind: TokenKind, text: string): { id: string; secret: string } | undefined {
  const match = /^tskey-([a-z]+)-(k[0-9A-Za-z]{9,12}CNTRL)-([0-9A-Za-z]{16,64})$/.exec(text);
  if (match === null || match[1] !== kind) return undefined;
  return { id: match[2] as string, secret: match[3] as string };
}

/** SHA-256 of a secret in hex. A plain hash is enough: the secret is random, not chosen by a person. */
export function hashSecret(secret: string): string {
  return toHex(sha256(utf8(secret)));
}

/** Compares a secret with a stored hash in time that does not depend on where they differ. */
export function matchesHash(secret: string, hash: string): boolean {
  const actual = hashSecret(secret);
  let difference = actual.length ^ hash.length;
  for (let i = 0; i < actual.length; i++) difference |= actual.charCodeAt(i) ^ hash.charCodeAt(i);
  return difference === 0;
}
