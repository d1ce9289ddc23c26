// What administrators do to users (api-v2.md 2.9). Nobody acts on themselves, a tailnet never loses its owner, and an IT
// administrator has no power over those above.
import { type Change, type Decision, decided, refused } from "../../change.ts";
import type { Actor } from "../../entities/actor.ts";
import { isAdministrator, type User } from "../../entities/user.ts";
import type { Tailnet } from "../../tailnet.ts";

/** A change of a user. */
export type UserAction =
  | { readonly type: "role"; readonly role: User["role"] }
  | { readonly type: "suspend" }
  | { readonly type: "restore" }
  | { readonly type: "approve" }
  /** Removes the user with their devices, auth keys and API tokens; trust credentials belong to the tailnet and stay. */
  | { readonly type: "delete" };

/** Changes a user. Whoever makes another the owner is the owner, and becomes an administrator by it. */
export function changeUser(tailnet: Tailnet, user: User, action: UserAction, actor: Actor): Decision<null> {
  if (actor.kind === "user" && !mayActOn(actor.user, user, action)) return refused({ reason: "forbidden" });
  switch (action.type) {
    case "approve":
      return decided(null, user.isApproved ? [] : [{ type: "user-put", user: { ...user, isApproved: true } }]);
    case "restore":
      return decided(null, [{ type: "user-put", user: { ...user, isSuspended: false } }]);
    case "suspend":
      if (user.role === "owner") return refused({ reason: "invalid", detail: "the owner can not be suspended" });
      return decided(null, [{ type: "user-put", user: { ...user, isSuspended: true } }]);
    case "delete":
      if (user.role === "owner") return refused({ reason: "invalid", detail: "the owner can not be deleted" });
      return decided(null, removalOf(tailnet, user));
    case "role":
      return setRole(user, action.role, actor);
  }
}

/** The changes that approve everybody who waits. */
export function approvalOfAll(tailnet: Tailnet): Change[] {
  const waiting = [...tailnet.users.values()].filter(({ isApproved }) => !isApproved);
  return waiting.map((user) => ({ type: "user-put", user: { ...user, isApproved: true } }));
}

function mayActOn(actor: User, user: User, action: UserAction): boolean {
  if (actor.id === user.id) return false;
  if (actor.role !== "it-admin") return true;
  return !isAdministrator(user) && !(action.type === "role" && (action.role === "admin" || action.role === "owner"));
}

function removalOf(tailnet: Tailnet, { id }: User): Change[] {
  const isTheirs = ({ userId }: { readonly userId: number | null }) => userId === id;
  const nodes = [...tailnet.nodes.values()].filter(isTheirs);
  const keys = [...tailnet.authKeys.values()].filter(isTheirs);
  const tokens = [...tailnet.apiTokens.values()].filter(isTheirs);
  return [
    ...nodes.map((node): Change => ({ type: "node-removed", id: node.id })),
    ...keys.map((key): Change => ({ type: "auth-key-removed", id: key.id })),
    ...tokens.map((token): Change => ({ type: "api-token-removed", id: token.id })),
    { type: "user-removed", id },
  ];
}

function setRole(user: User, role: User["role"], actor: Actor): Decision<null> {
  if (user.role === "owner") {
    return refused({ reason: "invalid", detail: "the owner keeps the role until another user is made the owner" });
  }
  if (role !== "owner") return decided(null, [{ type: "user-put", user: { ...user, role } }]);
  if (actor.kind !== "user" || actor.user.role !== "owner") return refused({ reason: "forbidden" });
  if (user.isSuspended) return refused({ reason: "invalid", detail: "a suspended user can not be the owner" });
  if (!user.isApproved) return refused({ reason: "invalid", detail: "a user who waits can not be the owner" });
  return decided(null, [
    { type: "user-put", user: { ...actor.user, role: "admin" } },
    { type: "user-put", user: { ...user, role } },
  ]);
}
