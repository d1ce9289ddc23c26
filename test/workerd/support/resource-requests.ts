// One request for each operation on what administrators configure, and who may make it; for the walk over the table of
// operations (api-access.test.ts).
import type { Role } from "../../../worker/policy/engine.ts";

type Request = readonly [method: string, path: string, body?: unknown];

const NOTHING = {};

/** Requests that reading roles may make, by the scope that they need. */
const READING = {
  dns: {
    listDnsNameservers: ["GET", "/tailnet/-/dns/nameservers"],
    getDnsPreferences: ["GET", "/tailnet/-/dns/preferences"],
    listDnsSearchPaths: ["GET", "/tailnet/-/dns/searchpaths"],
    getSplitDns: ["GET", "/tailnet/-/dns/split-dns"],
    getDnsConfiguration: ["GET", "/tailnet/-/dns/configuration"],
    getDnsConfig: ["GET", "/tailnet/-/dns/config"],
  },
  account_settings: { listContacts: ["GET", "/tailnet/-/contacts"] },
  feature_settings: {
    listPostureIntegrations: ["GET", "/tailnet/-/posture/integrations"],
    getPostureIntegration: ["GET", "/posture/integrations/pUnknownCNTRL"],
  },
  webhooks: {
    listWebhooks: ["GET", "/tailnet/-/webhooks"],
    getWebhook: ["GET", "/webhooks/unknown"],
  },
  "logs:configuration": {
    listConfigurationAuditLogs: [
      "GET",
      "/tailnet/-/logging/configuration?start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z",
    ],
  },
  log_streaming: {
    getLogStream: ["GET", "/tailnet/-/logging/network/stream"],
    getLogStreamStatus: ["GET", "/tailnet/-/logging/network/stream/status"],
  },
  "logs:network": { listNetworkFlowLogs: ["GET", "/tailnet/-/logging/network"] },
  users: {
    listUserInvites: ["GET", "/tailnet/-/user-invites"],
    getUserInvite: ["GET", "/user-invites/1"],
  },
  issuers: {
    listIssuers: ["GET", "/tailnet/-/issuers"],
    getIssuer: ["GET", "/tailnet/-/issuers/iUnknownCNTRL"],
  },
  services: {
    listVipServices: ["GET", "/tailnet/-/vip-services"],
    getVipService: ["GET", "/tailnet/-/vip-services/svc:unknown"],
    listServices: ["GET", "/tailnet/-/services"],
    getService: ["GET", "/tailnet/-/services/svc:unknown"],
    listServiceHosts: ["GET", "/tailnet/-/services/svc:unknown/devices"],
    getServiceApproval: ["GET", "/tailnet/-/services/svc:unknown/device/1/approved"],
  },
} as const satisfies Record<string, Record<string, Request>>;

