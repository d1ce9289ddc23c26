// Trust credentials that prove themselves, and the access tokens that they are given (api-v2.md 1.4, 1.5). The Worker
// has verified the token of a federated identity's issuer.
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { refused } from "../../tailnet/change.ts";
import { issueAccessToken, type TokenRequest } from "../../tailnet/commands/credentials/issue-access-token.ts";
import type { Issuer } from "../../tailnet/entities/configuration/issuer.ts";
import { matchesHash, splitToken } from "../../tailnet/entities/secret-token.ts";
import type { Federation, TrustCredential } from "../../tailnet/entities/trust-credential.ts";
import { bareKeyId } from "./keys.ts";
import type { ResourceContext } from "./resource-context.ts";

/** An access token as it is handed out, this once. */
export interface IssuedToken {
  readonly text: string;
  readonly scopes: readonly string[];
  readonly lifetimeSeconds: number;
}

/** A federated identity, with all that a token is checked by. */
export interface FederatedIdentity {
  readonly federation: Federation;
  /** The issuer, if its keys are given to this server; null: they are pinned to the identity, or published. */
  readonly issuer: Issuer | null;
  /** Differs once a token might be judged otherwise. */
  readonly version: string;
}

/** OAuth clients and federated identities at the token endpoints. */
export class Credentials {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** Gives an OAuth client a token for its secret, whatever it calls itself; null: the secret proves nothing. */
  tokenForSecret(secret: string, request: Pick<TokenRequest, "scopes" | "tags">): Outcome<IssuedToken> | null {
    const parts = splitToken("client", secret);
    const credential = parts === undefined ? undefined : this.#context.tailnet.credentials.get(parts.id);
    if (parts === undefined || credential === undefined || credential.federation !== null) return null;
    if (credential.revokedAt !== null || !matchesHash(parts.secret, credential.hash)) return null;
    return this.#issue(credential, { ...request, description: "" });
  }

  /** The federated identity with a client id; null when there is none that can be used. */
  federatedIdentity(clientId: string): FederatedIdentity | null {
    const credential = this.#context.tailnet.credentials.get(bareKeyId(this.#context.tailnetId, clientId));
    if (credential?.federation == null || credential.revokedAt !== null) return null;
    const { federation, updatedAt } = credential;
    const issuers = [...this.#context.tailnet.records.issuers.values()];
    const issuer = federation.jwks === null ? issuers.find((known) => known.issuer === federation.issuer) : undefined;
    const version = JSON.stringify([updatedAt, issuer?.id, issuer?.keysChangedAt, issuer?.keysLifetimeMs]);
    return { federation, issuer: issuer ?? null, version };
  }

  /** Gives a federated identity a token for `subject`, if its rules are still those of `version`; null: they are not. */
  tokenForSubject(clientId: string, version: string, subject: string): Outcome<IssuedToken> | null {
    const id = bareKeyId(this.#context.tailnetId, clientId);
    const identity = this.federatedIdentity(id);
    const credential = this.#context.tailnet.credentials.get(id);
    if (identity === null || credential === undefined || identity.version !== version) return null;
    const description = `${subject} of ${identity.federation.issuer}`;
    return this.#issue(credential, { scopes: [], tags: [], description });
  }

  #issue(credential: TrustCredential, request: TokenRequest): Outcome<IssuedToken> {
    const outcome = this.#context.execute((tailnet, context) => {
      const present = tailnet.credentials.get(credential.id);
      if (present === undefined) return refused({ reason: "not-found", what: "key" });
      return issueAccessToken(tailnet, present, request, context);
    });
    if (!outcome.ok) return outcome;
    const { token, text } = outcome.result;
    const lifetimeSeconds = (token.expiresAt - token.createdAt) / 1_000;
    return { ok: true, result: { text, scopes: token.scopes, lifetimeSeconds } };
  }
}
