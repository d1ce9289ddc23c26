// What of a registration only the whole object can show: an old client's connection, several that come at once, and what
// is due while it sleeps.
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { EPHEMERAL_GRACE_MS } from "../../worker/tailnet/deadlines.ts";
import { authKey, connect, device, evict, join, mapBody, registerBody, storedNodes } from "./support/tailnet.ts";

describe("a client that is too old", () => {
  it("is told so in words, whatever it brings, and makes nothing", async () => {
    const client = await connect(device(1), { version: 112 });
    const register = registerBody(device(1), "old", { Version: 112, Auth: { AuthKey: await authKey() } });
    const answer = await client.call("/machine/register", register);
    expect(answer.Error).toMatch(/too old.*1\.80/);
    expect(answer).toMatchObject({ AuthURL: "", MachineAuthorized: false });
    expect(await storedNodes()).toEqual([]);
    const { status } = await client.response(
      await client.request("POST", "/machine/map", mapBody(device(1), { Version: 112 })),
    );
    expect(status).toBe(404);
    expect(await client.call("/machine/register", { ...register, Version: 113 })).toMatchObject({ Error: "" });
  });
});

describe("a client that needs a person", () => {
  it("is shown the same page when it asks the same again, also when its object has slept", async () => {
    const client = await connect(device(2), { beforeSend: evict });
    const register = registerBody(device(2), "patient", {
      Hostinfo: { OS: "linux", Hostname: "patient", Userspace: true },
    });
    const { AuthURL } = await client.call("/machine/register", register);
    expect(AuthURL).toMatch(/\/a\/[0-9A-Za-z]{32}$/);
    expect(await client.call("/machine/register", register)).toMatchObject({ AuthURL });
    const other = await client.call("/machine/register", { ...register, Hostinfo: { OS: "linux", Hostname: "other" } });
    expect(other.AuthURL).not.toBe(AuthURL);
  });
});

describe("a key for one node", () => {
  it("makes one when several machines bring it at once, and says so to the others", async () => {
    const AuthKey = await authKey({ isReusable: false });
    const machines = Array.from({ length: 8 }, (_, i) => device(10 + i));
    const clients = await Promise.all(machines.map((machine) => connect(machine)));
    const answers = await Promise.all(
      clients.map((client, i) =>
        client.call("/machine/register", registerBody(device(10 + i), `racer-${i}`, { Auth: { AuthKey } })),
      ),
    );
    expect(answers.map(({ Error: refusal }) => String(refusal)).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      "",
      ...Array(7).fill("auth key already used"),
    ]);
    expect((await storedNodes()).filter(({ name }) => String(name).startsWith("racer-"))).toHaveLength(1);
  });
});

describe("an ephemeral node", () => {
  it("is removed by the alarm of an object that slept since it left, and comes back as a new one", async () => {
    const witness = await join(device(30), "witness");
    const AuthKey = await authKey({ isEphemeral: true });
    const register = registerBody(device(31), "fleeting", { Auth: { AuthKey } });
    const client = await connect(device(31));
    expect(await client.call("/machine/register", register)).toMatchObject({ Error: "" });
    const { Node } = await client.message(await client.request("POST", "/machine/map", mapBody(device(31))), 0);
    const { ID } = Node as { ID: number };
    client.close();
    const leftAt = async () => (await storedNodes()).find(({ id }) => id === ID)?.disconnected_at;
    await expect.poll(leftAt).toEqual(expect.any(Number));
    await evict();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 60_000 });
    try {
      await runDurableObjectAlarm(tailnetFor(env)); // its grace is over: it is offline
      await evict();
      vi.setSystemTime(Date.now() + EPHEMERAL_GRACE_MS);
      await runDurableObjectAlarm(tailnetFor(env));
      expect((await storedNodes()).map(({ id }) => id)).not.toContain(ID);
      const removed = () =>
        witness.client.messages(witness.stream).some(({ PeersRemoved }) => String(PeersRemoved) === `${ID}`);
      await witness.client.until(removed, "the news that it is gone");
    } finally {
      vi.useRealTimers();
    }
    const again = await connect(device(31));
    expect(await again.call("/machine/register", register)).toMatchObject({ Error: "" });
    const row = (await storedNodes()).find(({ name }) => name === "fleeting");
    expect(Number(row?.id)).toBeGreaterThan(ID);
  });
});
