// Export and import of the whole tailnet through the public API: what comes out goes in, all of it or nothing.
import { reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { formatTransfer, parseTransfer, type TransferLine } from "../../worker/protocol/transfer/document.ts";
import { api, node, type Person, person, program, seed } from "./support/api.ts";
import { connect, device, mapBody, registerBody } from "./support/tailnet.ts";

let owner: Person;

beforeEach(async () => {
  await reset();
  owner = await person(100, "owner", { loginName: "ann@example.com" });
});

const call = async (path: string, method = "GET", body?: unknown, by = owner) =>
  await api(path, { method, ...(body !== undefined && { body }), token: by.token });
const exported = async (by = owner) => (await call("/tailnet/-/export", "GET", undefined, by)).text;
const imported = async (text: string, by = owner) => await call("/tailnet/-/import", "POST", text, by);
const publicKey = async () => await tailnetFor(env).publicKey();

/** A tailnet with something of every kind. */
async function furnish(): Promise<void> {
  const robot = program(["devices:core"], ["tag:ci"]);
  const bob = await person(101, "member", { loginName: "bob@example.com" });
  await seed(
    ...robot.changes,
    { type: "node-put", node: node(1, { userId: 100, name: "laptop", approvedRoutes: ["10.0.0.0/8"] }) },
    {
      type: "node-put",
      node: node(2, { tags: ["tag:ci"], attributes: { "custom:tier": { value: "prod", expiresAt: null } } }),
    },
  );
  await call(
    "/tailnet/-/acl",
    "POST",
    '{ "tagOwners": { "tag:ci": [] }, "grants": [{ "src": ["*"], "dst": ["*"], "ip": ["*"] }] } // kept',
  );
  await call("/tailnet/-/settings", "PATCH", { devicesApprovalOn: true, devicesKeyDurationDays: 7 });
  await call("/tailnet/-/dns/nameservers", "POST", { dns: ["192.0.2.53"] });
  await call("/tailnet/-/webhooks", "POST", {
    endpointUrl: "https://example.com/hook",
    subscriptions: ["nodeCreated"],
  });
  await call("/tailnet/-/vip-services/svc:web", "PUT", { name: "svc:web", ports: ["tcp:443"] });
  await call("/tailnet/-/user-invites", "POST", [{ email: "new@example.com" }]);
  await call("/tailnet/-/keys", "POST", { capabilities: { devices: { create: { reusable: true } } } }, bob);
}

/** A fresh deployment with its first administrator. */
async function fresh(): Promise<Person> {
  await reset();
  return await person(150, "owner", { loginName: "first@localhost" });
}

/** The lines of a file without those that an import changes on purpose. */
const essence = (text: string) =>
  parseTransfer(text).lines.filter(({ kind, record }) => kind !== "api-token" && !("session" === record.purpose));

describe("an import", () => {
  it("makes another deployment the exported tailnet, to the last record and under the same key", async () => {
    await furnish();
    const [text, key] = [await exported(), await publicKey()];
    const first = await fresh();
    expect(await publicKey()).not.toBe(key);
    expect(await imported(text, first)).toMatchObject({
      status: 200,
      json: { users: 2, devices: 2, alreadyImported: false },
    });
    expect(await publicKey()).toBe(key);
    expect(essence(await exported(first))).toEqual(essence(text));
    // The old tokens are good, that of the import is the owner's, and the first administrator is gone.
    expect((await call("/tailnet/-/users")).json.users.map((user: { loginName: string }) => user.loginName)).toEqual([
      "ann@example.com",
      "bob@example.com",
    ]);
    expect((await exported(owner)).length).toBeGreaterThan(1_000);
    const log = await call("/tailnet/-/logging/configuration?start=2020-01-01T00:00:00Z&end=2099-01-01T00:00:00Z");
    expect(log.json.logs.at(-1)).toMatchObject({
      action: "CREATE",
      actor: { loginName: "first@localhost" },
      target: { type: "TAILNET", property: "IMPORT" },
      new: { users: 2, devices: 2 },
    });
  });

  it("lets clients go on: the same keys, no new login", async () => {
    const laptop = device(930);
    const { key } = (await call("/tailnet/-/keys", "POST", { capabilities: { devices: { create: {} } } })).json;
    await (await connect(laptop)).call("/machine/register", registerBody(laptop, "laptop", { Auth: { AuthKey: key } }));
    const text = await exported();
    const first = await fresh();
    const stray = await connect(device(931));
    await stray.call("/machine/register", registerBody(device(931), "stray"));
    expect((await imported(text, first)).status).toBe(200);
    const client = await connect(laptop);
    const stream = await client.request("POST", "/machine/map", mapBody(laptop));
    const map = await client.message(stream, 0);
    expect(map).toMatchObject({ Node: { Name: expect.stringMatching(/^laptop\./), MachineAuthorized: true } });
    const [known] = (await call("/tailnet/-/devices")).json.devices;
    expect(known).toMatchObject({ hostname: "laptop", connectedToControl: true });
  });

  it("of the same file again changes nothing and says so", async () => {
    await furnish();
    const text = await exported();
    const first = await fresh();
    await imported(text, first);
    await call("/tailnet/-/settings", "PATCH", { devicesApprovalOn: false }, first);
    expect((await imported(text, first)).json).toEqual({ users: 2, devices: 2, alreadyImported: true });
    expect((await call("/tailnet/-/settings", "GET", undefined, first)).json.devicesApprovalOn).toBe(false);
    expect((await imported(`${text}\n`, first)).status).toBe(409);
  });

  it("without an owner leaves the tailnet to whoever imports", async () => {
    await furnish();
    const { lines } = parseTransfer(await exported());
    const first = await fresh();
    const without = lines.map((line) =>
      line.kind === "user" ? { ...line, record: { ...line.record, role: "member" } } : line,
    );
    const header = { exportedAt: "", tailnet: "", magicDnsSuffix: "" };
    expect((await imported(formatTransfer(header, without), first)).json).toMatchObject({ users: 3, devices: 2 });
    const { users } = (await call("/tailnet/-/users", "GET", undefined, first)).json;
    expect(users.map((user: { role: string }) => user.role)).toEqual(["member", "member", "owner"]);
  });

  it("is refused where there is a device or a second user, and by all but the owner", async () => {
    const text = await exported();
    await seed({ type: "node-put", node: node(1, { userId: 100 }) });
    expect(await imported(text)).toMatchObject({
      status: 409,
      json: { message: expect.stringContaining("1 devices") },
    });
    const first = await fresh();
    const admin = await person(101, "admin");
    expect((await imported(text, first)).status).toBe(409);
    expect((await imported(text, admin)).status).toBe(403);
    expect((await call("/tailnet/-/export", "GET", undefined, admin)).status).toBe(403);
    const robot = program(["all"]);
    await seed(...robot.changes);
    expect((await api("/tailnet/-/export", { token: robot.token })).status).toBe(403);
  });
});

describe("a bad file", () => {
  type Edit = (lines: TransferLine[]) => readonly TransferLine[];
  const edit =
    (kind: string, change: (record: Record<string, unknown>) => object): Edit =>
    (lines) =>
      lines.map((line): TransferLine => {
        if (line.kind !== kind) return line;
        return { kind: line.kind, record: { ...line.record, ...change(line.record) } };
      });
  const without =
    (kind: string): Edit =>
    (lines) =>
      lines.filter((line) => line.kind !== kind);
  const twice =
    (kind: string): Edit =>
    (lines) =>
      lines.flatMap((line) => (line.kind === kind ? [line, line] : [line]));

  it.each<[string, Edit]>([
    ["without a private key", without("private-key")],
    ["with a private key that is none", edit("private-key", () => ({ hex: "00" }))],
    ["without settings", without("settings")],
    ["with settings of the wrong type", edit("settings", () => ({ isHttpsOn: "yes" }))],
    ["with two policies", twice("policy")],
    ["with a policy that does not compile", edit("policy", () => ({ text: '{ "acls": [{ "action": "maybe" }] }' }))],
    ["without users", without("user")],
    ["with two owners", edit("user", () => ({ role: "owner" }))],
    ["with a user twice", twice("user")],
    ["with a node twice", twice("node")],
    ["with nodes that share an address", edit("node", () => ({ ipv4: "100.64.0.9" }))],
    ["with nodes that share a key", edit("node", () => ({ nodeKey: `nodekey:${"a".repeat(64)}` }))],
    ["with a node that has user and tags", edit("node", () => ({ userId: 100, tags: ["tag:ci"] }))],
    ["with a node of nobody", edit("node", () => ({ userId: 999, tags: [] }))],
    ["with a node name that is none", edit("node", () => ({ name: "a.b" }))],
    ["with a node key that is none", edit("node", () => ({ nodeKey: "nodekey:x" }))],
    ["with counters in use", edit("counters", () => ({ nextNodeId: 1 }))],
    ["with a token of nobody", edit("api-token", () => ({ userId: 999 }))],
    ["with an access token of no credential", without("credential")],
    ["with a hash that is none", edit("api-token", () => ({ hash: "plain" }))],
    ["with a record of an unknown collection", edit("record", () => ({ collection: "__proto__" }))],
  ])("%s is refused, and nothing is changed", async (_, change) => {
    await furnish();
    const { header, lines } = parseTransfer(await exported());
    const first = await fresh();
    const before = await exported(first);
    const answer = await imported(formatTransfer(header, change(lines)), first);
    expect(answer).toMatchObject({ status: 400, json: { message: expect.any(String) } });
    expect(essence(await exported(first))).toEqual(essence(before));
  });

  it.each(["", "{}", "[]", "null", "\u0000", '{"format":"flarescale-tailnet","version":1}', "x".repeat(100_000)])(
    "that is none is refused: %j",
    async (text) => {
      expect((await imported(text.slice(0, 100_000))).status).toBe(400);
    },
  );

  it("that fails to be stored changes nothing", async () => {
    await furnish();
    const text = await exported();
    const first = await fresh();
    const before = await exported(first);
    await runInDurableObject(tailnetFor(env), (_, { storage }) => {
      storage.sql.exec("create trigger refuse before insert on nodes begin select raise(abort, 'no'); end");
    });
    expect((await imported(text, first)).status).toBe(500);
    expect(essence(await exported(first))).toEqual(essence(before));
    await runInDurableObject(tailnetFor(env), (_, { storage }) => {
      storage.sql.exec("drop trigger refuse");
    });
    expect((await imported(text, first)).status).toBe(200);
  });
});
