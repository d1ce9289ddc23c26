// What login pages ask: who sits at a browser, and registrations that wait for a person (control-protocol.md 4.6).
import { randomBytes } from "../../platform/random.ts";
import type { Outcome } from "../../runtime/tailnet-runtime.ts";
import { approveSSHCheck, denySSHCheck, waitingSSHCheck } from "../../tailnet/commands/nodes/check-ssh.ts";
import { approveLogin, denyLogin, waiting } from "../../tailnet/commands/registration/decide-login.ts";
import { acceptInvite, openInvite } from "../../tailnet/commands/users/invite-users.ts";
import type { UserInvite } from "../../tailnet/entities/configuration/user-invite.ts";
import type { Node, NodeId } from "../../tailnet/entities/node.ts";
import type { PendingRegistration } from "../../tailnet/entities/pending-registration.ts";
import type { User } from "../../tailnet/entities/user.ts";
import {
  equalInConstantTime,
  formToken,
  type LoginSession,
  newSession,
  openSession,
  sealSession,
  startedAt,
} from "./login-session.ts";
import type { ResourceContext } from "./resource-context.ts";

/** What a login page needs to know of the browser that asks for it. */
export interface Visit {
  /** Who signed in; null: nobody. */
  readonly user: User | null;
  /** When the session began; with a user, when they signed in. */
  readonly signedInAt: number;
  /** Value for the session cookie. */
  readonly cookie: string;
  /** Token that the page's forms must carry. */
  readonly formToken: string;
}

/** What a page shows of a login over SSH. */
export interface SSHCheckView {
  readonly id: string;
  /** Who must confirm it. */
  readonly userId: number;
  readonly localUser: string;
  readonly createdAt: number;
  /** Names of the nodes. */
  readonly source: string;
  readonly destination: string;
}

/** What a page shows of an invite. */
export interface InviteView extends Pick<UserInvite, "role" | "email"> {
  /** Login name of who made it; a word when they are gone. */
  readonly inviter: string;
}

/** Browsers and the registrations that are decided at them. */
export class Logins {
  readonly #context: ResourceContext;

  constructor(context: ResourceContext) {
    this.#context = context;
  }

  /** The browser that holds a session cookie; one without a valid cookie gets a new session. */
  visit(cookie: string): Visit {
    const now = Date.now();
    const session = openSession(this.#context.sessionKey(), cookie, now) ?? newSession(null, now, randomBytes);
    const user = session.userId === null ? undefined : this.#context.tailnet.users.get(session.userId);
    if (session.userId === null || (user !== undefined && !user.isSuspended))
      return this.#visitOf(session, user ?? null);
    return this.#visitOf(newSession(null, now, randomBytes), null);
  }

  /** The browser that sent a form; null when the form was not made for its session. */
  submission(cookie: string, token: string): Visit | null {
    const visit = this.visit(cookie);
    return equalInConstantTime(token, visit.formToken) ? visit : null;
  }

  /** Signs a user in. @returns value for the session cookie */
  signIn(user: User): string {
    return sealSession(this.#context.sessionKey(), newSession(user.id, Date.now(), randomBytes));
  }

  /** The open invite behind the code of a link; null when it is unknown or over. */
  invite(code: string): InviteView | null {
    const { tailnet } = this.#context;
    const invite = openInvite(tailnet, code, Date.now());
    if (invite === undefined) return null;
    const { role, email, inviterId } = invite;
    return { role, email, inviter: tailnet.users.get(inviterId)?.loginName ?? "an administrator" };
  }

  /** Makes the user that an invite is for, with an API token. */
  acceptInvite(code: string, loginName: string): Outcome<{ readonly user: User; readonly text: string }> {
    return this.#context.execute((tailnet, context) => acceptInvite(tailnet, code, loginName, context));
  }

  /** A registration that waits for a person; null when it is unknown or over. */
  pendingRegistration(id: string): PendingRegistration | null {
    return waiting(this.#context.tailnet, id, Date.now()) ?? null;
  }

  /** Approves a registration as `user`. */
  approve(pendingId: string, user: User): Outcome<Node> {
    return this.#context.execute((tailnet, context) => approveLogin(tailnet, pendingId, user, context));
  }

  /** Denies a registration. */
  deny(pendingId: string, user: User): Outcome<null> {
    return this.#context.execute((tailnet, context) => denyLogin(tailnet, pendingId, user, context));
  }

  /** A login over SSH that waits to be confirmed; null when it is unknown or over. */
  sshCheck(id: string): SSHCheckView | null {
    const { tailnet } = this.#context;
    const check = waitingSSHCheck(tailnet, id, Date.now());
    if (check === undefined) return null;
    const nameOf = (node: NodeId) => tailnet.nodes.get(node)?.name ?? "a device that is gone";
    const { userId, localUser, createdAt, sourceId, destinationId } = check;
    return { id, userId, localUser, createdAt, source: nameOf(sourceId), destination: nameOf(destinationId) };
  }

  /** Confirms a login over SSH as the person of a visit. */
  approveSSHCheck(id: string, user: User, signedInAt: number): Outcome<null> {
    return this.#context.execute((tailnet, { now }) => approveSSHCheck(tailnet, id, { user, signedInAt }, now));
  }

  /** Turns a login over SSH down. */
  denySSHCheck(id: string, user: User): Outcome<null> {
    return this.#context.execute((tailnet, { now }) => denySSHCheck(tailnet, id, user, now));
  }

  #visitOf(session: LoginSession, user: User | null): Visit {
    const key = this.#context.sessionKey();
    return {
      user,
      signedInAt: startedAt(session),
      cookie: sealSession(key, session),
      formToken: formToken(key, session),
    };
  }
}
