// Who may do what on the public API, walked over every operation and role; credentials; the tailnet segment; what
// answers have in common.
import { beforeAll, describe, expect, it } from "vitest";
import type { Role } from "../../worker/policy/engine.ts";
import { OPERATIONS, type Operation, type PublicOperation, ROLES } from "../../worker/routes/api/v2/access.ts";
import { apiRoutes } from "../../worker/routes/api/v2/api.ts";
import { apiRoute } from "../../worker/routes/api/v2/api-route.ts";
import { leftOutRoutes } from "../../worker/routes/api/v2/left-out.ts";
import { SCOPE_NAMES } from "../../worker/tailnet/entities/scopes.ts";
import { api, node, type Person, type Program, person, program, seed } from "./support/api.ts";
import { MAY_RESOURCES, RESOURCE_NEEDS, RESOURCE_REQUESTS } from "./support/resource-requests.ts";

/** One request for each operation, that its validation lets pass. */
const REQUESTS: Record<Operation, readonly [method: string, path: string, body?: unknown]> = {
  bootstrap: ["POST", "/bootstrap", { loginName: "x@example.com" }],
  getOpenApi: ["GET", "/openapi.json"],
  listDevices: ["GET", "/tailnet/-/devices"],
  getDevice: ["GET", "/device/1"],
  deleteDevice: ["DELETE", "/device/999"],
  expireDeviceKey: ["POST", "/device/999/expire"],
  authorizeDevice: ["POST", "/device/999/authorized", { authorized: true }],
  setDeviceName: ["POST", "/device/999/name", { name: "x" }],
  setDeviceTags: ["POST", "/device/999/tags", { tags: [] }],
  updateDeviceKey: ["POST", "/device/999/key", { keyExpiryDisabled: true }],
  setDeviceIp: ["POST", "/device/999/ip", { ipv4: "100.64.0.99" }],
  listDeviceRoutes: ["GET", "/device/1/routes"],
  setDeviceRoutes: ["POST", "/device/999/routes", { routes: [] }],
  getDeviceAttributes: ["GET", "/device/1/attributes"],
  setDeviceAttribute: ["POST", "/device/999/attributes/custom:x", { value: 1 }],
  deleteDeviceAttribute: ["DELETE", "/device/999/attributes/custom:x"],
  batchUpdateDeviceAttributes: ["PATCH", "/tailnet/-/device-attributes", { nodes: {} }],
  getPolicyFile: ["GET", "/tailnet/-/acl"],
  setPolicyFile: ["POST", "/tailnet/-/acl", "{"],
  validatePolicyFile: ["POST", "/tailnet/-/acl/validate", "{}"],
  previewPolicyFile: ["POST", "/tailnet/-/acl/preview?type=user&previewFor=a@example.com", "{}"],
  foreseePolicyFile: ["POST", "/tailnet/-/acl/changes", "{}"],
  askPolicyReach: ["POST", "/tailnet/-/acl/reach?from=1", "{}"],
  listPolicyVersions: ["GET", "/tailnet/-/acl/versions"],
  getPolicyVersion: ["GET", "/tailnet/-/acl/versions/999"],
  restorePolicyVersion: ["POST", "/tailnet/-/acl/versions/999/restore"],
  listKeys: ["GET", "/tailnet/-/keys?all=true"],
  getKey: ["GET", "/tailnet/-/keys/kUnknownCNTRL"],
  createKey: ["POST", "/tailnet/-/keys", { capabilities: { devices: {} } }],
  replaceKey: ["PUT", "/tailnet/-/keys/kUnknownCNTRL", { keyType: "client" }],
  requestToken: ["POST", "/oauth/token", "grant_type=client_credentials"],
  exchangeToken: ["POST", "/oauth/token-exchange", "client_id=x"],
  deleteKey: ["DELETE", "/tailnet/-/keys/kUnknownCNTRL"],
  listUsers: ["GET", "/tailnet/-/users"],
  getUser: ["GET", "/users/uUnknownCNTRL"],
  setUserRole: ["POST", "/users/uUnknownCNTRL/role", { role: "member" }],
  approveUser: ["POST", "/users/uUnknownCNTRL/approve"],
  suspendUser: ["POST", "/users/uUnknownCNTRL/suspend"],
  restoreUser: ["POST", "/users/uUnknownCNTRL/restore"],
  listDeviceInvites: ["GET", "/device/1/device-invites"],
  exportTailnet: ["GET", "/tailnet/-/export"],
  importTailnet: ["POST", "/tailnet/-/import", "{}"],
  ...RESOURCE_REQUESTS,
};

