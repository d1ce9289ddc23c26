// Who may do what on the public API: the one table (DESIGN.md 5.3, api-v2.md 1.6 and 1.11). A route can only be made
// for an operation that has a line here (api-route.ts), so an endpoint without one does not compile.
//
// An operation needs a permission; an actor holds grants. For users the grants come from their role; for OAuth and
// federated credentials they are the credential's scopes, which are spelled like permissions on purpose.
import type { Role } from "../../../policy/engine.ts";
import type { Actor } from "../../../tailnet/entities/actor.ts";

/** Scopes of api-v2.md 1.6; the bare name grants reading and writing. */
type ScopeName =
  | "devices:core"
  | "devices:routes"
  | "devices:posture_attributes"
  | "policy_file"
  | "auth_keys"
  | "api_access_tokens"
  | "dns"
  | "feature_settings"
  | "networking_settings"
  | "account_settings"
  | "services"
  | "webhooks"
  | "log_streaming"
  | "logs:configuration"
  | "logs:network";

/** What an operation needs: to read things of a kind, or to change them too. */
export type Permission = ScopeName | `${ScopeName}:read`;

/** What an actor holds. */
export type Grant = Permission | "all" | "all:read";

/** Open to callers without an API token. */
export const PUBLIC = "public";

/** Everybody who may read something: the handler leaves out what they may not read. */
const ANY_READING = [
  "devices:core:read",
  "devices:routes:read",
  "policy_file:read",
  "auth_keys:read",
  "api_access_tokens:read",
  "dns:read",
  "feature_settings:read",
  "networking_settings:read",
  "account_settings:read",
  "services:read",
  "webhooks:read",
  "log_streaming:read",
  "logs:configuration:read",
  "logs:network:read",
] as const satisfies Permission[];

/** The permissions of every operation, by operation id. With several, any one admits and the handler narrows. */
export const OPERATIONS = {
  bootstrap: PUBLIC,
  getOpenApi: PUBLIC,

  listDevices: ["devices:core:read"],
  getDevice: ["devices:core:read"],
  deleteDevice: ["devices:core"],
  expireDeviceKey: ["devices:core"],
  authorizeDevice: ["devices:core"],
  setDeviceName: ["devices:core"],
  setDeviceTags: ["devices:core"],
  updateDeviceKey: ["devices:core"],
  listDeviceRoutes: ["devices:routes:read"],
  setDeviceRoutes: ["devices:routes"],
  getDeviceAttributes: ["devices:posture_attributes:read"],
  setDeviceAttribute: ["devices:posture_attributes"],
  deleteDeviceAttribute: ["devices:posture_attributes"],
  batchUpdateDeviceAttributes: ["devices:posture_attributes"],

  getPolicyFile: ["policy_file:read"],
  setPolicyFile: ["policy_file"],
  validatePolicyFile: ["policy_file:read"],

  listKeys: ["auth_keys:read", "api_access_tokens:read"],
  getKey: ["auth_keys:read", "api_access_tokens:read"],
  createAuthKey: ["auth_keys"],
  deleteKey: ["auth_keys", "api_access_tokens"],

  listDnsNameservers: ["dns:read"],
  setDnsNameservers: ["dns"],
  getDnsPreferences: ["dns:read"],
  setDnsPreferences: ["dns"],
  listDnsSearchPaths: ["dns:read"],
  setDnsSearchPaths: ["dns"],
  getSplitDns: ["dns:read"],
  updateSplitDns: ["dns"],
  setSplitDns: ["dns"],
  getDnsConfiguration: ["dns:read"],
  setDnsConfiguration: ["dns"],

  getTailnetSettings: ANY_READING,
  updateTailnetSettings: ["policy_file", "feature_settings", "logs:network", "networking_settings"],
  listContacts: ["account_settings:read"],
  updateContact: ["account_settings"],
  resendContactVerification: ["account_settings"],

  listPostureIntegrations: ["feature_settings:read"],
  createPostureIntegration: ["feature_settings"],
  getPostureIntegration: ["feature_settings:read"],
  updatePostureIntegration: ["feature_settings"],
  deletePostureIntegration: ["feature_settings"],
} as const satisfies Record<string, typeof PUBLIC | readonly [Permission, ...Permission[]]>;

/** Id of an operation. */
export type Operation = keyof typeof OPERATIONS;

/** An operation that anybody may ask for. */
export type PublicOperation = { [O in Operation]: (typeof OPERATIONS)[O] extends string ? O : never }[Operation];

/** Things that a grant covers: everybody's, those of the actor alone, or none. */
export type Reach = "all" | "own" | "none";

/** What a role may do: to everybody's things, and to its own. */
interface RoleGrants {
  readonly all: readonly Grant[];
  readonly own: readonly Grant[];
}

/** Everybody sees their own devices and revokes their own tokens. */
const OWN: readonly Grant[] = [
  "devices:core:read",
  "devices:routes:read",
  "devices:posture_attributes:read",
  "api_access_tokens",
];

/** The roles of api-v2.md 1.11, as far as there is something to do. */
export const ROLES: Readonly<Record<Role, RoleGrants>> = {
  owner: { all: ["all"], own: [] },
  admin: { all: ["all"], own: [] },
  "it-admin": {
    all: [
      "all:read",
      "devices:core",
      "devices:posture_attributes",
      "auth_keys",
      "feature_settings",
      "webhooks",
      "log_streaming",
    ],
    own: OWN,
  },
  "network-admin": {
    all: [
      "all:read",
      "devices:core",
      "devices:routes",
      "devices:posture_attributes",
      "auth_keys",
      "policy_file",
      "dns",
      "services",
      "networking_settings",
    ],
    own: OWN,
  },
  "billing-admin": { all: ["account_settings"], own: OWN },
  auditor: { all: ["all:read"], own: OWN },
  member: { all: [], own: [...OWN, "auth_keys"] },
};

/** How far an actor's right to a permission goes. */
export function reachOf(actor: Actor, permission: Permission): Reach {
  if (actor.kind === "credential") return holds(actor.scopes, permission) ? "all" : "none";
  if (actor.kind !== "user") return "none";
  const { all, own } = ROLES[actor.user.role];
  if (holds(all, permission)) return "all";
  return holds(own, permission) ? "own" : "none";
}

/** How far an actor's right to an operation goes: the farthest of its permissions. */
export function reachOfOperation(actor: Actor, operation: Exclude<Operation, PublicOperation>): Reach {
  const reaches = OPERATIONS[operation].map((permission) => reachOf(actor, permission));
  if (reaches.includes("all")) return "all";
  return reaches.includes("own") ? "own" : "none";
}

/** Tells whether grants include a permission: writing implies reading, `all` implies everything. */
function holds(grants: readonly string[], permission: Permission): boolean {
  if (grants.includes("all") || grants.includes(permission)) return true;
  if (!permission.endsWith(":read")) return false;
  return grants.includes("all:read") || grants.includes(permission.slice(0, -":read".length));
}
