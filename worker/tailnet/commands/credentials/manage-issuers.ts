// Issuers whose keys are given to this server (docs/federation.md): administrators say which there are and who may set
// their keys; those set them. No program can make itself one of them.
import { ISSUERS_MAX } from "../../../protocol/limits.ts";
import { type Decision, decided, refused } from "../../change.ts";
import type { Issuer } from "../../entities/configuration/issuer.ts";
import { randomText } from "../../entities/secret-token.ts";
import type { Refusal } from "../../refusal.ts";
import type { Tailnet } from "../../tailnet.ts";
import type { CommandContext } from "../registration/place-node.ts";
import { issuerProblem } from "./manage-credentials.ts";

const HOUR_MS = 3_600_000;
/** Bounds of the life of keys that are not set again. */
export const KEYS_LIFETIME_MS = { min: HOUR_MS, usual: 7 * 24 * HOUR_MS, max: 90 * 24 * HOUR_MS } as const;

/** What an administrator says of an issuer. */
export type IssuerSpec = Pick<Issuer, "issuer" | "publishers" | "keysLifetimeMs" | "jwks">;

/** Makes an issuer. From now on identities of it are believed by the keys that are set, and by no others. */
export function createIssuer(
  tailnet: Tailnet,
  spec: IssuerSpec,
  { actor, now, random }: CommandContext,
): Decision<Issuer> {
  if (actor.kind !== "user") return refused({ reason: "forbidden" });
  const known = [...tailnet.records.issuers.values()];
  if (known.some(({ issuer }) => issuer === spec.issuer)) {
    return refused({ reason: "conflict", detail: "the issuer exists already" });
  }
  if (known.length >= ISSUERS_MAX) return refused({ reason: "invalid", detail: "too many issuers" });
  const problem = issuerProblem(spec.issuer) ?? publishersProblem(tailnet, spec.publishers);
  if (problem !== undefined) return refused(problem);
  const setAt = spec.jwks === null ? null : now;
  const id = `i${randomText(random, 11)}CNTRL`;
  return put({ id, ...spec, createdAt: now, keysChangedAt: setAt, keysConfirmedAt: setAt });
}

/** Changes who may set the keys, and how long they last; what is absent stays. */
export function updateIssuer(
  tailnet: Tailnet,
  id: string,
  spec: Partial<Pick<Issuer, "publishers" | "keysLifetimeMs">>,
  { actor }: CommandContext,
): Decision<Issuer> {
  if (actor.kind !== "user") return refused({ reason: "forbidden" });
  const known = tailnet.records.issuers.get(id);
  if (known === undefined) return unknown();
  const problem = spec.publishers && publishersProblem(tailnet, spec.publishers);
  return problem === undefined ? put({ ...known, ...spec }) : refused(problem);
}

/** Sets the keys of an issuer, all of them; the same ones again are good for longer. */
export function setIssuerKeys(tailnet: Tailnet, id: string, jwks: string, context: CommandContext): Decision<Issuer> {
  const { actor, now } = context;
  const known = tailnet.records.issuers.get(id);
  if (known === undefined) return unknown();
  const isAllowed =
    actor.kind === "user" || (actor.kind === "credential" && known.publishers.includes(actor.credentialId));
  if (!isAllowed) return refused({ reason: "forbidden" });
  const keysChangedAt = known.jwks === jwks ? known.keysChangedAt : now;
  return put({ ...known, jwks, keysChangedAt, keysConfirmedAt: now });
}

/** Removes an issuer: its identities are believed by what it publishes again, if that can be reached. */
export function deleteIssuer(tailnet: Tailnet, id: string, { actor }: CommandContext): Decision<null> {
  if (actor.kind !== "user") return refused({ reason: "forbidden" });
  if (!tailnet.records.issuers.has(id)) return unknown();
  return decided(null, [{ type: "record-removed", collection: "issuers", id }]);
}

function publishersProblem(tailnet: Tailnet, publishers: readonly string[]): Refusal | undefined {
  const missing = publishers.find((id) => tailnet.credentials.get(id)?.revokedAt !== null);
  if (missing === undefined) return undefined;
  const detail = `publishers: ${JSON.stringify(missing.slice(0, 64))} is no OAuth client or federated identity`;
  return { reason: "invalid", detail };
}

function unknown() {
  return refused({ reason: "not-found", what: "issuer" });
}

function put(record: Issuer): Decision<Issuer> {
  return decided(record, [{ type: "record-put", collection: "issuers", record }]);
}