const READING: Operation[] = [
  "listDevices",
  "getDevice",
  "listDeviceRoutes",
  "getDeviceAttributes",
  "listDeviceInvites",
  "listKeys",
  "getKey",
];
const DEVICE_WRITING: Operation[] = [
  "deleteDevice",
  "expireDeviceKey",
  "authorizeDevice",
  "setDeviceName",
  "setDeviceTags",
  "updateDeviceKey",
  "setDeviceAttribute",
  "deleteDeviceAttribute",
  "batchUpdateDeviceAttributes",
  "setDeviceIp",
];
const POLICY_READING: Operation[] = [
  "getPolicyFile",
  "validatePolicyFile",
  "previewPolicyFile",
  "foreseePolicyFile",
  "askPolicyReach",
  "listPolicyVersions",
  "getPolicyVersion",
];
const EVERYTHING = Object.keys(OPERATIONS) as Operation[];

/** What each role may ask for (api-v2.md 1.11), written down apart from the table under test. */
const MAY: Record<Role, readonly Operation[]> = {
  owner: EVERYTHING,
  admin: EVERYTHING.filter((operation) => !["exportTailnet", "importTailnet"].includes(operation)),
  "it-admin": [
    ...READING,
    ...DEVICE_WRITING,
    ...POLICY_READING,
    "createKey",
    "deleteKey",
    "listUsers",
    "getUser",
    "setUserRole",
    "approveUser",
    "suspendUser",
    "restoreUser",
    ...MAY_RESOURCES["it-admin"],
  ],
  "network-admin": [
    ...READING,
    ...DEVICE_WRITING,
    ...POLICY_READING,
    "setDeviceRoutes",
    "setPolicyFile",
    "restorePolicyVersion",
    "createKey",
    "deleteKey",
    "bootstrap",
    "requestToken",
    "exchangeToken",
    "getOpenApi",
    "listUsers",
    "getUser",
    ...MAY_RESOURCES["network-admin"],
  ],
  "billing-admin": [...READING, "deleteKey", ...MAY_RESOURCES["billing-admin"]],
  auditor: [...READING, ...POLICY_READING, "deleteKey", "listUsers", "getUser", ...MAY_RESOURCES.auditor],
  member: [...READING, "createKey", "deleteKey", ...MAY_RESOURCES.member],
};

/** Whether a role sees what belongs to others. */
const SEES_ALL: Record<Role, boolean> = {
  owner: true,
  admin: true,
  "it-admin": true,
  "network-admin": true,
  "billing-admin": false,
  auditor: true,
  member: false,
};

type Guarded = Exclude<Operation, PublicOperation>;

/** The scopes of which any one admits (api-v2.md 1.6), written down apart from the table under test; none: any token. */
const NEEDS: Record<Guarded, readonly string[]> = {
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
  listKeys: [],
  getKey: [],
  createKey: ["auth_keys", "oauth_keys", "federated_keys"],
  replaceKey: ["oauth_keys", "federated_keys"],
  deleteKey: [],
  listUsers: ["users:read"],
  getUser: ["users:read"],
  setUserRole: ["users"],
  approveUser: ["users"],
  suspendUser: ["users"],
  restoreUser: ["users"],
  exportTailnet: [],
  importTailnet: [],
  ...RESOURCE_NEEDS,
};

