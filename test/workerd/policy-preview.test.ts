// Previews of a policy file through the public API: which rules apply, what would change for whom, and what is refused.
import { beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_POLICY } from "../../worker/policy/authority.ts";
import { api, node, person, program, seed } from "./support/api.ts";

const ACL = "/tailnet/-/acl";
const FILE = `// A comment, so that lines count.
{
  "postures": {"posture:linux": ["node:os == 'linux'"]},
  "tagOwners": {"tag:db": ["autogroup:admin"]},
  "grants": [
    {"src": ["autogroup:admin"], "dst": ["tag:db"], "ip": ["tcp:5432"], "srcPosture": ["posture:linux"]},
    {"src": ["tag:db"], "dst": ["10.0.0.0/8"], "ip": ["*"], "via": ["tag:db"]},
    {"src": ["100.64.0.101"], "dst": ["tag:db"], "app": {"example.com/x": [{}]}},
  ],
}`;

const ADMIN_RULE = {
  users: ["autogroup:admin"],
  ports: ["tag:db:tcp:5432"],
  lineNumber: 6,
  postures: ["posture:linux"],
};
const POSTURES = { "posture:linux": ["node:os == 'linux'"] };

let token: string;

beforeAll(async () => {
  ({ token } = await person(100, "admin"));
  await seed(
    { type: "node-put", node: node(101, { userId: 100 }) },
    { type: "node-put", node: node(102, { tags: ["tag:db"] }) },
    { type: "node-put", node: node(103, { tags: ["tag:db"], isAuthorized: false }) },
  );
});

const preview = async (type: string, previewFor: string, body: unknown = FILE) => {
  const query = new URLSearchParams({ type, previewFor });
  return await api(`${ACL}/preview?${query.toString()}`, { body, method: "POST", token });
};

describe("a preview of a policy file", () => {
  it("names the rules of a user, by login name and by the addresses of devices", async () => {
    const answer = await preview("user", "admin-100@example.com");
    expect([answer.status, answer.json]).toEqual([
      200,
      {
        matches: [ADMIN_RULE, { users: ["100.64.0.101"], ports: ["tag:db"], lineNumber: 8 }],
        type: "user",
        previewFor: "admin-100@example.com",
        postures: POSTURES,
      },
    ]);
  });

  it("names the rules of a tag", async () => {
    expect((await preview("user", "tag:db")).json).toEqual({
      matches: [{ users: ["tag:db"], ports: ["10.0.0.0/8:*"], lineNumber: 7, via: ["tag:db"] }],
      type: "user",
      previewFor: "tag:db",
    });
  });

  it("names the rules that lead to an address and port of a node that takes part", async () => {
    const answer = { matches: [ADMIN_RULE], type: "ipport", postures: POSTURES };
    expect((await preview("ipport", "100.64.0.102:5432")).json).toEqual({ ...answer, previewFor: "100.64.0.102:5432" });
    const v6 = "[fd7a:115c:a1e0::66]:5432";
    expect((await preview("ipport", v6)).json).toEqual({ ...answer, previewFor: v6 });
    for (const other of ["100.64.0.102:22", "100.64.0.101:5432", "100.64.0.103:5432"]) {
      expect((await preview("ipport", other)).json).toEqual({ matches: [], type: "ipport", previewFor: other });
    }
  });

  it("knows the addresses of Services that a rule names", async () => {
    const service = { id: "svc1", name: "svc:web", ipv4: "100.64.7.7", ipv6: "fd7a:115c:a1e0::707", decisions: {} };
    await seed({ type: "record-put", collection: "services", record: service });
    const file = { grants: [{ src: ["*"], dst: ["svc:web"], ip: ["443"] }] };
    for (const [address, count] of [
      ["100.64.7.7:443", 1],
      ["100.64.7.8:443", 0],
    ] as const) {
      expect((await preview("ipport", address, file)).json.matches).toHaveLength(count);
    }
  });

  it("is of the file sent: it does not run tests, and nothing is saved", async () => {
    const failing = { grants: [], tests: [{ src: "admin-100@example.com", accept: ["100.64.0.102:22"] }] };
    expect((await preview("user", "admin-100@example.com", failing)).json.matches).toEqual([]);
    expect((await api(ACL, { token })).text).toBe(DEFAULT_POLICY);
  });

  it.each([
    ["group", "group:a", FILE, /^type: /],
    ["", "", FILE, /^type: /],
    ["user", "nobody", FILE, /^previewFor must be the login name of a user or a tag$/],
    ["ipport", "100.64.0.1", FILE, /^previewFor must be an address with a port, /],
    ["user", `${"a".repeat(600)}@example.com`, FILE, /^previewFor is longer than 512 characters$/],
    ["user", "a@example.com", "", /^line 1, column 1: /],
    ["user", "a@example.com", '{\n "acls": 7}', /^line 2, column 10: /],
  ])("refuses type %j, previewFor %j with 400", async (type, previewFor, body, message) => {
    const answer = await preview(type, previewFor, body);
    expect([answer.status, answer.json.message]).toEqual([400, expect.stringMatching(message)]);
  });

  it("refuses a query that says neither, and a file of more than 1 MiB", async () => {
    expect((await api(`${ACL}/preview`, { body: FILE, method: "POST", token })).status).toBe(400);
    expect((await preview("user", "a@example.com", `{}//${"x".repeat(1 << 20)}`)).status).toBe(413);
  });
});

