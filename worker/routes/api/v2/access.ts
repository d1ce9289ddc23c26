// Who may do what on the public API: the one table (DESIGN.md 5.3, api-v2.md 1.6 and 1.11). A route can only be made
// for an operation that has a line here (api-route.ts), so an endpoint without one does not compile.
//
// An operation needs a permission; an actor holds grants. For users the grants come from their role; for OAuth and
// federated credentials they are the credential's scopes, which are spelled like permissions on purpose.
import type { Role } from "../../../policy/engine.ts";
import type { Actor } from "../../../tailnet/entities/actor.ts";
import { type Grant, grantsOf, holds, type Permission } from "../../../tailnet/entities/scopes.ts";

/** Open to callers without an API token. */
export const PUBLIC = "public";

/** Open to every caller with a token, whatever it grants: the handler narrows. */
export const AUTHENTICATED = "authenticated";

/** The permissions of every operation, by operation id. With several, any one admits and the handler narrows. */
export const OPERATIONS = {
  bootstrap: PUBLIC,
  getOpenApi: PUBLIC,
  requestToken: PUBLIC,
  exchangeToken: PUBLIC,

  listDevices: ["devices:core:read"],
  getDevice: ["devices:core:read"],
  deleteDevice: ["devices:core"],
  expireDeviceKey: ["devices:core"],
  authorizeDevice: ["devices:core"],
  setDeviceName: ["devices:core"],
  setDeviceTags: ["devices:core"],
  updateDeviceKey: ["devices:core"],
  setDeviceIp: ["devices:core"],
  listDeviceRoutes: ["devices:routes:read"],
  setDeviceRoutes: ["devices:routes"],
  getDeviceAttributes: ["devices:posture_attributes:read"],
  setDeviceAttribute: ["devices:posture_attributes"],
  deleteDeviceAttribute: ["devices:posture_attributes"],
  batchUpdateDeviceAttributes: ["devices:posture_attributes"],
  listDeviceInvites: ["device_invites:read"],

  getPolicyFile: ["policy_file:read"],
  setPolicyFile: ["policy_file"],
  validatePolicyFile: ["policy_file:read"],
  previewPolicyFile: ["policy_file:read"],
  foreseePolicyFile: ["policy_file:read"],
  askPolicyReach: ["policy_file:read"],
  listPolicyVersions: ["policy_file:read"],
  getPolicyVersion: ["policy_file:read"],
  restorePolicyVersion: ["policy_file"],

  listKeys: AUTHENTICATED,
  getKey: AUTHENTICATED,
  createKey: ["auth_keys", "oauth_keys", "federated_keys"],
  replaceKey: ["oauth_keys", "federated_keys"],
  deleteKey: AUTHENTICATED,

  listIssuers: ["federated_keys:read", "issuer_keys:read"],
  getIssuer: ["federated_keys:read", "issuer_keys:read"],
  createIssuer: ["federated_keys"],
  updateIssuer: ["federated_keys"],
  deleteIssuer: ["federated_keys"],
  setIssuerKeys: ["issuer_keys"],

  listUsers: ["users:read"],
  getUser: ["users:read"],
  setUserRole: ["users"],
  approveUser: ["users"],
  suspendUser: ["users"],
  restoreUser: ["users"],
  deleteUser: ["users"],
  listUserInvites: ["users:read"],
  createUserInvites: ["users"],
  getUserInvite: ["users:read"],
  deleteUserInvite: ["users"],
  resendUserInvite: ["users"],

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
  getDnsConfig: ["dns:read"],
  setDnsConfig: ["dns"],

  getTailnetSettings: AUTHENTICATED,
  updateTailnetSettings: ["policy_file", "feature_settings", "logs:network", "networking_settings"],
  listContacts: ["account_settings:read"],
  updateContact: ["account_settings"],
  resendContactVerification: ["account_settings"],

  listVipServices: ["services:read"],
  getVipService: ["services:read"],
  putVipService: ["services"],
  deleteVipService: ["services"],
  listServices: ["services:read"],
  getService: ["services:read"],
  putService: ["services"],
  deleteService: ["services"],
  listServiceHosts: ["services:read"],
  getServiceApproval: ["services:read"],
  setServiceApproval: ["services"],

  listWebhooks: ["webhooks:read"],
  createWebhook: ["webhooks"],
  getWebhook: ["webhooks:read"],
  updateWebhook: ["webhooks"],
  deleteWebhook: ["webhooks"],
  testWebhook: ["webhooks"],
  rotateWebhookSecret: ["webhooks"],

  listConfigurationAuditLogs: ["logs:configuration:read"],
  listNetworkFlowLogs: ["logs:network:read"],
  exportTailnet: AUTHENTICATED,
  importTailnet: AUTHENTICATED,
  getLogStream: ["log_streaming:read"],
  getLogStreamStatus: ["log_streaming:read"],
  setLogStream: ["log_streaming"],
  deleteLogStream: ["log_streaming"],
  createAwsExternalId: ["log_streaming"],
  validateAwsTrustPolicy: ["log_streaming"],

  listPostureIntegrations: ["feature_settings:read"],
  createPostureIntegration: ["feature_settings"],
  getPostureIntegration: ["feature_settings:read"],
  updatePostureIntegration: ["feature_settings"],
  deletePostureIntegration: ["feature_settings"],
} as const satisfies Record<string, typeof PUBLIC | typeof AUTHENTICATED | readonly [Permission, ...Permission[]]>;

/** What users alone may do: a program can not vouch for a person (api-v2.md 2.10), nor say who speaks for an issuer. */
const USERS_ALONE: readonly string[] = [
  "createUserInvites",
  "deleteUserInvite",
  "resendUserInvite",
  "createIssuer",
  "updateIssuer",
  "deleteIssuer",
];

/** What the owner alone may do: the file that is moved is the tailnet itself. */
const OWNER_ALONE: readonly string[] = ["exportTailnet", "importTailnet"];

/** Id of an operation. */
export type Operation = keyof typeof OPERATIONS;

/** An operation that anybody may ask for. */
export type PublicOperation = { [O in Operation]: (typeof OPERATIONS)[O] extends typeof PUBLIC ? O : never }[Operation];

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
  "device_invites:read",
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
      "users",
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
  if (actor.kind === "credential") return holds(grantsOf(actor.scopes), permission) ? "all" : "none";
  if (actor.kind !== "user") return "none";
  const { all, own } = ROLES[actor.user.role];
  if (holds(all, permission)) return "all";
  return holds(own, permission) ? "own" : "none";
}

/** How far an actor's right to an operation goes: the farthest of its permissions. */
export function reachOfOperation(actor: Actor, operation: Exclude<Operation, PublicOperation>): Reach {
  if (OWNER_ALONE.includes(operation)) return actor.kind === "user" && actor.user.role === "owner" ? "all" : "none";
  if (actor.kind !== "user" && USERS_ALONE.includes(operation)) return "none";
  const permissions: typeof AUTHENTICATED | readonly Permission[] = OPERATIONS[operation];
  if (permissions === AUTHENTICATED) return "all";
  const reaches = permissions.map((permission) => reachOf(actor, permission));
  if (reaches.includes("all")) return "all";
  return reaches.includes("own") ? "own" : "none";
}
