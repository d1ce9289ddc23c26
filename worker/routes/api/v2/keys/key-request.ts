// What callers want of new keys, in the words of the domain (api-v2.md 2.7).
import type { z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import type { CredentialSpec } from "../../../../tailnet/commands/credentials/manage-credentials.ts";
import type { AuthKeySpec } from "../../../../tailnet/commands/credentials/manage-keys.ts";
import type { Federation } from "../../../../tailnet/entities/trust-credential.ts";
import { AUTH_KEY_MAX_SECONDS, type CreateKeyRequest, type ReplaceKeyRequest } from "./key-schema.ts";
import { keySetText } from "./key-set.ts";

/** The auth key that a request asks for. @throws HTTPException 400 */
export function authKeySpecOf(request: z.infer<typeof CreateKeyRequest>): AuthKeySpec {
  const devices = request.capabilities?.devices;
  if (devices === undefined) throw new HTTPException(400, { message: "capabilities.devices: required" });
  return {
    isReusable: devices.create?.reusable ?? false,
    isEphemeral: devices.create?.ephemeral ?? false,
    isPreauthorized: devices.create?.preauthorized ?? false,
    tags: devices.create?.tags ?? [],
    lifetimeMs: (request.expirySeconds || AUTH_KEY_MAX_SECONDS) * 1000,
    description: request.description ?? "",
  };
}

/** The OAuth client or federated identity that a request asks for. */
export function credentialSpecOf(
  kind: "client" | "federated",
  request: Pick<
    z.infer<typeof ReplaceKeyRequest>,
    "description" | "scopes" | "tags" | "issuer" | "subject" | "audience" | "customClaimRules" | "jwks"
  >,
): CredentialSpec {
  return {
    description: request.description ?? "",
    scopes: [...new Set(request.scopes ?? [])],
    tags: [...new Set(request.tags ?? [])],
    federation: kind === "client" ? null : federationOf(request),
  };
}

function federationOf(request: Parameters<typeof credentialSpecOf>[1]): Federation {
  return {
    issuer: request.issuer ?? "",
    subject: request.subject ?? "",
    audience: request.audience ?? "",
    customClaimRules: request.customClaimRules ?? {},
    jwks: request.jwks ? keySetText(request.jwks) : null,
  };
}
