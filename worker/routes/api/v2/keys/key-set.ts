// Key sets as callers give them, of issuers and of single federated identities.
import { z } from "@hono/zod-openapi";
import { readKeySet } from "../../../../protocol/jwk-set.ts";

/** A JSON Web Key Set of public keys. */
export const GivenKeySet = z
  .object({ keys: z.array(z.looseObject({ kty: z.string() })).min(1) })
  .superRefine((set, context) => {
    const read = readKeySet(set);
    if (!read.ok) context.addIssue({ code: "custom", message: read.problem });
  });

/** A set that was checked, as it is stored: what is not for signatures is left out. */
export function keySetText(set: z.infer<typeof GivenKeySet>): string {
  const read = readKeySet(set);
  if (!read.ok) throw new Error(`key set ${read.problem}`);
  return JSON.stringify(read.set);
}
