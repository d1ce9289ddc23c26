// Invites of people: make, withdraw, accept (api-v2.md 2.10). No mail is sent: whoever invites hands on the link.
//
// An invite for an address is an administrator's word about a person. One without an address can be handed on by anybody,
// so that whoever accepts it waits for approval where the tailnet wants users approved.
import { USER_INVITES_MAX } from "../../../protocol/limits.ts";
import { type Change, type Decision, decided, refused } from "../../change.ts";
import type { InvitedRole, UserInvite } from "../../entities/configuration/user-invite.ts";
import { USER_INVITE_LIFETIME_MS } from "../../entities/configuration/user-invite.ts";
import { hashSecret, matchesHash, randomText } from "../../entities/secret-token.ts";
import type { User } from "../../entities/user.ts";
import { type Tailnet, userByLogin } from "../../tailnet.ts";
import { createApiToken, createUser } from "../credentials/manage-keys.ts";
import type { CommandContext } from "../registration/place-node.ts";

/** What a caller says of an invite. */
export interface InviteSpec {
  readonly role: InvitedRole;
  /** Empty: for whoever holds the link. */
  readonly email: string;
}

/** An invite with the code of its link. */
export interface NewInvite {
  readonly invite: UserInvite;
  readonly code: string;
}

/** Makes invites, all or none. */
export function inviteUsers(
  tailnet: Tailnet,
  specs: readonly InviteSpec[],
  inviter: User,
  context: CommandContext,
): Decision<NewInvite[]> {
  if (tailnet.records["user-invites"].size + specs.length > USER_INVITES_MAX) {
    return refused({ reason: "invalid", detail: `at most ${USER_INVITES_MAX} open invites` });
  }
  for (const { email, role } of specs) {
    if (email !== "" && userByLogin(tailnet, email) !== undefined) {
      return refused({ reason: "conflict", detail: `${email} is a user already` });
    }
    if (role === "admin" && inviter.role === "it-admin") return refused({ reason: "forbidden" });
  }
  const made = specs.map((spec) => newInvite(spec, inviter, context));
  return decided(
    made,
    made.map(({ invite }) => put(invite)),
  );
}

/** Withdraws an invite. */
export function withdrawInvite(tailnet: Tailnet, id: string): Decision<null> {
  if (!tailnet.records["user-invites"].has(id)) return refused({ reason: "not-found", what: "invite" });
  return decided(null, [{ type: "record-removed", collection: "user-invites", id }]);
}

/** The open invite behind the code of a link. */
export function openInvite(tailnet: Tailnet, code: string, now: number): UserInvite | undefined {
  return [...tailnet.records["user-invites"].values()].find(
    (invite) => invite.expiresAt > now && matchesHash(code, invite.hash),
  );
}

/** Makes the user that an invite is for, with an API token to sign in by; an invite is good for one. */
export function acceptInvite(
  tailnet: Tailnet,
  code: string,
  loginName: string,
  context: CommandContext,
): Decision<{ readonly user: User; readonly text: string }> {
  const invite = openInvite(tailnet, code, context.now);
  if (invite === undefined) return refused({ reason: "not-found", what: "invite" });
  const made = createUser(tailnet, invite.email || loginName, invite.role, context);
  if (!made.ok) return made;
  const isApproved = invite.email !== "" || !tailnet.settings.isUserApprovalOn;
  const user: User = { ...made.result, isApproved };
  const token = createApiToken(user, "made with the invite", context);
  if (!token.ok) return token;
  const changes: Change[] = made.changes.map((change) => (change.type === "user-put" ? { ...change, user } : change));
  return decided({ user, text: token.result.text }, [
    { type: "record-removed", collection: "user-invites", id: invite.id, isAccepted: true },
    ...changes,
    ...token.changes,
  ]);
}

function newInvite({ role, email }: InviteSpec, inviter: User, { now, random }: CommandContext): NewInvite {
  const code = randomText(random, 32);
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = random(6);
  const id = String(((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f);
  const hash = hashSecret(code);
  const expiresAt = now + USER_INVITE_LIFETIME_MS;
  return { invite: { id, hash, role, email, inviterId: inviter.id, createdAt: now, expiresAt }, code };
}

function put(record: UserInvite): Change {
  return { type: "record-put", collection: "user-invites", record };
}
