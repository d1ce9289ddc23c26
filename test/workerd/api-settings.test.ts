// Tailnet settings, contacts and posture integrations through the public API.
import { beforeAll, describe, expect, it } from "vitest";
import { api, type Person, person } from "./support/api.ts";
import { connect, device, join, registerBody, theOwner } from "./support/tailnet.ts";

let admin: Person;
let networkAdmin: Person;
let member: Person;

beforeAll(async () => {
  await theOwner();
  admin = await person(500, "admin");
  networkAdmin = await person(501, "network-admin");
  member = await person(502, "member");
});

const settings = async (by = admin) => (await api("/tailnet/-/settings", { token: by.token })).json;
const change = async (body: unknown, by = admin) =>
  await api("/tailnet/-/settings", { method: "PATCH", body, token: by.token });

const FRESH = {
  aclsExternallyManagedOn: false,
  aclsExternalLink: "",
  devicesApprovalOn: false,
  devicesAutoUpdatesOn: false,
  devicesKeyDurationDays: 180,
  usersApprovalOn: false,
  usersRoleAllowedToJoinExternalTailnets: "admin",
  networkFlowLoggingOn: false,
  regionalRoutingOn: false,
  postureIdentityCollectionOn: false,
  httpsEnabled: false,
};

describe("settings", () => {
  it("are whole, change one by one, and treat null as unchanged", async () => {
    expect(await settings()).toEqual(FRESH);
    const { status, json } = await change({
      aclsExternallyManagedOn: null,
      aclsExternalLink: null,
      devicesKeyDurationDays: 5,
      usersApprovalOn: true,
    });
    expect([status, json]).toEqual([200, { ...FRESH, devicesKeyDurationDays: 5, usersApprovalOn: true }]);
    expect(await settings()).toEqual(json);
    await change({ devicesKeyDurationDays: 180, usersApprovalOn: false });
  });

  it.each([
    { devicesKeyDurationDays: 0 },
    { devicesKeyDurationDays: 181 },
    { devicesKeyDurationDays: 1.5 },
    { devicesKeyDurationDays: "30" },
    { usersRoleAllowedToJoinExternalTailnets: "owner" },
    { aclsExternalLink: "javascript:alert(1)" },
    { aclsExternalLink: "x".repeat(3_000) },
    { httpsEnabled: "true" },
    { httpsEnabled: true, devicesKeyDurationDays: 0 },
  ])("refuse %j whole", async (body) => {
    const { status, json } = await change(body);
    expect([status, typeof json.message]).toEqual([400, "string"]);
    expect(await settings()).toEqual(FRESH);
  });

  it("show each caller those that it has a scope for, and let it change no others", async () => {
    expect(await settings(member)).toEqual({});
    expect(await settings(networkAdmin)).toEqual(FRESH);
    expect((await change({ httpsEnabled: true, devicesApprovalOn: true }, networkAdmin)).status).toBe(403);
    expect(await settings()).toEqual(FRESH);
    expect((await change({ httpsEnabled: true }, networkAdmin)).json.httpsEnabled).toBe(true);
    await change({ httpsEnabled: false });
  });

  it("reach connected clients at once", async () => {
    const { client, stream, first } = await join(device(910), "settings-client");
    const capabilities = (message: Record<string, unknown>) => (message.Node as { CapMap: object }).CapMap;
    expect(capabilities(first)).toMatchObject({ "default-auto-update": [false] });
    expect(capabilities(first)).not.toHaveProperty("https");
    await change({ httpsEnabled: true, devicesAutoUpdatesOn: true });
    const told = await client.message(stream, 1);
    expect(capabilities(told)).toMatchObject({ "default-auto-update": [true], https: null });
    const { Name } = told.Node as { Name: string };
    expect((told.DNSConfig as { CertDomains: string[] }).CertDomains).toEqual([Name.slice(0, -1)]);
    await change({ httpsEnabled: false, devicesAutoUpdatesOn: false });
    const undone = await client.message(stream, 2);
    expect(capabilities(undone)).not.toHaveProperty("https");
    expect(undone.DNSConfig).not.toHaveProperty("CertDomains");
  });

  it("decide about later logins: approval and life of keys", async () => {
    await change({ devicesApprovalOn: true, devicesKeyDurationDays: 1 });
    const created = await api("/tailnet/-/keys", {
      body: { capabilities: { devices: { create: { preauthorized: false } } } },
      token: admin.token,
    });
    const client = await connect(device(911));
    const answer = await client.call(
      "/machine/register",
      registerBody(device(911), "later", { Auth: { AuthKey: created.json.key } }),
    );
    expect(answer).toMatchObject({ Error: "", MachineAuthorized: false });
    const [found] = (await api("/tailnet/-/devices?hostname=later", { token: admin.token })).json.devices;
    expect(found.authorized).toBe(false);
    expect(Math.round((Date.parse(found.expires) - Date.parse(found.created)) / 3_600_000)).toBe(24);
    await change({ devicesApprovalOn: false, devicesKeyDurationDays: 180 });
  });
});

