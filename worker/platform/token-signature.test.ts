import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { expect, it } from "vitest";
import { makeSigningKey, publicKeyOf, signToken } from "./token-signature.ts";

it("makes tokens that jose verifies by the published key, and by no other", async () => {
  const [key, other] = [makeSigningKey(), makeSigningKey()].map((privateKey, i) => ({ id: `k${i}`, privateKey }));
  if (key === undefined || other === undefined) throw new Error("unreachable");
  const token = signToken({ sub: "a.tail.example", note: "ü€" }, key);
  expect(decodeProtectedHeader(token)).toEqual({ alg: "RS256", kid: "k0", typ: "JWT" });
  const setOf = (made: typeof key) =>
    createLocalJWKSet({ keys: [{ ...publicKeyOf(made.privateKey), kid: "k0", alg: "RS256", use: "sig" }] });
  const { payload } = await jwtVerify(token, setOf(key), { algorithms: ["RS256"] });
  expect(payload).toEqual({ sub: "a.tail.example", note: "ü€" });
  await expect(jwtVerify(token, setOf(other))).rejects.toThrow("signature verification failed");
});

it("publishes nothing of the private half", () => {
  expect(Object.keys(publicKeyOf(makeSigningKey())).sort()).toEqual(["e", "kty", "n"]);
});
