// Sessions of the login pages: who sits at a browser, as a signed text in a cookie; nothing is stored. A session begins
// without a user, so that the sign-in form is protected against forged requests like every other form.
//
//   cookie: <id>.<user id, 0 for none>.<expiry, ms>.<HMAC-SHA256 of what stands before it, hex>
//   form token: HMAC-SHA256 over the session's id, hex; a session of its own purpose by its prefix
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import { type Random, randomText } from "../../tailnet/entities/secret-token.ts";

/** How long a session lasts. */
const SESSION_LIFETIME_MS = 12 * 3_600_000;

/** One browser's session. */
export interface LoginSession {
  /** Random and unguessable: 32 letters and digits. */
  readonly id: string;
  /** Null: nobody has signed in yet. */
  readonly userId: number | null;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** A new session; signing in makes one too, so that an id planted before is worth nothing after. */
export function newSession(userId: number | null, now: number, random: Random): LoginSession {
  return { id: randomText(random, 32), userId, expiresAt: now + SESSION_LIFETIME_MS };
}

/** When the session began: for one with a user, when they proved who they are. */
export function startedAt({ expiresAt }: LoginSession): number {
  return expiresAt - SESSION_LIFETIME_MS;
}

/** The session as a cookie value. */
export function sealSession(key: Uint8Array, session: LoginSession): string {
  const payload = `${session.id}.${session.userId ?? 0}.${session.expiresAt}`;
  return `${payload}.${sign(key, `session ${payload}`)}`;
}

/** The session in a cookie value; undefined when it is malformed, not signed by us or over. */
export function openSession(key: Uint8Array, text: string, now: number): LoginSession | undefined {
  const match = /^(([0-9A-Za-z]{32})\.(\d{1,15})\.(\d{1,15}))\.([0-9a-f]{64})$/.exec(text);
  if (match === null) return undefined;
  const [, payload, id, userId, expiresAt, signature] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  if (!equalInConstantTime(signature, sign(key, `session ${payload}`))) return undefined;
  if (Number(expiresAt) <= now) return undefined;
  return { id, userId: Number(userId) || null, expiresAt: Number(expiresAt) };
}

/** The token that every form of a session carries. */
export function formToken(key: Uint8Array, session: LoginSession): string {
  return sign(key, `form ${session.id}`);
}

/** Compares two texts in time that does not depend on where they differ. */
export function equalInConstantTime(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < b.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

function sign(key: Uint8Array, text: string): string {
  return toHex(hmac(sha256, key, utf8(text)));
}
