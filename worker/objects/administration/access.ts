// Who is there: API tokens, and the first administrator of a new tailnet.
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { bootstrap } from "../../tailnet/commands/manage-keys.ts";
import type { Actor } from "../../tailnet/entities/actor.ts";
import { matchesHash, splitToken } from "../../tailnet/entities/secret-token.ts";
import type { User } from "../../tailnet/entities/user.ts";
import type { ResourceContext } from "./resource-context.ts";

/** Authentication and bootstrap. */
export class Access {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** Who presents an API token; null when it is not valid. */
  authenticate(token: string): Actor | null {
    const parts = splitToken("api", token);
    const { tailnet } = this.#context;
    const stored = parts === undefined ? undefined : tailnet.apiTokens.get(parts.id);
    if (parts === undefined || stored === undefined || !matchesHash(parts.secret, stored.hash)) return null;
    if (stored.revokedAt !== null || stored.expiresAt <= Date.now()) return null;
    const user = tailnet.users.get(stored.userId);
    return user === undefined || user.isSuspended ? null : { kind: "user", user, tokenId: stored.id };
  }

  /** Makes the first administrator; works once. */
  bootstrap(loginName: string): Outcome<{ readonly user: User; readonly text: string }> {
    return this.#context.execute((tailnet, context) => bootstrap(tailnet, loginName, context));
  }
}
