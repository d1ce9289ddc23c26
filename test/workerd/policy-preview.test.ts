// Previews of a policy file through the public API: what is answered for a user, a tag and an address, and what is refused.
import { beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_POLICY } from "../../worker/policy/authority.ts";
import { api, node, person, seed } from "./support/api.ts";

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
