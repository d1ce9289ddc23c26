// RS256 (RFC 7518 3.3) with node:crypto: the one signature algorithm that every OpenID Connect relying party takes. All of
// it is synchronous, so that a request inside Noise is answered in the turn of the event loop in which it arrived. Making
// a key takes about 130 ms of processor time, once in 90 days; a signature takes 1 ms (workerd of November 2026).
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";

/** The public half of a key, as key sets hold it. */
export interface PublicKey {
  readonly kty: "RSA";
  readonly n: string;
  readonly e: string;
}

/** Makes a key pair. @returns PKCS #8, base64 */
export function makeSigningKey(): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return Buffer.from(privateKey.export({ format: "der", type: "pkcs8" })).toString("base64");
}

/** The public half of a key pair. */
export function publicKeyOf(privateKey: string): PublicKey {
  const { n, e } = createPublicKey(keyObject(privateKey)).export({ format: "jwk" });
  if (n === undefined || e === undefined) throw new Error("stored identity key is damaged");
  return { kty: "RSA", n, e };
}

/** A JSON Web Token over the claims (RFC 7519, compact form). */
export function signToken(claims: object, { id, privateKey }: { readonly id: string; readonly privateKey: string }) {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${encode({ alg: "RS256", kid: id, typ: "JWT" })}.${encode(claims)}`;
  const signature = sign("sha256", Buffer.from(signed), keyObject(privateKey));
  return `${signed}.${Buffer.from(signature).toString("base64url")}`;
}

function keyObject(privateKey: string) {
  return createPrivateKey({ key: Buffer.from(privateKey, "base64"), format: "der", type: "pkcs8" });
}
