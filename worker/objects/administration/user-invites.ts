// Invites of people (api-v2.md 2.10). The code of a link leaves when it is made, and never again.
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { refused } from "../../tailnet/change.ts";
import { type InviteSpec, inviteUsers, withdrawInvite } from "../../tailnet/commands/users/invite-users.ts";
import type { UserInvite } from "../../tailnet/entities/configuration/user-invite.ts";
import type { ResourceContext } from "./resource-context.ts";

/** An invite without the hash of its code; the code is there when it has just been made. */
export type UserInviteRecord = Omit<UserInvite, "hash"> & { readonly code?: string };

/** The open invites of a tailnet. */
export class UserInvites {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** All open invites, oldest first. */
  list(): UserInviteRecord[] {
    return [...this.#context.tailnet.records["user-invites"].values()].filter(isOpen).map(withoutHash);
  }

  /** One open invite. */
  get(id: string): UserInviteRecord | null {
    return this.list().find((invite) => invite.id === id) ?? null;
  }

  /** Makes invites, all or none, in the name of the user who asks. */
  create(specs: readonly InviteSpec[]): Outcome<UserInviteRecord[]> {
    const outcome = this.#context.execute((tailnet, context) =>
      context.actor.kind === "user"
        ? inviteUsers(tailnet, specs, context.actor.user, context)
        : refused({ reason: "forbidden" }),
    );
    if (!outcome.ok) return outcome;
    return { ok: true, result: outcome.result.map(({ invite, code }) => ({ ...withoutHash(invite), code })) };
  }

  /** Withdraws an invite. */
  remove(id: string): Outcome<null> {
    return this.#context.execute((tailnet) => withdrawInvite(tailnet, id));
  }
}

function isOpen({ expiresAt }: UserInvite): boolean {
  return expiresAt > Date.now();
}

function withoutHash({ hash: _hash, ...invite }: UserInvite): UserInviteRecord {
  return invite;
}