describe("contacts", () => {
  const contacts = async () => (await api("/tailnet/-/contacts", { token: admin.token })).json;
  const setContact = async (type: string, body: unknown) =>
    await api(`/tailnet/-/contacts/${type}`, { method: "PATCH", body, token: admin.token });

  it("read back at once", async () => {
    expect(await setContact("security", { email: "sec@example.com" })).toMatchObject({ status: 200, json: {} });
    expect((await contacts()).security).toEqual({ email: "sec@example.com", needsVerification: false });
  });

  it.each([
    ["security", { email: "nobody" }, 400],
    ["security", { email: "" }, 400],
    ["security", { email: `${"x".repeat(300)}@example.com` }, 400],
    ["security", { email: 'a@example.com"><script>' }, 400],
    ["security", {}, 400],
    ["unknown", { email: "a@example.com" }, 404],
    ["__proto__", { email: "a@example.com" }, 404],
  ])("%s %j is refused", async (type, body, status) => {
    const before = await contacts();
    expect(await setContact(type, body)).toMatchObject({ status, json: { message: expect.any(String) } });
    expect(await contacts()).toEqual(before);
  });

  it("never wait to be verified", async () => {
    const path = "/tailnet/-/contacts/security/resend-verification-email";
    expect(await api(path, { method: "POST", token: admin.token })).toMatchObject({ status: 400 });
  });
});

describe("posture integrations", () => {
  const PATH = "/tailnet/-/posture/integrations";
  const call = async (path: string, method: string, body?: unknown) =>
    await api(path, { method, ...(body !== undefined && { body }), token: admin.token });

  it("are made, changed, listed and removed without ever showing a secret", async () => {
    const made = await call(PATH, "POST", { provider: "falcon", cloudId: "us-1", clientSecret: "s3cr3t-value" });
    expect([made.status, made.json]).toMatchObject([200, { provider: "falcon", cloudId: "us-1" }]);
    expect(made.json).not.toHaveProperty("clientId");
    const one = `/posture/integrations/${made.json.id}`;
    expect((await call(PATH, "POST", { provider: "falcon", clientSecret: "x" })).status).toBe(409);
    expect((await call(one, "PATCH", { clientId: "abc", cloudId: "" })).json).toMatchObject({
      clientId: "abc",
      cloudId: "us-1",
    });
    expect((await call(one, "PATCH", { provider: "intune" })).status).toBe(400);
    expect((await call(PATH, "GET")).json.integrations).toHaveLength(1);
    expect((await call(one, "GET")).text).not.toContain("s3cr3t");
    expect((await call(one, "DELETE")).json).toEqual({});
    for (const method of ["GET", "DELETE"]) expect((await call(one, method)).status).toBe(404);
    expect((await call(PATH, "GET")).json).toEqual({ integrations: [] });
  });

  it.each([
    { provider: "unknown", clientSecret: "x" },
    { provider: "kolide" },
    { provider: "kolide", clientSecret: 7 },
    { clientSecret: "x" },
  ])("refuse %j", async (body) => {
    expect((await call(PATH, "POST", body)).status).toBe(400);
    expect((await call(PATH, "GET")).json).toEqual({ integrations: [] });
  });
});