const DEVICES = ["auth_keys", "devices:core", "devices:posture_attributes"].flatMap((name) => [name, `${name}:read`]);

/** Every scope with what it stands for, by itself. */
const SCOPES: readonly (readonly [scope: string, grants: readonly string[]])[] = [
  ...SCOPE_NAMES.flatMap((name) => [
    [name, [name, `${name}:read`]] as const,
    [`${name}:read`, [`${name}:read`]] as const,
  ]),
  ["all", SCOPE_NAMES.flatMap((name) => [name, `${name}:read`])],
  ["all:read", SCOPE_NAMES.map((name) => `${name}:read`)],
  ["acl", ["policy_file", "policy_file:read"]],
  ["acl:read", ["policy_file:read"]],
  ["routes:read", ["devices:routes:read"]],
  ["devices", DEVICES],
  ["devices:read", DEVICES.filter((grant) => grant.endsWith(":read"))],
];

const roles = Object.keys(ROLES) as Role[];
const guarded = EVERYTHING.filter((operation) => OPERATIONS[operation] !== "public");
const people = new Map<Role, Person>();
const programs = new Map<string, Program>();

function tokenOf(role: Role): string {
  return people.get(role)?.token ?? "";
}

beforeAll(async () => {
  for (const [i, role] of roles.entries()) people.set(role, await person(100 + i, role));
  for (const [scope] of SCOPES) programs.set(scope, program([scope], ["tag:ci"]));
  await seed(
    { type: "node-put", node: node(1, { userId: 100 }) },
    ...[...programs.values()].flatMap(({ changes }) => changes),
    ...roles.map((_, i) => ({ type: "node-put" as const, node: node(10 + i, { userId: 100 + i }) })),
  );
});

describe("the table of operations", () => {
  const cases = guarded.flatMap((operation) => roles.map((role) => [operation, role] as const));

  it.each(cases)("%s by %s", async (operation, role) => {
    const [method, path, body] = REQUESTS[operation];
    const { status, json } = await api(path, { method, body, token: tokenOf(role) });
    if (MAY[role].includes(operation)) expect(status).not.toBe(403);
    else {
      expect(status).toBe(403);
      expect(json).toEqual({ message: "calling actor does not have enough permissions to perform this function" });
    }
    expect(status).toBeLessThan(500);
  });

  it.each(SCOPES)("a credential with the scope %s", async (scope, grants) => {
    const { token } = programs.get(scope) as Program;
    for (const operation of guarded as Guarded[]) {
      const [method, path, body] = REQUESTS[operation];
      const { status } = await api(path, { method, body, token });
      const needs = NEEDS[operation];
      const isForUsers = [
        "createUserInvites",
        "deleteUserInvite",
        "resendUserInvite",
        "createIssuer",
        "updateIssuer",
        "deleteIssuer",
        "exportTailnet",
        "importTailnet",
      ].includes(operation);
      const isAdmitted = !isForUsers && (needs.length === 0 || needs.some((need) => grants.includes(need)));
      // Of the kinds of keys, the request is about auth keys.
      const isRefusedLater = operation === "createKey" && !grants.includes("auth_keys");
      expect([operation, status === 403], `${operation} with ${scope}`).toEqual([
        operation,
        !isAdmitted || isRefusedLater,
      ]);
      expect(status).toBeLessThan(500);
    }
  });

  it.each(guarded)("%s needs a token", async (operation) => {
    const [method, path, body] = REQUESTS[operation];
    const { status, json } = await api(path, { method, body });
    expect([status, json]).toEqual([401, { message: "API token invalid" }]);
  });

  it("has a line for every route and a route for every line", () => {
    const described = Object.values(
      apiRoutes.getOpenAPI31Document({ openapi: "3.1.0", info: { title: "", version: "" } }).paths ?? {},
    );
    const ids = described.flatMap((path) =>
      Object.values(path as object).map((operation) => operation.operationId as string),
    );
    expect(ids.sort()).toEqual(Object.keys(OPERATIONS).sort());
    // Handlers that were added past the description would show up here.
    const handlers = new Set(
      apiRoutes.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => `${method} ${path}`),
    );
    const leftOut = leftOutRoutes.routes.filter(({ method }) => method !== "ALL");
    expect(handlers.size).toBe(ids.length + leftOut.length);
  });

  it("does not compile for an operation without a line", () => {
    // @ts-expect-error the first argument must be an operation of the table
    apiRoute("eraseEverything", { method: "get", path: "/everything", responses: {} });
    // @ts-expect-error an operation that needs no token is no apiRoute
    apiRoute("bootstrap", { method: "get", path: "/everything", responses: {} });
  });
});

