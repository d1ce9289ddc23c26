// JSON Web Key Sets (RFC 7517) as others hand them to us: the public keys that an issuer signs its tokens with. What is
// dangerous to keep or to trust is refused, what is not for signatures is left out, and of the rest the members that make
// the key stay. Pure.
import { fromBase64 } from "./bytes.ts";
import { isJsonObject, type JsonObject } from "./control/json.ts";

/** A public key that verifies signatures. */
interface SigningJwk {
  readonly kty: "RSA" | "EC" | "OKP";
  readonly kid?: string;
  readonly alg?: string;
  readonly use?: "sig";
  readonly [member: string]: string | undefined;
}

/** Public keys in the order of their ids, so that equal sets have equal JSON. */
export interface SigningKeySet {
  readonly keys: readonly SigningJwk[];
}

/** A set that can be used, or what is wrong with it, in words for whoever gave it. */
export type KeySetOutcome =
  | { readonly ok: true; readonly set: SigningKeySet }
  | { readonly ok: false; readonly problem: string };

/** Keys in a set. Issuers publish one or two, and a few more while they change them. */
const KEYS_MAX = 20;
const KEY_ID_MAX = 256;
const RSA_MIN_BYTES = 256;
const RSA_MAX_BYTES = 1_024;
const TEXT_MAX = 4 * RSA_MAX_BYTES;

const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/** Members that make a key, with the sizes in bytes that they may have. */
const SHAPES: Readonly<Record<string, Readonly<Record<string, readonly [min: number, max: number]>>>> = {
  RSA: { n: [RSA_MIN_BYTES, RSA_MAX_BYTES], e: [1, 8] },
  "EC P-256": { x: [32, 32], y: [32, 32] },
  "EC P-384": { x: [48, 48], y: [48, 48] },
  "EC P-521": { x: [66, 66], y: [66, 66] },
  "OKP Ed25519": { x: [32, 32] },
};

/** Reads a key set. */
export function readKeySet(value: unknown): KeySetOutcome {
  if (!isJsonObject(value) || !Array.isArray(value.keys)) return problem("is no key set: it has no list of keys");
  const given: unknown[] = value.keys;
  if (given.length > KEYS_MAX) return problem(`has ${given.length} keys; ${KEYS_MAX} are allowed`);
  const keys: SigningJwk[] = [];
  for (const [i, each] of given.entries()) {
    const read = readKey(each);
    if (typeof read === "string") return problem(`key ${i} ${read}`);
    if (read !== undefined) keys.push(read);
  }
  if (keys.length === 0) return problem("holds no public key that signatures could be verified with");
  const ids = keys.map(({ kid }) => kid);
  if (ids.length > 1 && ids.includes(undefined)) return problem("has several keys, of which one has no kid");
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) return problem(`has two keys with the kid ${JSON.stringify(twice)}`);
  const sorted = keys.toSorted((a, b) => ((a.kid ?? "") < (b.kid ?? "") ? -1 : 1));
  return { ok: true, set: { keys: sorted } };
}

/** A key; undefined for one that is no business of ours; a text says what is wrong with it. */
function readKey(key: unknown): SigningJwk | string | undefined {
  if (!isJsonObject(key)) return "is no object";
  if (key.kty === "oct" || "k" in key) return "is a shared secret; only public keys may be given";
  if (PRIVATE_MEMBERS.some((member) => member in key)) return "is a private key; only public keys may be given";
  const { kid } = key;
  if (kid !== undefined && (typeof kid !== "string" || kid.length > KEY_ID_MAX))
    return "has a kid that is no short text";
  const shape = shapeOf(key);
  if (shape === undefined || !isForSignatures(key)) return undefined;
  const members = readMembers(key, shape);
  if (typeof members === "string") return members;
  const labels = Object.entries({ kid, alg: key.alg, use: key.use, crv: key.kty === "RSA" ? undefined : key.crv });
  const given = labels.filter((label): label is [string, string] => typeof label[1] === "string");
  return { kty: key.kty as SigningJwk["kty"], ...Object.fromEntries(given), ...members };
}

/** The members that make a key, or what is wrong with one. */
function readMembers(
  key: JsonObject,
  shape: Readonly<Record<string, readonly [min: number, max: number]>>,
): Record<string, string> | string {
  const members: Record<string, string> = {};
  for (const [member, [min, max]] of Object.entries(shape)) {
    const text = key[member];
    const size = typeof text === "string" ? sizeOf(text) : undefined;
    if (typeof text !== "string" || size === undefined) return `has a member ${member} that is not base64url`;
    if (size < min || size > max)
      return `has a member ${member} of ${8 * size} bits, which is too ${size < min ? "short" : "long"}`;
    members[member] = text;
  }
  return members;
}

function shapeOf({ kty, crv }: JsonObject) {
  const name = kty === "RSA" ? "RSA" : `${String(kty)} ${String(crv)}`;
  return Object.hasOwn(SHAPES, name) ? SHAPES[name] : undefined;
}

/** Whether a key says that it is for signatures that we verify, or says nothing. */
function isForSignatures({ use, alg }: JsonObject): boolean {
  const isAlgorithm = typeof alg === "string" && /^((RS|PS|ES)(256|384|512)|EdDSA|Ed25519)$/.test(alg);
  return (use === undefined || use === "sig") && (alg === undefined || isAlgorithm);
}

/** Bytes behind a base64url text; undefined when it is none. */
function sizeOf(text: string): number | undefined {
  if (!/^[\w-]+$/.test(text) || text.length > TEXT_MAX) return undefined;
  return fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"))?.length;
}

function problem(text: string): KeySetOutcome {
  return { ok: false, problem: text };
}
