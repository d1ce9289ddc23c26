// Invites and approval of people through the public API and the page behind an invite's link.
import { beforeAll, describe, expect, it } from "vitest";
import { api, node, type Person, person, program, seed } from "./support/api.ts";
import { Browser } from "./support/browser.ts";
import { connect, device, mapBody, registerBody, theOwner } from "./support/tailnet.ts";

const INVITES = "/tailnet/-/user-invites";
let admin: Person;
let itAdmin: Person;

beforeAll(async () => {
  await theOwner();
  admin = await person(500, "admin");
  itAdmin = await person(501, "it-admin");
  await seed({ type: "node-put", node: node(900, { userId: 500 }) });
});

const call = async (path: string, method: string, body?: unknown, by = admin) =>
  await api(path, { method, ...(body !== undefined && { body }), token: by.token });
const invite = async (spec: object, by = admin) => (await call(INVITES, "POST", [spec], by)).json[0];
const setApproval = async (usersApprovalOn: boolean) => await call("/tailnet/-/settings", "PATCH", { usersApprovalOn });

/** Accepts an invite as a person would. */
async function accept(url: string, loginName = "") {
  const browser = new Browser();
  const path = new URL(url).pathname;
  const { formToken, html: form } = await browser.get(path);
  const answer = await browser.post(path, { form_token: formToken, login_name: loginName });
  return { browser, form, ...answer, token: /tskey-api-k\w+-\w+/.exec(answer.html)?.[0] ?? "" };
}

const userNamed = async (loginName: string) =>
  (await call("/tailnet/-/users", "GET")).json.users.find(
    (user: { loginName: string }) => user.loginName === loginName,
  );

describe("an invite", () => {
  it("is made with a link that is never shown again, and withdrawn", async () => {
    const made = await invite({ email: "cy@example.com", role: "auditor" });
    expect(made).toEqual({
      id: expect.stringMatching(/^\d{1,15}$/),
      role: "auditor",
      tailnetId: expect.any(Number),
      inviterId: 500,
      email: "cy@example.com",
      inviteUrl: expect.stringMatching(/^https:\/\/flarescale\.example\/invite\/[0-9A-Za-z]{32}$/),
    });
    const { inviteUrl, ...shown } = made;
    expect((await call(INVITES, "GET")).json).toEqual([shown]);
    expect((await call(`/user-invites/${made.id}`, "GET")).json).toEqual(shown);
    expect(await call(`/user-invites/${made.id}/resend`, "POST")).toMatchObject({
      status: 400,
      json: { message: expect.stringContaining("no mail") },
    });
    expect((await call(`/user-invites/${made.id}`, "DELETE")).json).toEqual({});
    for (const [method, suffix] of [
      ["GET", ""],
      ["DELETE", ""],
      ["POST", "/resend"],
    ] as const) {
      expect((await call(`/user-invites/${made.id}${suffix}`, method)).status).toBe(404);
    }
    expect((await new Browser().get(new URL(inviteUrl).pathname)).status).toBe(404);
  });

  it("makes its person a user once, with a token to sign in by, and is told in the audit log", async () => {
    const { inviteUrl } = await invite({ email: "Dora@Example.com", role: "network-admin" });
    const accepted = await accept(inviteUrl, "somebody.else@example.com");
    expect(accepted.form).toContain("Dora@Example.com");
    expect(accepted.status).toBe(200);
    expect(await userNamed("dora@example.com")).toMatchObject({ role: "network-admin", status: "active" });
    expect((await api("/tailnet/-/devices", { token: accepted.token })).status).toBe(200);
    expect((await new Browser().get(new URL(inviteUrl).pathname)).status).toBe(404);
    expect((await accepted.browser.get("/")).status).toBe(200);
    const log = await call(
      "/tailnet/-/logging/configuration?start=2020-01-01T00:00:00Z&end=2099-01-01T00:00:00Z",
      "GET",
    );
    const about = log.json.logs.map((entry: { target: { type: string; name: string }; action: string }) => [
      entry.target.type,
      entry.target.name,
      entry.action,
    ]);
    expect(about).toContainEqual(["INVITE", "Dora@Example.com", "ACCEPT"]);
    expect(about).toContainEqual(["USER", "dora@example.com", "CREATE"]);
    expect(log.text).not.toContain(inviteUrl.split("/").at(-1));
  });

  it.each([
    [[]],
    [[{ role: "owner" }]],
    [[{ email: "not an address" }]],
    [{ email: "x@example.com" }],
    [Array.from({ length: 101 }, () => ({}))],
  ])("is refused with %j, and nothing is made", async (body) => {
    expect((await call(INVITES, "POST", body)).status).toBe(400);
    expect((await call(INVITES, "GET")).json).toEqual([]);
  });

  it("for somebody who is here already makes none of a request", async () => {
    const { status } = await call(INVITES, "POST", [{ email: "new@example.com" }, { email: admin.user.loginName }]);
    expect(status).toBe(409);
    expect((await call(INVITES, "GET")).json).toEqual([]);
  });

  it("is for people to make: an IT administrator makes no administrators, a program makes none at all", async () => {
    expect((await call(INVITES, "POST", [{ role: "admin" }], itAdmin)).status).toBe(403);
    const { id } = await invite({ role: "member" }, itAdmin);
    const robot = program(["all"]);
    await seed(...robot.changes);
    expect((await api(INVITES, { token: robot.token })).status).toBe(200);
    expect((await api(INVITES, { body: [{}], token: robot.token })).status).toBe(403);
    expect((await api(`/user-invites/${id}`, { method: "DELETE", token: robot.token })).status).toBe(403);
    await call(`/user-invites/${id}`, "DELETE");
  });

  it.each(["", "nobody", "a b@example.com", `${"x".repeat(300)}@example.com`])(
    "is not used up by the login name %j",
    async (loginName) => {
      const { id, inviteUrl } = await invite({});
      expect((await accept(inviteUrl, loginName)).status).toBe(400);
      expect((await call(`/user-invites/${id}`, "GET")).status).toBe(200);
      await call(`/user-invites/${id}`, "DELETE");
    },
  );

  it("is not accepted by a form of another browser", async () => {
    const { id, inviteUrl } = await invite({ email: "eve@example.com" });
    const path = new URL(inviteUrl).pathname;
    const { formToken } = await new Browser().get(path);
    expect((await new Browser().post(path, { form_token: formToken })).status).toBe(403);
    expect((await call(`/user-invites/${id}`, "DELETE")).status).toBe(200);
  });
});

