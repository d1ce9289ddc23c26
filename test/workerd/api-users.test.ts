// Users through the public API (api-v2.md 2.9).
import { beforeAll, expect, it } from "vitest";
import { api, node, type Person, person, seed } from "./support/api.ts";

let owner: Person;
let admin: Person;
let member: Person;

beforeAll(async () => {
  owner = await person(100, "owner");
  admin = await person(101, "admin");
  member = await person(102, "member");
  await seed({ type: "node-put", node: node(1, { userId: 102, lastSeenAt: 1_700_000_500_000 }) });
});

const post = async (id: string, action: string, by: Person, body?: unknown) =>
  await api(`/users/${id}/${action}`, { method: "POST", body, token: by.token });
const get = async (person: Person) => (await api(`/users/${person.user.stableId}`, { token: admin.token })).json;

it("shows a user with exactly its fields, by either id, and filters the list", async () => {
  expect(await get(member)).toEqual({
    id: member.user.stableId,
    displayName: "member",
    loginName: member.user.loginName,
    profilePicUrl: "",
    tailnetId: expect.stringMatching(/^T[0-9A-Za-z]{11}CNTRL$/),
    created: "2023-11-14T22:13:20Z",
    type: "member",
    role: "member",
    status: "idle",
    deviceCount: 1,
    lastSeen: "2023-11-14T22:21:40Z",
    currentlyConnected: false,
  });
  expect((await api("/users/102", { token: admin.token })).json.id).toBe(member.user.stableId);
  const listed = async (query: string) => {
    const { json } = await api(`/tailnet/-/users${query}`, { token: admin.token });
    return json.users.map(({ role }: { role: string }) => role);
  };
  expect(await listed("")).toEqual(["owner", "admin", "member"]);
  expect(await listed("?role=admin&type=all")).toEqual(["admin"]);
  expect(await listed("?type=shared")).toEqual([]);
  expect(await listed("?type=&role=")).toEqual(["owner", "admin", "member"]); // as the Terraform provider asks
  expect((await api("/tailnet/-/users?role=king", { token: admin.token })).status).toBe(400);
  expect((await api("/users/uUnknownCNTRL", { token: admin.token })).status).toBe(404);
});

it("suspends a user with their tokens, and restores both", async () => {
  const id = member.user.stableId;
  expect((await post(id, "suspend", admin)).json).toEqual({});
  expect((await api("/tailnet/-/devices", { token: member.token })).status).toBe(401);
  expect((await get(member)).status).toBe("suspended");
  expect((await post(id, "restore", admin)).json).toEqual({});
  expect((await api("/tailnet/-/devices", { token: member.token })).status).toBe(200);
  expect((await post(id, "approve", admin)).json).toEqual({});
});

it("gives roles, but neither to oneself nor the owner's", async () => {
  expect((await post(member.user.stableId, "role", admin, { role: "auditor" })).status).toBe(200);
  expect((await get(member)).role).toBe("auditor");
  expect((await post(admin.user.stableId, "role", admin, { role: "member" })).status).toBe(403);
  expect((await post(owner.user.stableId, "suspend", admin)).status).toBe(400);
  expect((await post(member.user.stableId, "role", admin, { role: "owner" })).status).toBe(403);
  expect((await post(member.user.stableId, "role", admin, { role: "king" })).status).toBe(400);
});
