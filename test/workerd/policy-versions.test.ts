// The history of the policy file, and a stored file that this code no longer takes.
import { exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { api, node, ORIGIN, person, policyPut, seed } from "./support/api.ts";
import { device, evict, join, ownerWithToken } from "./support/tailnet.ts";

let token: string;

const path = "/tailnet/-/acl";
const save = async (text: string, headers = {}) => await api(path, { token, body: text, headers });
const versions = async () =>
  (await api(`${path}/versions`, { token })).json.versions as { id: string; author: string; isDefault: boolean }[];
const health = async () => await (await exports.default.fetch(`${ORIGIN}/health`)).json();

beforeAll(async () => {
  ({ token } = await ownerWithToken());
});

describe("versions", () => {
  const first = '{"grants": [], // first\n}';

  it("are kept with author and time, and brought back as a new version", async () => {
    await save(first);
    await save('{"grants": []} // second');
    const [second, one] = await versions();
    expect(one).toMatchObject({ author: "ann@example.com", isDefault: false });
    expect((await api(`${path}/versions/${one?.id}`, { token })).text).toBe(first);
    const restored = await api(`${path}/versions/${one?.id}/restore`, { method: "POST", token });
    expect([restored.status, restored.text]).toEqual([200, first]);
    expect((await api(path, { token })).text).toBe(first);
    expect((await versions()).map(({ id }) => id)).toEqual([
      String(Number(second?.id) + 1),
      ...[second, one].map((version) => version?.id),
    ]);
  });

  it("are brought back under a precondition alone when there is one", async () => {
    const [, one] = await versions();
    const restore = async (tag: string) =>
      await api(`${path}/versions/${one?.id}/restore`, { method: "POST", token, headers: { "if-match": tag } });
    expect((await restore('"0000"')).status).toBe(412);
    const tag = (await api(path, { token })).headers.get("etag") ?? "";
    expect((await restore(tag)).status).toBe(200);
  });

  it("are not found by other names", async () => {
    expect((await api(`${path}/versions/999999`, { token })).status).toBe(404);
    expect((await api(`${path}/versions/999999/restore`, { method: "POST", token })).status).toBe(404);
    expect((await api(`${path}/versions/x`, { token })).status).toBe(400);
  });
});

describe("a stored file that does not compile any more", () => {
  const stored = (text: string) => seed(policyPut(text, 1_700_000_000_000));

  it("leaves the last version that does in force, and says so everywhere until one is saved", async () => {
    await save('{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["tcp:22"]}]}');
    expect(await health()).toEqual({ status: "pass" });
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    await stored('{"grants": [{"src": ["group:gone"], "dst": ["*"], "ip": ["*"]}]}');
    expect(await health()).toEqual({ status: "warn", notes: [expect.stringContaining("is in force instead")] });
    expect(log).toHaveBeenCalledWith(expect.stringContaining("does not compile"));
    log.mockRestore();

    const { first } = await join(device(1), "laptop");
    expect(JSON.stringify(first.PacketFilters)).toContain('"First":22');
    const shown = await api(path, { token });
    expect(shown.text).toContain("group:gone");
    expect(shown.headers.get("warning")).toContain("does not compile");
    const details = (await api(`${path}?details=1`, { token })).json;
    expect(details.errors).toEqual([
      expect.stringContaining("is in force instead"),
      expect.stringMatching(/line 1, column \d+: .*group:gone/),
    ]);

    expect((await save('{"grants": []}')).status).toBe(200);
    expect(await health()).toEqual({ status: "pass" });
    expect((await api(path, { token })).headers.get("warning")).toBeNull();
  });
});

describe("a stored file whose users, domains and devices are gone", () => {
  const boss = { loginName: "boss@elsewhere.org" };
  const laptop = node(250, { userId: 200 });
  const file = JSON.stringify({
    grants: [
      { src: ["user:*@elsewhere.org"], dst: ["*"], ip: ["tcp:22"] },
      { src: ["*"], dst: ["*"], ip: ["tcp:25"] },
    ],
    tests: [{ src: "boss@elsewhere.org", accept: [`${laptop.ipv4}:22`] }],
  });

  it("stays in force, awake and after a restart, until somebody saves it again and is told", async () => {
    const { user } = await person(200, "admin", boss);
    await seed({ type: "node-put", node: laptop });
    expect((await save(file)).status).toBe(200);
    expect((await api("/device/250", { method: "DELETE", token })).status).toBe(200);
    expect((await api(`/users/${user.stableId}/role`, { body: { role: "member" }, token })).status).toBe(200);

    for (const [number, name] of [
      [2, "awake"],
      [3, "restarted"],
    ] as const) {
      const { first } = await join(device(number), name);
      expect(JSON.stringify(first.PacketFilters)).toContain('"First":25');
      expect(await health()).toEqual({ status: "pass" });
      const shown = await api(path, { token });
      expect([shown.text, shown.headers.get("warning")]).toEqual([file, null]);
      await evict();
    }

    const foreign = expect.stringContaining("elsewhere.org is not associated with this Tailnet");
    expect((await api(`${path}/validate`, { body: file, token })).json).toMatchObject({ message: foreign });
    const refused = await save(file);
    expect([refused.status, refused.json.message]).toEqual([400, foreign]);
    const failing = await save(file.replace("user:*@elsewhere.org", "boss@elsewhere.org"));
    expect([failing.status, failing.json.message]).toEqual([400, "test(s) failed"]);
    expect((await api(path, { token })).text).toBe(file);
  });
});
