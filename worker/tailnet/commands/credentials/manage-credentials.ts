// OAuth clients and federated identities: make, replace, revoke (api-v2.md 1.6, 1.7, 2.7). Nobody can make a credential
// that may do more than its maker.
import { CREDENTIAL_MAX_LIST, CREDENTIAL_MAX_TEXT } from "../../../protocol/limits.ts";
import { type Change, type Decision, decided, refused } from "../../change.ts";
import type { Actor } from "../../entities/actor.ts";
import { covers, isScope, needsTags } from "../../entities/scopes.ts";
import { mintToken } from "../../entities/secret-token.ts";
import type { Federation, TrustCredential } from "../../entities/trust-credential.ts";
import type { Refusal } from "../../refusal.ts";
import { deniedTags } from "../../tag-authority.ts";
import type { Tailnet } from "../../tailnet.ts";
import type { CommandContext } from "../registration/place-node.ts";

/** What a credential shall be. */
export interface CredentialSpec {
  readonly description: string;
  readonly scopes: readonly string[];
  readonly tags: readonly string[];
  /** Null: an OAuth client. An empty audience means the one that the identity's own id makes. */
  readonly federation: Federation | null;
}

/** A credential with its secret, which is not stored; empty for federated identities. */
export interface NewCredential {
  readonly credential: TrustCredential;
  readonly text: string;
}

/** Makes a credential. `audienceOf` makes the audience of a federated identity that names none. */
export function createCredential(
  tailnet: Tailnet,
  spec: CredentialSpec,
  audienceOf: (id: string) => string,
  context: CommandContext,
): Decision<NewCredential> {
  const problem = problemOf(tailnet, spec, context.actor);
  if (problem !== undefined) return refused(problem);
  const { id, text, hash } = mintToken("client", context.random);
  const { description, scopes, tags, federation } = spec;
  const credential: TrustCredential = {
    id,
    hash: federation === null ? hash : "",
    description,
    scopes,
    tags,
    userId: context.actor.kind === "user" ? context.actor.user.id : null,
    createdAt: context.now,
    updatedAt: null,
    revokedAt: null,
    federation: federation && { ...federation, audience: federation.audience || audienceOf(id) },
  };
  return decided({ credential, text: federation === null ? text : "" }, [{ type: "credential-put", credential }]);
}

/** Replaces what a credential may do, at once for the tokens that it was given. Its kind stays. */
export function replaceCredential(
  tailnet: Tailnet,
  id: string,
  spec: CredentialSpec,
  context: CommandContext,
): Decision<TrustCredential> {
  const before = tailnet.credentials.get(id);
  if (before === undefined) return refused({ reason: "not-found", what: "key" });
  if (before.revokedAt !== null) return refused({ reason: "invalid", detail: "key has been revoked" });
  if ((before.federation === null) !== (spec.federation === null)) {
    return refused({ reason: "invalid", detail: "keyType can not be changed" });
  }
  if (context.actor.kind === "credential" && isPublisher(tailnet, id)) return refused({ reason: "forbidden" });
  const problem = problemOf(tailnet, spec, context.actor);
  if (problem !== undefined) return refused(problem);
  const { description, scopes, tags, federation } = spec;
  const audience = federation?.audience || (before.federation?.audience ?? "");
  const credential: TrustCredential = {
    ...before,
    description,
    scopes,
    tags,
    updatedAt: context.now,
    federation: federation && { ...federation, audience },
  };
  return decided(credential, [{ type: "credential-put", credential }]);
}

/** What revoking a credential does: its tokens end with it. */
export function revocationOf(tailnet: Tailnet, credential: TrustCredential, now: number): readonly Change[] {
  const tokens = [...tailnet.accessTokens.values()].filter(({ credentialId }) => credentialId === credential.id);
  const revoked: Change = {
    type: "credential-put",
    credential: { ...credential, revokedAt: credential.revokedAt ?? now },
  };
  return [revoked, ...tokens.map(({ id }): Change => ({ type: "access-token-removed", id }))];
}

function problemOf(tailnet: Tailnet, spec: CredentialSpec, actor: Actor): Refusal | undefined {
  const { scopes, tags, federation } = spec;
  if (scopes.length === 0) return invalid("at least one scope is required");
  if (scopes.length > CREDENTIAL_MAX_LIST || tags.length > CREDENTIAL_MAX_LIST)
    return invalid("too many scopes or tags");
  const unknown = scopes.find((scope) => !isScope(scope));
  if (unknown !== undefined) return invalid(`unknown scope "${unknown.slice(0, 64)}"`);
  if (needsTags(scopes) && tags.length === 0)
    return invalid("the scopes auth_keys and devices:core need at least one tag");
  if (actor.kind === "credential" && !covers(actor.scopes, scopes)) return { reason: "forbidden" };
  const denied = deniedTags(tailnet, actor, tags);
  if (denied.length > 0) return { reason: "tags-not-permitted", tags: denied };
  return federation === null ? undefined : federationProblem(federation);
}

function federationProblem({ issuer, subject, audience, customClaimRules }: Federation): Refusal | undefined {
  const texts = [issuer, subject, audience, ...Object.entries(customClaimRules).flat()];
  if (texts.some((text) => text.length > CREDENTIAL_MAX_TEXT))
    return invalid("issuer, subject, audience or claim rule is too long");
  if (Object.keys(customClaimRules).length > CREDENTIAL_MAX_LIST) return invalid("too many claim rules");
  const problem = issuerProblem(issuer);
  if (problem !== undefined) return problem;
  if (subject === "") return invalid("subject is required");
  const reserved = Object.keys(customClaimRules).find((claim) => ["sub", "iss", "aud"].includes(claim));
  return reserved === undefined ? undefined : invalid(`customClaimRules: "${reserved}" has a field of its own`);
}

/** What is wrong with the name of an issuer. */
export function issuerProblem(issuer: string): Refusal | undefined {
  if (issuer.length > CREDENTIAL_MAX_TEXT) return invalid("issuer is too long");
  return /^https:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/.test(issuer) ? undefined : invalid("issuer must be an https URL");
}

/** Whether a credential may set keys of an issuer. One who replaces it could stand in for each subject of that issuer. */
function isPublisher(tailnet: Tailnet, id: string): boolean {
  return [...tailnet.records.issuers.values()].some(({ publishers }) => publishers.includes(id));
}

function invalid(detail: string): Refusal {
  return { reason: "invalid", detail };
}
