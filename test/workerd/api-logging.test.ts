// The audit log through the public API: what was done by whom, found by time, actor, target and event.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { AuditLog } from "../../db/audit-log.ts";
import { MIGRATIONS } from "../../db/migrations.ts";
import { openDatabase } from "../../db/open.ts";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { api, node, type Person, person, seed } from "./support/api.ts";

const ACTOR = { id: "", type: "AUTOMATED_WORKER", loginName: "", displayName: "" } as const;
let admin: Person;

const call = async (path: string, method: string, body?: unknown) =>
  await api(path, { method, ...(body !== undefined && { body }), token: admin.token });

beforeAll(async () => {
  admin = await person(500, "admin");
  await seed({ type: "node-put", node: node(1, { userId: 500, name: "laptop" }) });
  await call("/tailnet/-/posture/integrations", "POST", { provider: "kolide", clientSecret: "hush-hush" });
  await call("/device/1", "DELETE");
});

describe("the audit log", () => {
  const read = async (query: string) => await call(`/tailnet/-/logging/configuration?${query}`, "GET");
  const always = "start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00%2B01:00";

  it("tells what was done by whom, and finds entries by actor, target and event", async () => {
    const { status, json } = await read(always);
    expect([status, json.version]).toEqual([200, "1.1"]);
    const made = json.logs.filter((entry: { target: { name: string } }) => entry.target.name === "kolide");
    expect(made).toEqual([
      {
        eventTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        type: "CONFIG",
        deferredAt: "0001-01-01T00:00:00Z",
        eventGroupID: expect.stringMatching(/^[0-9a-f]{32}$/),
        origin: "CONFIG_API",
        actor: { id: admin.user.stableId, type: "USER", loginName: admin.user.loginName, displayName: "admin" },
        target: { id: expect.any(String), name: "kolide", type: "TAILNET", property: "POSTURE_INTEGRATION" },
        action: "CREATE",
        new: expect.objectContaining({ provider: "kolide" }),
      },
    ]);
    expect(JSON.stringify(json)).not.toContain("hush-hush");
    const count = async (filter: string) => (await read(`${always}&${filter}`)).json.logs.length;
    expect(await count("event=NODE.DELETE")).toBe(1);
    expect(await count("target=LAPT")).toBe(1);
    expect(await count("event=TAILNET.CREATE.POSTURE_INTEGRATION&event=NODE.DELETE")).toBe(2);
    expect(await count("event=TAILNET.CREATE.POSTURE_INTEGRATION&target=laptop")).toBe(0);
    expect(await count("actor=~ADMIN-500")).toBe(json.logs.length);
    expect(await count("actor=uNobodyCNTRL")).toBe(0);
    expect((await read("start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z")).json.logs).toEqual([]);
  });

  it.each([
    "",
    "start=2020-01-01T00:00:00Z",
    "start=yesterday&end=2020-01-01T00:00:00Z",
    "start=2021-01-01T00:00:00Z&end=2020-01-01T00:00:00Z",
  ])("refuses %j", async (query) => {
    expect(await read(query)).toMatchObject({ status: 400, json: { message: expect.any(String) } });
  });

  it("has no twin for network flows, and says so", async () => {
    expect(
      await call("/tailnet/-/logging/network?start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z", "GET"),
    ).toMatchObject({ status: 404 });
  });

  it("comes whole and in order when it takes many readings, each bounded", async () => {
    const logged = (text: string) =>
      ({
        at: 1_800_000_000_000,
        groupId: "ab",
        origin: "CONTROL",
        actor: ACTOR,
        target: { id: "1", name: text, type: "TAILNET" },
        action: "UPDATE",
        after: "x".repeat(30_000),
      }) as const;
    const names = Array.from({ length: 230 }, (_, i) => `entry-${i}`);
    await runInDurableObject(tailnetFor(env), (_, { storage }) =>
      new AuditLog(openDatabase(storage, MIGRATIONS)).add(names.map(logged)),
    );
    const { json } = await read(`${always}&target=entry-`);
    expect(json.logs.map((entry: { target: { name: string } }) => entry.target.name)).toEqual(names);
    await runInDurableObject(tailnetFor(env), (_, { storage }) =>
      new AuditLog(openDatabase(storage, MIGRATIONS)).add(Array.from({ length: 400 }, () => logged("more"))),
    );
    expect(await read(always)).toMatchObject({ status: 400, json: { message: expect.stringContaining("less time") } });
  });
});