describe("devices of others", () => {
  it.each(roles)("as %s", async (role) => {
    const own = 10 + roles.indexOf(role);
    const token = tokenOf(role);
    const listed = (await api("/tailnet/-/devices", { token })).json.devices.map((d: { id: string }) => d.id);
    expect(listed).toEqual(SEES_ALL[role] ? ["1", ...roles.map((_, i) => String(10 + i))] : [String(own)]);
    const sees = [200, SEES_ALL[role] ? 200 : 404];
    expect([(await api(`/device/${own}`, { token })).status, (await api("/device/1", { token })).status]).toEqual(sees);
    expect([
      (await api(`/device/${own}/routes`, { token })).status,
      (await api("/device/1/routes", { token })).status,
    ]).toEqual(sees);
  });
});

describe("credentials", () => {
  const basic = (text: string) => ({ authorization: `Basic ${btoa(text)}` });
  const status = async (authorization: Record<string, string>) =>
    (await api("/tailnet/-/devices", { headers: authorization })).status;

  it("takes the token as Basic user name, whatever the password, and as Bearer", async () => {
    const token = tokenOf("admin");
    expect(await status(basic(`${token}:`))).toBe(200);
    expect(await status(basic(token))).toBe(200);
    expect(await status(basic(`${token}:some:password`))).toBe(200);
    expect(await status({ authorization: `bearer ${token}` })).toBe(200);
    expect(await status({ authorization: `  Bearer   ${token} ` })).toBe(200);
  });

  it.each([
    ["an empty header", () => ""],
    ["no scheme", (token: string) => token],
    ["another scheme", (token: string) => `Token ${token}`],
    ["bad base64", () => "Basic !!!"],
    ["a changed secret", (token: string) => `Bearer ${token.slice(0, -1)}${token.endsWith("a") ? "b" : "a"}`],
    ["a shortened secret", (token: string) => `Bearer ${token.slice(0, -1)}`],
    ["an unknown id", (token: string) => `Bearer ${token.replace(/k[0-9A-Za-z]{3}/, "kxyz")}`],
    ["an auth key", (token: string) => `Bearer ${token.replace("tskey-api", "tskey-auth")}`],
    ["a client secret", (token: string) => `Bearer ${token.replace("tskey-api", "tskey-client")}`],
    ["a long text", () => `Bearer ${"x".repeat(8_000)}`],
  ])("refuses %s", async (_, header) => {
    const answer = await api("/tailnet/-/devices", { headers: { authorization: header(tokenOf("admin")) } });
    expect([answer.status, answer.json]).toEqual([401, { message: "API token invalid" }]);
    expect(answer.headers.has("www-authenticate")).toBe(false);
  });

  it("refuses the token of a suspended user, an expired and a revoked one", async () => {
    const suspended = await person(200, "admin", { isSuspended: true });
    expect(await status({ authorization: `Bearer ${suspended.token}` })).toBe(401);

    const fleeting = await person(201, "admin");
    expect(await status({ authorization: `Bearer ${fleeting.token}` })).toBe(200);
    expect((await api(`/tailnet/-/keys/${fleeting.tokenId}`, { method: "DELETE", token: fleeting.token })).status).toBe(
      200,
    );
    expect(await status({ authorization: `Bearer ${fleeting.token}` })).toBe(401);
  });
});