describe("what a policy file would change", () => {
  const foresee = async (body: unknown, by = token) => await api(`${ACL}/changes`, { body, method: "POST", token: by });
  const NOBODY = { total: 0, devices: [] };
  const LAPTOP = { nodeId: node(101).stableId, name: "node-101.tail.internal" };
  const DB = { nodeId: node(102).stableId, name: "node-102.tail.internal" };
  const none = { gainedPeers: NOBODY, lostPeers: NOBODY, changedPeers: NOBODY };

  it("is nothing for the file in force", async () => {
    expect((await foresee(DEFAULT_POLICY)).json).toEqual(NOBODY);
    expect((await foresee("")).json).toEqual(NOBODY);
  });

  it("names the devices that lose and gain peers, filters and SSH rules, and the file in force stays", async () => {
    const answer = await foresee({ tagOwners: { "tag:db": [] }, grants: [] });
    const lost = { packetFilter: true, ssh: false, self: false };
    expect([answer.status, answer.json]).toEqual([
      200,
      {
        total: 2,
        devices: [
          { ...LAPTOP, ...none, ...lost, lostPeers: { total: 1, devices: [DB] }, ssh: true },
          { ...DB, ...none, ...lost, lostPeers: { total: 1, devices: [LAPTOP] } },
        ],
      },
    ]);
    expect((await api(ACL, { token })).text).toBe(DEFAULT_POLICY);
    expect((await foresee(DEFAULT_POLICY)).json).toEqual(NOBODY);
  });

  it("agrees with what comes once the file is saved: then nothing changes any more", async () => {
    const file = { tagOwners: { "tag:db": [] }, grants: [{ src: ["tag:db"], dst: ["tag:db"], ip: ["22"] }], ssh: [] };
    expect((await foresee(file)).json.total).toBe(2);
    expect((await api(ACL, { body: file, method: "POST", token })).status).toBe(200);
    expect((await foresee(file)).json).toEqual(NOBODY);
    const back = (await foresee("")).json.devices;
    expect(back).toMatchObject([
      { ...LAPTOP, gainedPeers: { total: 1, devices: [DB] } },
      { ...DB, gainedPeers: { total: 1, devices: [LAPTOP] } },
    ]);
    await api(ACL, { body: "", method: "POST", token });
  });

  it("takes routes into account that the file approves", async () => {
    const hostinfo = { Hostname: "router", OS: "linux", RoutableIPs: ["10.9.0.0/16"] };
    await seed({ type: "node-put", node: node(104, { tags: ["tag:db"], hostinfo, isOnline: true }) });
    const policy = JSON.stringify({
      tagOwners: { "tag:db": [] },
      grants: [{ src: ["*"], dst: ["*"], ip: ["*"] }],
      autoApprovers: { routes: { "10.0.0.0/8": ["tag:db"] } },
      ssh: [
        { action: "check", src: ["autogroup:member"], dst: ["autogroup:self"], users: ["autogroup:nonroot", "root"] },
      ],
    });
    const { devices } = (await foresee(policy)).json;
    const router = { nodeId: node(104).stableId, name: "node-104.tail.internal" };
    expect(devices).toHaveLength(3);
    for (const device of devices.slice(0, 2)) expect(device.changedPeers).toEqual({ total: 1, devices: [router] });
    expect(devices[2]).toMatchObject({ ...router, ...none, self: true });
  });

  it("shows names to those alone who may read devices", async () => {
    const reader = program(["policy_file:read"]);
    await seed(...reader.changes);
    const { status, text, json } = await foresee('{"grants": []}', reader.token);
    expect([status, json.total > 0]).toEqual([200, true]);
    expect(text).not.toContain("node-10");
  });

  it("is refused as the file would be", async () => {
    const failing = { grants: [], tests: [{ src: "admin-100@example.com", accept: ["100.64.0.102:22"] }] };
    const answer = await foresee(failing);
    expect([answer.status, answer.json.message, answer.json.data]).toEqual([
      400,
      "test(s) failed",
      [{ user: "admin-100@example.com", errors: ['address "100.64.0.102:22": want: Accept, got: Drop'] }],
    ]);
    expect((await foresee("{")).json.message).toMatch(/^line 1, column \d+: /);
    expect((await foresee(`{}//${"x".repeat(1 << 20)}`)).status).toBe(413);
  });
});