describe("approval of users", () => {
  it("holds back whoever comes by an open link, their token and their devices, until they are approved", async () => {
    await setApproval(true);
    const { inviteUrl } = await invite({ role: "admin" });
    const { token, html, browser } = await accept(inviteUrl, "gus@example.com");
    expect(html).toContain("has to approve you");
    const gus = await userNamed("gus@example.com");
    expect(gus.status).toBe("needs-approval");
    expect((await api("/tailnet/-/devices", { token })).status).toBe(401);

    const client = await connect(device(920));
    const asked = await client.call("/machine/register", registerBody(device(920), "gus-laptop"));
    const page = new URL(asked.AuthURL as string).pathname;
    const { formToken } = await browser.get(page);
    expect((await browser.post(`${page}/approve`, { form_token: formToken })).status).toBe(200);
    const again = registerBody(device(920), "gus-laptop", { Followup: asked.AuthURL as string });
    expect(await client.call("/machine/register", again)).toMatchObject({ Error: "", MachineAuthorized: false });

    expect((await call(`/users/${gus.id}/approve`, "POST")).json).toEqual({});
    expect((await userNamed("gus@example.com")).status).toBe("active");
    expect((await api("/tailnet/-/devices", { token })).status).toBe(200);
    expect(await client.call("/machine/register", registerBody(device(920), "gus-laptop"))).toMatchObject({
      Error: "",
      MachineAuthorized: true,
    });
    await setApproval(false);
  });

  it("is given with an invite for an address", async () => {
    await setApproval(true);
    const { inviteUrl } = await invite({ email: "hal@example.com" });
    await accept(inviteUrl);
    expect((await userNamed("hal@example.com")).status).toBe("active");
    await setApproval(false);
  });
});

describe("a deleted user", () => {
  it("is gone with their devices, whose clients are told, and their tokens", async () => {
    const { inviteUrl } = await invite({ email: "ivy@example.com" });
    const { token } = await accept(inviteUrl);
    const ivy = await userNamed("ivy@example.com");
    const body = { capabilities: { devices: { create: { reusable: true } } } };
    const { key } = (await api("/tailnet/-/keys", { body, token })).json;
    const client = await connect(device(921));
    await client.call("/machine/register", registerBody(device(921), "ivy-laptop", { Auth: { AuthKey: key } }));
    const stream = await client.request("POST", "/machine/map", mapBody(device(921)));
    await client.message(stream, 0);
    expect((await userNamed("ivy@example.com")).deviceCount).toBe(1);

    expect((await call(`/users/${ivy.id}/delete`, "POST", undefined, itAdmin)).json).toEqual({});
    expect((await api("/tailnet/-/devices", { token })).status).toBe(401);
    expect((await call(`/users/${ivy.id}`, "GET")).status).toBe(404);
    expect((await call("/tailnet/-/devices?hostname=ivy-laptop", "GET")).json.devices).toEqual([]);
    await client.response(stream); // it ends
    const rejoined = await client.call("/machine/register", registerBody(device(921), "x", { Auth: { AuthKey: key } }));
    expect(rejoined.Error).toBe("invalid auth key");
    expect((await call(`/users/${ivy.id}/delete`, "POST")).status).toBe(404);
    expect((await call(`/users/${admin.user.stableId}/delete`, "POST", undefined, itAdmin)).status).toBe(403);
    expect((await call(`/users/${admin.user.stableId}/delete`, "POST")).status).toBe(403);
  });
});

describe("the invites of a device", () => {
  it("are none", async () => {
    expect((await call("/device/900/device-invites", "GET")).json).toEqual([]);
    expect((await call("/device/999/device-invites", "GET")).status).toBe(404);
  });
});
