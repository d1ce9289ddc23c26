// Gives a trust credential that has proved itself an access token for an hour (api-v2.md 1.4, 1.5). Tokens that are over
// go when a new one is made, so that there are never many more than are in use.
import { type Change, type Decision, decided, refused } from "../../change.ts";
import { covers, isScope } from "../../entities/scopes.ts";
import { mintToken } from "../../entities/secret-token.ts";
import { ACCESS_TOKEN_LIFETIME_MS, type AccessToken, type TrustCredential } from "../../entities/trust-credential.ts";
import type { Tailnet } from "../../tailnet.ts";
import type { CommandContext } from "../registration/place-node.ts";

/** What a token shall be good for. */
export interface TokenRequest {
  /** A subset of the credential's scopes; empty: all of them. */
  readonly scopes: readonly string[];
  /** A subset of the credential's tags; empty: all of them. */
  readonly tags: readonly string[];
  /** Whom a federated identity's token was for. */
  readonly description: string;
}

/** Makes an access token; the result holds its text, which is not stored. */
export function issueAccessToken(
  tailnet: Tailnet,
  credential: TrustCredential,
  request: TokenRequest,
  { now, random }: CommandContext,
): Decision<{ readonly token: AccessToken; readonly text: string }> {
  const ungranted = request.scopes.filter((scope) => !isScope(scope) || !covers(credential.scopes, [scope]));
  if (ungranted.length > 0) return refused({ reason: "scopes-not-granted", scopes: ungranted });
  const denied = request.tags.filter((tag) => !credential.tags.includes(tag));
  if (denied.length > 0) return refused({ reason: "tags-not-permitted", tags: denied });
  const { id, text, hash } = mintToken("api", random);
  const token: AccessToken = {
    id,
    hash,
    credentialId: credential.id,
    description: request.description,
    scopes: request.scopes.length > 0 ? request.scopes : credential.scopes,
    tags: request.tags.length > 0 ? request.tags : credential.tags,
    createdAt: now,
    expiresAt: now + ACCESS_TOKEN_LIFETIME_MS,
    revokedAt: null,
  };
  const over = [...tailnet.accessTokens.values()].filter(({ expiresAt }) => expiresAt <= now);
  const removed = over.map(({ id: old }): Change => ({ type: "access-token-removed", id: old }));
  return decided({ token, text }, [...removed, { type: "access-token-put", token }]);
}
