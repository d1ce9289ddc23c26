// Who may give which tags (api-v2.md 1.7): every operation that takes tags, by every kind of caller, for every relation
// between the caller and the tag. The table is written down apart from the code under test.
import { beforeAll, describe, expect, it } from "vitest";
import type { Role } from "../../worker/policy/engine.ts";
import { api, type Call, node, type Person, type Program, person, policyPut, program, seed } from "./support/api.ts";

const POLICY = JSON.stringify({
  groups: { "group:web": ["member-106@example.com"] },
  tagOwners: {
    "tag:own": [],
    "tag:owned": ["tag:own"],
    "tag:deep": ["tag:owned"],
    "tag:personal": ["member-106@example.com"],
    "tag:group": ["group:web"],
    "tag:other": ["tag:another"],
    "tag:another": [],
  },
});

/** Requested tags, and who may give them beside owners, admins and network admins, who may give all that are defined. */
const TAGS: readonly { readonly tags: readonly string[]; readonly credential: boolean; readonly person: boolean }[] = [
  { tags: ["tag:own"], credential: true, person: false },
  { tags: ["tag:owned"], credential: true, person: false },
  { tags: ["tag:deep"], credential: false, person: false }, // ownership is one step (policy.md 8)
  { tags: ["tag:own", "tag:owned"], credential: true, person: false },
  { tags: ["tag:personal"], credential: false, person: true },
  { tags: ["tag:group"], credential: false, person: true },
  { tags: ["tag:other"], credential: false, person: false },
  { tags: ["tag:own", "tag:other"], credential: false, person: false },
  { tags: ["tag:personal", "tag:other"], credential: false, person: false },
];
const UNDEFINED = ["tag:nowhere"];

/** Operations that take tags: a request for some, and the scope that it needs. */
const REQUESTS: Readonly<
  Record<string, { scope: string; call: (tags: readonly string[]) => readonly [string, Call] }>
> = {
  setDeviceTags: {
    scope: "devices:core",
    call: (tags) => ["/device/1/tags", { body: { tags } }],
  },
  createAuthKey: {
    scope: "auth_keys",
    call: (tags) => ["/tailnet/-/keys", { body: { capabilities: { devices: { create: { tags } } } } }],
  },
  createOAuthClient: {
    scope: "oauth_keys",
    call: (tags) => ["/tailnet/-/keys", { body: { keyType: "client", scopes: ["oauth_keys"], tags } }],
  },
  putService: {
    scope: "services",
    call: (tags) => [
      "/tailnet/-/services/svc:tagged",
      { method: "PUT", body: { name: "svc:tagged", ports: ["tcp:443"], tags } },
    ],
  },
};
const SCOPES = [...Object.values(REQUESTS).map(({ scope }) => scope), "all"];
const names = Object.keys(REQUESTS);

const programs = new Map<string, Program>();
const people = new Map<Role, Person>();
const ROLES: readonly Role[] = ["owner", "admin", "network-admin", "member"];

beforeAll(async () => {
  for (const [i, role] of (["owner", "admin", "network-admin"] as const).entries())
    people.set(role, await person(101 + i, role));
  people.set("member", await person(106, "member"));
  for (const scope of SCOPES) programs.set(scope, program([scope], ["tag:own"]));
  await seed(policyPut(POLICY), ...[...programs.values()].flatMap(({ changes }) => changes));
});

async function ask(name: string, tags: readonly string[], token: string): Promise<number> {
  await seed({ type: "node-put", node: node(1, { tags: ["tag:another"] }) });
  const [path, call] = REQUESTS[name]?.call(tags) ?? ["", {}];
  const { status, json } = await api(path, { ...call, token });
  if (status >= 400) expect(typeof json.message).toBe("string");
  return status;
}

describe("a credential with the tag tag:own", () => {
  const cases = names.flatMap((name) => SCOPES.flatMap((scope) => TAGS.map((each) => ({ name, scope, ...each }))));

  it.each(cases)("asks $name for $tags, with the scope $scope", async ({ name, scope, tags, credential }) => {
    const needed = REQUESTS[name]?.scope;
    const status = await ask(name, tags, programs.get(scope)?.token ?? "");
    expect(status).toBe(scope !== needed && scope !== "all" ? 403 : credential ? 200 : 400);
  });

  it.each(names)("asks %s for a tag that is not defined", async (name) => {
    expect(await ask(name, UNDEFINED, programs.get("all")?.token ?? "")).toBe(400);
  });
});

describe("a person", () => {
  const cases = names.flatMap((name) => ROLES.flatMap((role) => TAGS.map((each) => ({ name, role, ...each }))));

  it.each(cases)("asks $name for $tags, as $role", async ({ name, role, tags, person: isOwner }) => {
    const status = await ask(name, tags, people.get(role)?.token ?? "");
    const isAdmin = role === "owner" || role === "admin";
    const mayAsk = isAdmin || (role === "network-admin" ? name !== "createOAuthClient" : name === "createAuthKey");
    expect(status).toBe(!mayAsk ? 403 : role !== "member" || isOwner ? 200 : 400);
  });

  it.each(names)("asks %s for a tag that is not defined", async (name) => {
    expect(await ask(name, UNDEFINED, people.get("owner")?.token ?? "")).toBe(400);
  });
});
