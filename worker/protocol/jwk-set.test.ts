import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readKeySet } from "./jwk-set.ts";

type Jwk = Record<string, unknown>;
const publicJwk = (kind: "rsa" | "ec" | "ed25519", options: object = {}): Jwk => {
  const { publicKey } = generateKeyPairSync(kind as never, options as never) as unknown as { publicKey: KeyObject };
  return { ...publicKey.export({ format: "jwk" }) };
};
const rsa = publicJwk("rsa", { modulusLength: 2_048 });
const ec = publicJwk("ec", { namedCurve: "P-256" });

const keys = (...given: unknown[]) => {
  const read = readKeySet({ keys: given });
  return read.ok ? read.set.keys : read.problem;
};

describe("a key set", () => {
  it("keeps the members that make keys, and orders keys by their ids", () => {
    const more = { use: "sig", key_ops: ["verify"], x5c: ["MIIB"], x5t: "x" };
    expect(keys({ ...rsa, ...more, alg: "RS256", kid: "b" }, { ...ec, kid: "a", note: 1 })).toEqual([
      { ...ec, kid: "a" },
      { ...rsa, alg: "RS256", kid: "b", use: "sig" },
    ]);
  });

  it.each([
    ["P-384", publicJwk("ec", { namedCurve: "P-384" })],
    ["P-521", publicJwk("ec", { namedCurve: "P-521" })],
    ["Ed25519", publicJwk("ed25519")],
    ["RSA of 4096 bits", publicJwk("rsa", { modulusLength: 4_096 })],
  ])("may hold a key of %s, and one key without an id", (_, key) => {
    expect(keys(key)).toEqual([key]);
  });

  it("has the same text however its keys and members are laid out", () => {
    const text = (...given: Jwk[]) => JSON.stringify(keys(...given));
    const [a, b] = [
      { ...rsa, kid: "a", alg: "RS256" },
      { ...ec, kid: "b" },
    ];
    const reversed = Object.fromEntries(Object.entries(a).reverse());
    expect(text(b, reversed)).toBe(text(a, b));
  });

  it.each([
    ["keys for encryption", { ...rsa, use: "enc", kid: "x" }],
    ["algorithms of encryption", { ...rsa, alg: "RSA-OAEP", kid: "x" }],
    ["shared-secret algorithms", { ...rsa, alg: "HS256", kid: "x" }],
    ["kinds of the future", { kty: "AKP", kid: "x", pub: "AA" }],
    ["other curves", { ...ec, crv: "secp256k1", kid: "x" }],
  ])("is taken without %s", (_, other) => {
    expect(keys({ ...ec, kid: "a" }, other)).toEqual([{ ...ec, kid: "a" }]);
  });

  it.each([[undefined], [null], [[]], ["{}"], [{}], [{ keys: {} }], [{ keys: null }]])("is not %j", (value) => {
    expect(readKeySet(value)).toEqual({ ok: false, problem: "is no key set: it has no list of keys" });
  });

  const d = { d: "c2VjcmV0" };
  it.each([
    ["no keys", [], "holds no public key that signatures could be verified with"],
    [
      "keys for other things alone",
      [{ ...rsa, use: "enc" }],
      "holds no public key that signatures could be verified with",
    ],
    ["a private RSA key", [{ ...rsa, ...d }], "key 0 is a private key; only public keys may be given"],
    ["half a private RSA key", [{ ...rsa, q: "AA" }], "key 0 is a private key; only public keys may be given"],
    ["a private EC key", [ec, { ...ec, ...d }], "key 1 is a private key; only public keys may be given"],
    ["a private key of another kind", [{ kty: "AKP", ...d }], "key 0 is a private key; only public keys may be given"],
    ["a shared secret", [{ kty: "oct", k: "AA" }], "key 0 is a shared secret; only public keys may be given"],
    ["a shared secret in disguise", [{ ...ec, k: "AA" }], "key 0 is a shared secret; only public keys may be given"],
    ["no object", ["key"], "key 0 is no object"],
    ["a number as id", [{ ...ec, kid: 1 }], "key 0 has a kid that is no short text"],
    ["a long id", [{ ...ec, kid: "k".repeat(257) }], "key 0 has a kid that is no short text"],
    ["a short modulus", [{ ...rsa, n: "AQAB" }], "key 0 has a member n of 24 bits, which is too short"],
    ["a huge modulus", [{ ...rsa, n: "A".repeat(1_368) }], "key 0 has a member n of 8208 bits, which is too long"],
    ["a text without end", [{ ...rsa, n: "A".repeat(100_000) }], "key 0 has a member n that is not base64url"],
    ["a point that is cut off", [{ ...ec, y: "AAAA" }], "key 0 has a member y of 24 bits, which is too short"],
    ["half a point", [{ ...ec, y: undefined }], "key 0 has a member y that is not base64url"],
    ["base64 that is not of URLs", [{ ...ec, x: "a+b/" }], "key 0 has a member x that is not base64url"],
    [
      "two keys of one id",
      [
        { ...ec, kid: "a" },
        { ...rsa, kid: "a" },
      ],
      'has two keys with the kid "a"',
    ],
    ["an id for some of its keys", [{ ...ec, kid: "a" }, rsa], "has several keys, of which one has no kid"],
    ["too many keys", Array.from({ length: 21 }, (_, i) => ({ ...ec, kid: String(i) })), "has 21 keys; 20 are allowed"],
  ])("is refused with %s", (_, given, text) => {
    expect(keys(...given)).toBe(text);
  });
});