describe("the tailnet segment", () => {
  it.each(["-", "flarescale", "FlareScale", "tail.internal", "TAIL.internal"])("takes %s", async (name) => {
    expect((await api(`/tailnet/${name}/devices`, { token: tokenOf("admin") })).status).toBe(200);
  });

  it.each(["example.com", "flarescale.example", "alice%40example.com", "a%2Fb", "%zz", "default", "%2D%2D", "*"])(
    "does not know %s, even for callers who may do nothing",
    async (name) => {
      for (const role of ["admin", "member"] as const) {
        const answer = await api(`/tailnet/${name}/acl`, { token: tokenOf(role) });
        expect([answer.status, answer.json]).toEqual([404, { message: "tailnet not found" }]);
      }
    },
  );

  it("comes after the token: without one it tells nothing", async () => {
    expect((await api("/tailnet/example.com/devices")).status).toBe(401);
  });
});

describe("every answer", () => {
  it.each([
    ["GET", "/"],
    ["GET", "/nothing"],
    ["GET", "/tailnet/-/nothing"],
    ["GET", "/tailnet//devices"],
    ["GET", "/device/1/nothing"],
    ["GET", "/device/"],
    ["POST", "/device/a/b/c/d"],
  ])("is JSON with a message for the unknown path %s %s", async (method, path) => {
    const answer = await api(path, { method, token: tokenOf("admin") });
    expect([answer.status, answer.json]).toEqual([404, { message: "404 page not found" }]);
  });

  it.each([
    ["PUT", "/tailnet/-/devices", "GET, HEAD"],
    ["DELETE", "/tailnet/-/acl", "GET, HEAD, POST"],
    ["PATCH", "/device/1", "DELETE, GET, HEAD"],
    ["GET", "/device/1/authorized", "POST"],
    ["PATCH", "/tailnet/-/keys/kUnknownCNTRL", "DELETE, GET, HEAD, PUT"],
    ["GET", "/bootstrap", "POST"],
  ])("is JSON with a message for the wrong method %s %s", async (method, path, allow) => {
    const answer = await api(path, { method, token: tokenOf("admin") });
    expect([answer.status, answer.json]).toEqual([405, { message: "method not allowed" }]);
    expect(answer.headers.get("allow")?.split(", ").sort().join(", ")).toBe(allow);
  });

  it("carries a request id of ours and is not to be stored", async () => {
    const sent = { "x-request-id": "mine" };
    const ids = new Set<string>();
    for (const path of ["/tailnet/-/devices", "/device/999", "/nothing", "/openapi.json"]) {
      for (const token of [tokenOf("admin"), "wrong"]) {
        const { headers } = await api(path, { token, headers: sent });
        expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
        expect(headers.get("cache-control")).toContain("no-store");
        expect(headers.get("content-type")).toContain("application/json");
        ids.add(headers.get("x-request-id") ?? "");
      }
    }
    expect(ids.size).toBe(8);
  });

  it("is described by an OpenAPI 3.1 document with schemas of devices, keys and errors", async () => {
    const { json } = await api("/openapi.json");
    expect(json.openapi).toBe("3.1.0");
    expect(Object.keys(json.components.schemas)).toEqual(
      expect.arrayContaining(["Device", "DeviceRoutes", "Key", "Error", "User"]),
    );
    const listed = json.paths["/tailnet/{tailnet}/devices"].get;
    expect(listed.operationId).toBe("listDevices");
    expect(listed.security).toEqual([{ bearer: [] }, { basic: [] }]);
    expect(listed.responses.default.content["application/json"].schema).toEqual({ $ref: "#/components/schemas/Error" });
  });
});
