// Scopes: what OAuth clients, federated identities and their tokens may do (api-v2.md 1.6). A bare name grants reading
// and writing, `<name>:read` reading alone; `all` and `all:read` stand for every name, those of the future too. Older
// names are kept as they were given and understood when they are looked at.

/** Names of the scopes. */
export const SCOPE_NAMES = [
  "account_settings",
  "api_access_tokens",
  "auth_keys",
  "device_invites",
  "devices:core",
  "devices:posture_attributes",
  "devices:routes",
  "dns",
  "feature_settings",
  "federated_keys",
  "issuer_keys", // an extension: to set the keys of issuers that name the credential
  "log_streaming",
  "logs:configuration",
  "logs:network",
  "networking_settings",
  "oauth_apps",
  "oauth_keys",
  "policy_file",
  "services",
  "tailnets",
  "users",
  "webhooks",
] as const;

/** Name of a scope. */
export type ScopeName = (typeof SCOPE_NAMES)[number];

/** What an operation needs: to read things of a kind, or to change them too. */
export type Permission = ScopeName | `${ScopeName}:read`;

/** What an actor holds. */
export type Grant = Permission | "all" | "all:read";

const READ = ":read";

const EVERY_GRANT: readonly Grant[] = [
  "all",
  "all:read",
  ...SCOPE_NAMES.flatMap((name): Grant[] => [name, `${name}${READ}`]),
];

/** Names of before, and one that a page of the service's documentation misspells. */
const SYNONYMS: Readonly<Record<string, readonly ScopeName[]>> = {
  acl: ["policy_file"],
  devices: ["auth_keys", "devices:posture_attributes", "devices:core"],
  devices_invites: ["device_invites"],
  routes: ["devices:routes"],
  logs: ["logs:configuration"],
  "network-logs": ["logs:network"],
};

/** What scopes grant; unknown ones grant nothing. */
export function grantsOf(scopes: readonly string[]): readonly Grant[] {
  return scopes.flatMap(grantsOfScope);
}

/** Tells whether a text is a scope. */
export function isScope(scope: string): boolean {
  return grantsOfScope(scope).length > 0;
}

/** Tells whether grants include a permission: writing implies reading, `all` implies everything. */
export function holds(grants: readonly Grant[], permission: Grant): boolean {
  if (grants.includes("all") || grants.includes(permission)) return true;
  if (permission === "all" || !permission.endsWith(READ)) return false;
  return grants.includes("all:read") || grants.includes(permission.slice(0, -READ.length) as Grant);
}

/** Tells whether everything that `inner` grants is granted by `outer` too. */
export function covers(outer: readonly string[], inner: readonly string[]): boolean {
  const grants = grantsOf(outer);
  return grantsOf(inner).every((grant) => holds(grants, grant));
}

/** Scopes that grant what both lists grant, those that others imply left out. */
export function intersect(a: readonly string[], b: readonly string[]): Grant[] {
  const [first, second] = [grantsOf(a), grantsOf(b)];
  const inBoth = EVERY_GRANT.filter((grant) => holds(first, grant) && holds(second, grant));
  return inBoth.filter((grant) => !inBoth.some((other) => other !== grant && holds([other], grant)));
}

/** Tells whether a credential with these scopes must have tags: what it makes would belong to nobody otherwise. */
export function needsTags(scopes: readonly string[]): boolean {
  const grants = grantsOf(scopes);
  return grants.includes("auth_keys") || grants.includes("devices:core");
}

function grantsOfScope(scope: string): readonly Grant[] {
  if (scope === "all" || scope === "all:read") return [scope];
  const isRead = scope.endsWith(READ);
  const name = isRead ? scope.slice(0, -READ.length) : scope;
  const names = Object.hasOwn(SYNONYMS, name) ? (SYNONYMS[name] ?? []) : SCOPE_NAMES.filter((known) => known === name);
  return isRead ? names.map((known): Permission => `${known}${READ}`) : names;
}