const WRITING = {
  dns: {
    setDnsNameservers: ["POST", "/tailnet/-/dns/nameservers", { dns: [] }],
    setDnsPreferences: ["POST", "/tailnet/-/dns/preferences", { magicDNS: true }],
    setDnsSearchPaths: ["POST", "/tailnet/-/dns/searchpaths", { searchPaths: [] }],
    updateSplitDns: ["PATCH", "/tailnet/-/dns/split-dns", NOTHING],
    setSplitDns: ["PUT", "/tailnet/-/dns/split-dns", NOTHING],
    setDnsConfiguration: ["POST", "/tailnet/-/dns/configuration", NOTHING],
    setDnsConfig: ["POST", "/tailnet/-/dns/config", NOTHING],
  },
  webhooks: {
    createWebhook: ["POST", "/tailnet/-/webhooks", { endpointUrl: "" }],
    updateWebhook: ["PATCH", "/webhooks/unknown", { subscriptions: [] }],
    deleteWebhook: ["DELETE", "/webhooks/unknown"],
    testWebhook: ["POST", "/webhooks/unknown/test"],
    rotateWebhookSecret: ["POST", "/webhooks/unknown/rotate"],
  },
  log_streaming: {
    setLogStream: ["PUT", "/tailnet/-/logging/network/stream", { destinationType: "splunk", url: "x" }],
    deleteLogStream: ["DELETE", "/tailnet/-/logging/network/stream"],
    createAwsExternalId: ["POST", "/tailnet/-/aws-external-id", NOTHING],
    validateAwsTrustPolicy: ["POST", "/tailnet/-/aws-external-id/x/validate-aws-trust-policy", { roleArn: "" }],
  },
  users: {
    deleteUser: ["POST", "/users/uUnknownCNTRL/delete"],
    createUserInvites: ["POST", "/tailnet/-/user-invites", [{ email: "x" }]],
    deleteUserInvite: ["DELETE", "/user-invites/1"],
    resendUserInvite: ["POST", "/user-invites/1/resend"],
  },
  services: {
    putVipService: ["PUT", "/tailnet/-/vip-services/svc:a", { name: "svc:b" }],
    deleteVipService: ["DELETE", "/tailnet/-/vip-services/svc:unknown"],
    putService: ["PUT", "/tailnet/-/services/svc:a", { name: "svc:b" }],
    deleteService: ["DELETE", "/tailnet/-/services/svc:unknown"],
    setServiceApproval: ["POST", "/tailnet/-/services/svc:unknown/device/1/approved", { approved: true }],
  },
  federated_keys: {
    createIssuer: ["POST", "/tailnet/-/issuers", { issuer: "x" }],
    updateIssuer: ["PATCH", "/tailnet/-/issuers/iUnknownCNTRL", NOTHING],
    deleteIssuer: ["DELETE", "/tailnet/-/issuers/iUnknownCNTRL"],
  },
  issuer_keys: { setIssuerKeys: ["PUT", "/tailnet/-/issuers/iUnknownCNTRL/keys", { keys: [{ kty: "EC" }] }] },
  settings: { updateTailnetSettings: ["PATCH", "/tailnet/-/settings", NOTHING] },
  account_settings: {
    updateContact: ["PATCH", "/tailnet/-/contacts/unknown", { email: "a@example.com" }],
    resendContactVerification: ["POST", "/tailnet/-/contacts/security/resend-verification-email"],
  },
  feature_settings: {
    createPostureIntegration: ["POST", "/tailnet/-/posture/integrations", { provider: "kolide" }],
    updatePostureIntegration: ["PATCH", "/posture/integrations/pUnknownCNTRL", NOTHING],
    deletePostureIntegration: ["DELETE", "/posture/integrations/pUnknownCNTRL"],
  },
} as const satisfies Record<string, Record<string, Request>>;

/** Every request. */
export const RESOURCE_REQUESTS = {
  getTailnetSettings: ["GET", "/tailnet/-/settings"],
  ...READING.dns,
  ...READING.account_settings,
  ...READING.feature_settings,
  ...READING.services,
  ...READING.issuers,
  ...READING.users,
  ...READING.log_streaming,
  ...READING.webhooks,
  ...READING["logs:configuration"],
  ...READING["logs:network"],
  ...WRITING.dns,
  ...WRITING.settings,
  ...WRITING.account_settings,
  ...WRITING.feature_settings,
  ...WRITING.services,
  ...WRITING.federated_keys,
  ...WRITING.issuer_keys,
  ...WRITING.users,
  ...WRITING.log_streaming,
  ...WRITING.webhooks,
} as const;

type ResourceOperation = keyof typeof RESOURCE_REQUESTS;

const needing = (need: readonly string[], group: object) => Object.keys(group).map((name) => [name, need] as const);

/** The scopes of which any one admits to each request; none: any token (api-v2.md 1.6). */
export const RESOURCE_NEEDS = Object.fromEntries([
  ["getTailnetSettings", []],
  ...Object.entries(READING).flatMap(([scope, group]) =>
    needing(scope === "issuers" ? ["federated_keys:read", "issuer_keys:read"] : [`${scope}:read`], group),
  ),
  ...Object.entries(WRITING).flatMap(([scope, group]) =>
    needing(
      scope === "settings" ? ["policy_file", "feature_settings", "logs:network", "networking_settings"] : [scope],
      group,
    ),
  ),
]) as Record<ResourceOperation, readonly string[]>;

const names = (...groups: object[]) => groups.flatMap((group) => Object.keys(group)) as ResourceOperation[];
const READ_ALL = ["getTailnetSettings", ...names(...Object.values(READING))] as ResourceOperation[];

/** What each role may ask for (api-v2.md 1.11). */
export const MAY_RESOURCES: Record<Role, readonly ResourceOperation[]> = {
  owner: names(RESOURCE_REQUESTS),
  admin: names(RESOURCE_REQUESTS),
  "it-admin": [
    ...READ_ALL,
    ...names(WRITING.settings, WRITING.feature_settings, WRITING.webhooks, WRITING.users, WRITING.log_streaming),
  ],
  "network-admin": [...READ_ALL, ...names(WRITING.dns, WRITING.settings, WRITING.services)],
  "billing-admin": ["getTailnetSettings", ...names(READING.account_settings, WRITING.account_settings)],
  auditor: READ_ALL,
  member: ["getTailnetSettings"],
};
