// What administrators do to users (api-v2.md 2.9). Nobody acts on themselves, and a tailnet never loses its owner.
import { type Decision, decided, refused } from "../../change.ts";
import type { Actor } from "../../entities/actor.ts";
import type { User } from "../../entities/user.ts";

/** A change of a user. */
export type UserAction =
  | { readonly type: "role"; readonly role: User["role"] }
  | { readonly type: "suspend" }
  | { readonly type: "restore" }
  /** Users are approved as they are made: nothing is left to do. */
  | { readonly type: "approve" };

/** Changes a user. Whoever makes another the owner is the owner, and becomes an administrator by it. */
export function changeUser(user: User, action: UserAction, actor: Actor): Decision<null> {
  if (actor.kind === "user" && actor.user.id === user.id) return refused({ reason: "forbidden" });
  switch (action.type) {
    case "approve":
      return decided(null);
    case "restore":
      return decided(null, [{ type: "user-put", user: { ...user, isSuspended: false } }]);
    case "suspend":
      if (user.role === "owner") return refused({ reason: "invalid", detail: "the owner can not be suspended" });
      return decided(null, [{ type: "user-put", user: { ...user, isSuspended: true } }]);
    case "role":
      return setRole(user, action.role, actor);
  }
}

function setRole(user: User, role: User["role"], actor: Actor): Decision<null> {
  if (user.role === "owner") {
    return refused({ reason: "invalid", detail: "the owner keeps the role until another user is made the owner" });
  }
  if (role !== "owner") return decided(null, [{ type: "user-put", user: { ...user, role } }]);
  if (actor.kind !== "user" || actor.user.role !== "owner") return refused({ reason: "forbidden" });
  if (user.isSuspended) return refused({ reason: "invalid", detail: "a suspended user can not be the owner" });
  return decided(null, [
    { type: "user-put", user: { ...actor.user, role: "admin" } },
    { type: "user-put", user: { ...user, role } },
  ]);
}
