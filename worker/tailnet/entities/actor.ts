// Who acts on a tailnet. An actor travels with every command: it decides which tags may be given, owns what is made, and
// stands in the audit log. Plain data, because it crosses the boundary between Worker and object.
import type { NodeKey } from "../../protocol/keys.ts";
import type { User } from "./user.ts";

/** A person. */
export interface UserActor {
  readonly kind: "user";
  readonly user: User;
  /** API token that the person used; null: came by a login page. */
  readonly tokenId: string | null;
}

/** A program that holds a token which an OAuth client or a federated identity was given. */
export interface CredentialActor {
  readonly kind: "credential";
  readonly type: "client" | "federated";
  /** Key id of the OAuth client or federated identity. */
  readonly credentialId: string;
  readonly description: string;
  readonly tokenId: string;
  /** Scopes that the token and its credential both hold. */
  readonly scopes: readonly string[];
  /** Tags that the token and its credential both hold, sorted. */
  readonly tags: readonly string[];
}

/** The control plane itself: deadlines, bootstrap, callers who have not yet said who they are. */
interface TailnetActor {
  readonly kind: "tailnet";
}

/** A node that speaks for itself; its record may be made by the very command. */
interface NodeActor {
  readonly kind: "node";
  readonly nodeKey: NodeKey;
}

/** Who acts. */
export type Actor = UserActor | CredentialActor | TailnetActor | NodeActor;

/** The control plane itself. */
export const TAILNET_ACTOR: Actor = { kind: "tailnet" };

/** A person at a login page, or whose token is of no importance. */
export function actorOf(user: User): UserActor {
  return { kind: "user", user, tokenId: null };
}

/** How an actor is named beside what it did: a login name, a key id, or nothing. */
export function loginNameOf(actor: Actor): string {
  if (actor.kind === "user") return actor.user.loginName;
  return actor.kind === "credential" ? actor.credentialId : "";
}
