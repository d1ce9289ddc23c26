// Whether a token of another issuer proves a federated identity (api-v2.md 1.5): signature by a key of the issuer, and
// each rule of the identity. Every rule must hold; the problem that is told names the first that does not, never what the
// rule wants.
import { decodeJwt, errors, type JWTPayload, jwtVerify } from "jose";
import type { FederatedIdentity } from "../../../../objects/administration/credentials.ts";
import { type Federation, matchesPattern } from "../../../../tailnet/entities/trust-credential.ts";
import { givenKeys, type IssuerKeys, pinnedKeys } from "./issuer-keys.ts";

/** Asymmetric algorithms alone: with another, a public key could serve as a shared secret. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
const LEEWAY_SECONDS = 60;

/** Whom a token is about, or why it proves nothing. */
export type Verification =
  | { readonly ok: true; readonly subject: string }
  | { readonly ok: false; readonly problem: string };

/** Verifies a token by the rules of a federated identity. */
export async function verifyIdentityToken(
  { federation, issuer }: Pick<FederatedIdentity, "federation" | "issuer">,
  token: string,
  issuerKeys: IssuerKeys,
  now = new Date(Date.now()),
): Promise<Verification> {
  const claimed = issuerOf(token);
  if (claimed === undefined) return problem("jwt: malformed");
  if (claimed !== federation.issuer) return problem("jwt: unexpected issuer");
  try {
    // The keys of a foreign issuer are never fetched: its name has been compared before.
    const foreign = () => (issuer === null ? issuerKeys.of(federation.issuer) : givenKeys(issuer, now.getTime()));
    const keys = federation.jwks === null ? foreign() : pinnedKeys(federation.jwks);
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ALGORITHMS,
      issuer: federation.issuer,
      audience: federation.audience,
      requiredClaims: ["exp", "sub"],
      clockTolerance: LEEWAY_SECONDS,
      currentDate: now,
    });
    return rulesOf(federation, payload, now);
  } catch (error) {
    return problem(`jwt: ${describe(error)}`);
  }
}

function rulesOf(federation: Federation, payload: JWTPayload, now: Date): Verification {
  const subject = payload.sub ?? "";
  if (payload.iat !== undefined && payload.iat * 1000 > now.getTime() + LEEWAY_SECONDS * 1000) {
    return problem("jwt: issued in the future");
  }
  if (!matchesPattern(federation.subject, subject)) return problem("jwt: subject does not match");
  const unmet = Object.entries(federation.customClaimRules).find(([claim, pattern]) => {
    return !Object.hasOwn(payload, claim) || !claimMatches(payload[claim], pattern);
  });
  return unmet === undefined ? { ok: true, subject } : problem(`jwt: claim "${unmet[0]}" does not match`);
}

/** Texts match as they are, numbers and truth values by their JSON, lists by any of their items; objects never. */
function claimMatches(value: unknown, pattern: string): boolean {
  if (Array.isArray(value)) return value.some((item) => !Array.isArray(item) && claimMatches(item, pattern));
  if (typeof value === "string") return matchesPattern(pattern, value);
  return (typeof value === "number" || typeof value === "boolean") && matchesPattern(pattern, JSON.stringify(value));
}

function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss ?? "";
  } catch {
    return undefined;
  }
}

function describe(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JWTClaimValidationFailed) return `claim "${error.claim}" is missing or not as it must be`;
  if (error instanceof errors.JWKSNoMatchingKey) return "signed by an unknown key";
  if (error instanceof errors.JOSEAlgNotAllowed) return "algorithm is not allowed";
  if (error instanceof errors.JOSEError) return "signature or form is invalid";
  return error instanceof Error ? error.message : "can not be verified";
}

function problem(text: string): Verification {
  return { ok: false, problem: text };
}
