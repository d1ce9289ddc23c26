// A federated identity whose issuer's keys are pinned, so that no issuer has to be asked.
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { Api } from "../../e2e/support/api.ts";
import type { ApiRequest } from "../load.ts";

const ISSUER = "https://issuer.example.com";

/** Makes an identity. @returns requests that exchange a new token of its issuer */
export async function federatedIdentity(api: Api, apiUrl: string): Promise<() => Promise<ApiRequest>> {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const { id, audience } = await api.request<{ id: string; audience: string }>("POST", "/tailnet/-/keys", {
    keyType: "federated",
    scopes: ["devices:core:read"],
    issuer: ISSUER,
    subject: "bench",
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: "one", alg: "ES256" }] },
  });
  return async () => {
    const claims = new SignJWT({}).setProtectedHeader({ alg: "ES256", kid: "one" }).setIssuer(ISSUER);
    const jwt = await claims.setSubject("bench").setAudience(audience).setExpirationTime("5m").sign(privateKey);
    return {
      method: "POST",
      url: `${apiUrl}/oauth/token-exchange`,
      header: { "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ client_id: id, jwt }).toString(),
    };
  };
}
