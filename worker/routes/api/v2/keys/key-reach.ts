// Which keys an actor may see and change (api-v2.md 1.6, 2.7).

import type { KeyKind, KeyRecord } from "../../../../objects/administration/key-record.ts";
import type { KeyOwners } from "../../../../objects/administration/keys.ts";
import type { Actor } from "../../../../tailnet/entities/actor.ts";
import type { Permission } from "../../../../tailnet/entities/scopes.ts";
import { reachOf } from "../access.ts";

/** What each kind of key needs. */
const PERMISSIONS = {
  auth: { read: "auth_keys:read", write: "auth_keys" },
  api: { read: "api_access_tokens:read", write: "api_access_tokens" },
  access: { read: "oauth_keys:read", write: "oauth_keys" },
  client: { read: "oauth_keys:read", write: "oauth_keys" },
  federated: { read: "federated_keys:read", write: "federated_keys" },
} as const satisfies Record<KeyKind, Record<"read" | "write", Permission>>;

/** Tells whether an actor may make keys of a kind, or at least its own. */
export function mayMake(actor: Actor, kind: KeyKind): boolean {
  return reachOf(actor, PERMISSIONS[kind].write) !== "none";
}

/** Tells whether an actor may see a key, or change it. Every token sees itself and what it comes from, and may end itself. */
export function mayTouch(actor: Actor, key: KeyRecord, how: "read" | "write"): boolean {
  if (isItself(actor, key) || (how === "read" && actor.kind === "credential" && key.id === actor.credentialId))
    return true;
  const reach = reachOf(actor, PERMISSIONS[key.kind][how]);
  return reach === "all" || (reach === "own" && actor.kind === "user" && key.userId === actor.user.id);
}

/**
 * Whose keys a list holds. All of those that the caller may see when all are asked for; else a user's own, or those
 * that a credential deals with: its own kind, and auth keys.
 */
export function listedKeys(actor: Actor, isAll: boolean): KeyOwners {
  const kinds = Object.keys(PERMISSIONS) as KeyKind[];
  const owners: { [K in KeyKind]?: number | null } = {};
  for (const kind of kinds) {
    const reach = reachOf(actor, PERMISSIONS[kind].read);
    if (reach === "none") continue;
    if (reach === "all" && isAll) owners[kind] = null;
    else if (actor.kind === "user") owners[kind] = actor.user.id;
    else if (actor.kind === "credential" && (kind === actor.type || kind === "auth")) owners[kind] = null;
  }
  return owners;
}

function isItself(actor: Actor, key: KeyRecord): boolean {
  return (actor.kind === "user" || actor.kind === "credential") && key.id === actor.tokenId;
}