describe("who may reach what", () => {
  const ask = async (query: string, body: unknown = FILE, by = token) =>
    await api(`${ACL}/reach?${query}`, { body, method: "POST", token: by });
  const device = (id: number) => ({ nodeId: node(id).stableId, name: `node-${id}.tail.internal` });
  const OPEN = {
    tagOwners: { "tag:db": [] },
    grants: [{ src: ["autogroup:admin"], dst: ["tag:db"], ip: ["tcp:22,80-90"] }],
  };
  const access = (id: number) => [{ proto: "tcp", ports: ["22", "80-90"], dst: [node(id).ipv4, node(id).ipv6] }];

  it("is told from a user's devices to their peers, and the other way round", async () => {
    const to = [102, 104].map((id) => ({ ...device(id), access: access(id) }));
    const answer = await ask("from=admin-100@example.com", OPEN);
    expect([answer.status, answer.json]).toEqual([
      200,
      { total: 1, devices: [{ ...device(101), total: 2, peers: to }] },
    ]);
    expect((await ask(`from=${node(101).stableId}`, OPEN)).json).toEqual(answer.json);
    expect((await ask("to=tag:db", OPEN)).json).toEqual({
      total: 2,
      devices: [102, 104].map((id) => {
        return { ...device(id), total: 1, peers: [{ ...device(101), access: access(id) }] };
      }),
    });
    expect((await ask("to=101", OPEN)).json.devices).toEqual([{ ...device(101), total: 0, peers: [] }]);
  });

  it("is of the file in force when none is sent; and tests are not run", async () => {
    const { json } = await ask("from=101", "");
    expect(json.devices[0].peers[0].access).toEqual([{ ports: ["*"], dst: ["*"] }]);
    const failing = { ...OPEN, tests: [{ src: "admin-100@example.com", deny: ["100.64.0.102:22"] }] };
    expect((await ask("from=101", failing)).status).toBe(200);
    expect((await api(ACL, { token })).text).toBe(DEFAULT_POLICY);
  });

  it("is refused without a subject, for one that is not there and for a file that is wrong; names are for those who may see them", async () => {
    for (const query of ["", "from=1&to=2", `from=${"x".repeat(600)}`]) expect((await ask(query)).status).toBe(400);
    expect((await ask("from=999")).status).toBe(404);
    expect((await ask("from=nobody@example.com")).status).toBe(404);
    expect((await ask("from=101", "{")).json.message).toMatch(/^line 1, column \d+: /);
    const reader = program(["policy_file:read"]);
    await seed(...reader.changes);
    const { status, text, json } = await ask("from=101", OPEN, reader.token);
    expect([status, json.devices[0].total]).toEqual([200, 2]);
    expect(text).not.toMatch(/node-10|100\.64|fd7a/);
  });
});
