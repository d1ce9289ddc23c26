// Shapes of the key endpoints (api-v2.md 2.7). Each kind of key has exactly its own fields: clients compare whole records.
import { z } from "@hono/zod-openapi";
import type { KeyRecord } from "../../../../objects/administration/key-record.ts";
import { formatTime } from "../../../../protocol/control/json.ts";
import { CREDENTIAL_MAX_LIST, NODE_MAX_TAGS } from "../../../../protocol/limits.ts";
import { AUTH_KEY_MAX_MS } from "../../../../tailnet/commands/credentials/manage-keys.ts";

import { GivenKeySet } from "./key-set.ts";

/** Longest life of an auth key, and that of one that asks for none. */
export const AUTH_KEY_MAX_SECONDS = AUTH_KEY_MAX_MS / 1000;

const time = z.string().openapi({ format: "date-time" });
const strings = z.array(z.string()).readonly();

const Create = z.object({
  reusable: z.boolean().nullish(),
  ephemeral: z.boolean().nullish(),
  preauthorized: z.boolean().nullish(),
  tags: z.array(z.string()).max(NODE_MAX_TAGS).nullish(),
});

const credentialFields = {
  scopes: z.array(z.string()).max(CREDENTIAL_MAX_LIST).nullish(),
  tags: z.array(z.string()).max(CREDENTIAL_MAX_LIST).nullish(),
  issuer: z.string().nullish(),
  subject: z.string().nullish().openapi({ description: "Pattern; `*` stands for any run of characters." }),
  audience: z.string().nullish().openapi({ description: "Empty: `<API host>/<id of the key>`." }),
  customClaimRules: z.record(z.string(), z.string()).nullish(),
  jwks: GivenKeySet.nullish().openapi({
    description: "Public keys of an issuer that this server can not reach; an addition of flarescale.",
  }),
};

// Patterns with classes of Unicode mean different things to different readers of the description, so it tells in words.
const WORDS = "at most 50 letters, digits, blanks and hyphens";
const description = z
  .string()
  .max(50, WORDS)
  .refine((text) => /^[\p{L}\p{N} -]*$/u.test(text), WORDS)
  .nullish()
  .openapi({ description: "Letters, digits, blanks and hyphens." });

/** What a new key shall be. */
export const CreateKeyRequest = z.object({
  keyType: z.enum(["auth", "client", "api", "federated"]).nullish().openapi({ description: "Absent: `auth`." }),
  capabilities: z
    .object({ devices: z.object({ create: Create.nullish() }) })
    .nullish()
    .openapi({ description: "Of auth keys, which need it." }),
  expirySeconds: z
    .number()
    .int()
    .min(0)
    .max(AUTH_KEY_MAX_SECONDS)
    .nullish()
    .openapi({ description: "Of auth keys. 0: 90 days." }),
  description,
  ...credentialFields,
});

/** What an OAuth client or federated identity shall be from now on. */
export const ReplaceKeyRequest = z.object({
  keyType: z.enum(["client", "federated", "auth", "api"]),
  description,
  ...credentialFields,
});

/** A key. */
export const KeySchema = z
  .object({
    id: z.string(),
    keyType: z.enum(["auth", "api", "client", "federated"]),
    key: z.string().optional().openapi({ description: "The key itself; shown once, when it is made." }),
    description: z.string().optional(),
    expirySeconds: z.number().int().optional(),
    created: time,
    updated: time.optional(),
    expires: time.optional(),
    revoked: time.optional(),
    invalid: z.boolean().optional(),
    capabilities: z
      .object({
        devices: z.object({
          create: z.object({
            reusable: z.boolean(),
            ephemeral: z.boolean(),
            preauthorized: z.boolean(),
            tags: strings.optional(),
          }),
        }),
      })
      .optional(),
    scopes: strings.optional(),
    tags: strings.optional(),
    userId: z.string().optional(),
    audience: z.string().optional(),
    issuer: z.string().optional(),
    subject: z.string().optional(),
    customClaimRules: z.record(z.string(), z.string()).optional(),
    jwks: z.object({ keys: z.array(z.unknown()) }).optional(),
  })
  .openapi("Key");

/** A key as it is shown. */
export type Key = z.infer<typeof KeySchema>;

/** A key as the API shows it; `tailnetId` is part of the id of federated identities. */
export function toKey(key: KeyRecord, tailnetId: string): Key {
  return {
    id: key.kind === "federated" ? `${tailnetId}-${key.id}` : key.id,
    keyType: key.kind === "access" ? "api" : key.kind,
    ...(key.description !== "" && { description: key.description }),
    created: formatTime(key.createdAt),
    ...(key.revokedAt !== null && { revoked: formatTime(key.revokedAt) }),
    ...(!key.isActive && { invalid: true }),
    ...(key.ownerId !== null && { userId: key.ownerId }),
    ...detailsOf(key),
  };
}

function detailsOf(key: KeyRecord): Partial<Key> {
  switch (key.kind) {
    case "auth": {
      const { isReusable: reusable, isEphemeral: ephemeral, isPreauthorized: preauthorized, tags } = key;
      const create = { reusable, ephemeral, preauthorized, ...(tags.length > 0 && { tags }) };
      return { ...lifeOf(key), capabilities: { devices: { create } } };
    }
    case "api":
      return lifeOf(key);
    case "access":
      return { ...lifeOf(key), ...grantsOf(key) };
    case "client":
    case "federated":
      return {
        ...grantsOf(key),
        ...(key.updatedAt !== null && { updated: formatTime(key.updatedAt) }),
        ...federationOf(key),
      };
  }
}

function lifeOf({ createdAt, expiresAt }: { createdAt: number; expiresAt: number }): Partial<Key> {
  return { expirySeconds: Math.round((expiresAt - createdAt) / 1000), expires: formatTime(expiresAt) };
}

function grantsOf({ scopes, tags }: { scopes: readonly string[]; tags: readonly string[] }): Partial<Key> {
  return { scopes, ...(tags.length > 0 && { tags }) };
}

function federationOf({ federation }: KeyRecord & { readonly kind: "client" | "federated" }): Partial<Key> {
  if (federation === null) return {};
  const { jwks, customClaimRules, ...rules } = federation;
  return {
    ...rules,
    customClaimRules: { ...customClaimRules },
    ...(jwks !== null && { jwks: JSON.parse(jwks) as { keys: unknown[] } }),
  };
}
