// The history of the policy file, and a stored file that this code no longer takes.
import { exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { api, ORIGIN, policyPut, seed } from "./support/api.ts";
import { device, join, ownerWithToken } from "./support/tailnet.ts";

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
