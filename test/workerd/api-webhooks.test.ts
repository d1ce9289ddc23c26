// Webhooks through the public API: endpoints, signed delivery, retries.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { createHmac } from "node:crypto";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { MIGRATIONS } from "../../db/migrations.ts";
import { openDatabase } from "../../db/open.ts";
import { WebhookQueue } from "../../db/webhook-queue.ts";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { WEBHOOK_QUEUE_MAX } from "../../worker/protocol/limits.ts";
import { api, node, type Person, person, seed } from "./support/api.ts";
import { evict } from "./support/tailnet.ts";

/** Alarms ring when they are due, up to ten seconds after what is tested, and later on a busy machine. */
const PATIENCE = { timeout: 60_000 };
const WEBHOOKS = "/tailnet/-/webhooks";
let admin: Person;

beforeAll(async () => {
  admin = await person(500, "admin");
  await seed({ type: "node-put", node: node(1, { userId: 500, name: "laptop" }) });
});

afterEach(() => {
  vi.restoreAllMocks();
});

const call = async (path: string, method: string, body?: unknown) =>
  await api(path, { method, ...(body !== undefined && { body }), token: admin.token });
const create = async (more: object = {}) =>
  await call(WEBHOOKS, "POST", {
    endpointUrl: "https://example.com/endpoint",
    subscriptions: ["nodeDeleted", "policyUpdate"],
    ...more,
  });

/** A request to the world outside: plain data, since it was made in the object. */
interface Sent {
  readonly url: string;
  readonly method: string | undefined;
  readonly redirect: string | undefined;
  readonly body: string;
  readonly signature: string;
}

/** What the world outside answers, and what it was sent. */
function outside(status: () => number) {
  const sent: Sent[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const signature = new Headers(init?.headers).get("tailscale-webhook-signature") ?? "";
    sent.push({
      url: typeof input === "string" ? input : "",
      method: init?.method,
      redirect: init?.redirect,
      body: typeof init?.body === "string" ? init.body : "",
      signature,
    });
    return new Response(null, { status: status(), headers: { location: "https://elsewhere.example.com/" } });
  });
  return sent;
}

/** Waits until the alarm, which may ring by itself, has brought something about. */
async function ringUntil(check: () => Promise<void> | void) {
  await runDurableObjectAlarm(tailnetFor(env));
  await vi.waitFor(check, PATIENCE);
}
const queueIsEmpty = async () => expect(await rows()).toEqual([]);
const rows = async () =>
  await runInDurableObject(tailnetFor(env), (_, { storage }) =>
    storage.sql
      .exec<{ attempts: number; due_at: number; webhook_id: string }>("select * from webhook_deliveries")
      .toArray(),
  );

describe("an endpoint", () => {
  it("is made with a secret that is never shown again, changed, rotated and removed", async () => {
    const made = await create({ providerType: "slack" });
    expect(made.json).toMatchObject({
      endpointUrl: "https://example.com/endpoint",
      providerType: "slack",
      subscriptions: ["nodeDeleted", "policyUpdate"],
      creatorLoginName: admin.user.loginName,
      secret: expect.stringMatching(/^tskey-webhook-k[0-9A-Za-z]{11}CNTRL-[0-9A-Za-z]{32}$/),
    });
    const { secret, ...shown } = made.json;
    const one = `/webhooks/${shown.endpointId}`;
    expect((await call(one, "GET")).json).toEqual(shown);
    expect((await call(WEBHOOKS, "GET")).json).toEqual({ webhooks: [shown] });
    expect((await call(one, "PATCH", { subscriptions: ["categoryTailnetManagement"] })).json.subscriptions).toEqual([
      "categoryTailnetManagement",
    ]);
    const rotated = (await call(`${one}/rotate`, "POST")).json;
    expect(rotated.secret).not.toBe(secret);
    expect((await call(one, "DELETE")).json).toEqual({});
    for (const [path, method] of [
      [one, "GET"],
      [one, "DELETE"],
      [`${one}/test`, "POST"],
      [`${one}/rotate`, "POST"],
    ] as const) {
      expect((await call(path, method)).status).toBe(404);
    }
  });

  it.each([
    { endpointUrl: "ftp://example.com/" },
    { endpointUrl: "https://example.com:8443/" },
    { endpointUrl: "https://user:pass@example.com/" },
    { endpointUrl: "https://127.0.0.1/" },
    { endpointUrl: "https://[::1]/" },
    { endpointUrl: "https://2130706433/" },
    { endpointUrl: "https://169.254.169.254/latest/meta-data" },
    { endpointUrl: "https://localhost/" },
    { endpointUrl: "https://metadata.google.internal/" },
    { endpointUrl: "file:///etc/passwd" },
    { endpointUrl: "https://receiver.lan/" },
    { endpointUrl: "http://10.0.0.5:9001/" },
    { endpointUrl: "" },
    { subscriptions: ["unknown"] },
    { providerType: "irc" },
  ])("is refused with %j", async (more) => {
    expect(await create(more)).toMatchObject({ status: 400, json: { message: expect.any(String) } });
    expect((await call(WEBHOOKS, "GET")).json).toEqual({ webhooks: [] });
  });
});

describe("an event", () => {
  it("is delivered signed, to those who subscribed to it", async () => {
    const sent = outside(() => 200);
    const { json } = await create();
    const other = (await create({ subscriptions: ["userCreated"] })).json;
    await call("/device/1", "DELETE");
    await ringUntil(queueIsEmpty);
    expect(sent).toHaveLength(1);
    const [request] = sent as [Sent];
    expect([request.method, request.url, request.redirect]).toEqual(["POST", "https://example.com/endpoint", "manual"]);
    expect(JSON.parse(request.body)).toEqual([
      {
        timestamp: expect.stringMatching(/^\d{4}-/),
        version: 1,
        type: "nodeDeleted",
        tailnet: expect.any(String),
        message: "Node laptop was removed",
        data: {
          nodeID: node(1).stableId,
          deviceName: "laptop",
          managedBy: admin.user.loginName,
          actor: admin.user.loginName,
        },
      },
    ]);
    expectSigned(request, json.secret);
    for (const { endpointId } of [json, other]) await call(`/webhooks/${endpointId}`, "DELETE");
  });

  it.each([500, 302])("that is answered %i stays, and is sent again later with the secret of then", async (status) => {
    let answer = status;
    const sent = outside(() => answer);
    const { json } = await create();
    const one = `/webhooks/${json.endpointId}`;
    expect((await call(`${one}/test`, "POST")).status).toBe(202);
    await ringUntil(async () => expect((await rows())[0]?.attempts).toBe(1));
    expect(sent).toHaveLength(1);
    expect(((await rows())[0]?.due_at ?? 0) - Date.now()).toBeGreaterThan(5_000);
    const { secret } = (await call(`${one}/rotate`, "POST")).json;
    await makeDue();
    answer = 204;
    await call(`${one}/test`, "POST");
    await ringUntil(queueIsEmpty);
    expect(sent).toHaveLength(3);
    for (const request of sent.slice(1)) expectSigned(request, secret);
    await call(one, "DELETE");
  });

  it("for a private receiver that the operator has named takes the way that leads there", async () => {
    const sent = outside(() => 200);
    const { json, status } = await create({ endpointUrl: "http://10.0.0.5:9000/events" });
    expect(status).toBe(200);
    const one = `/webhooks/${json.endpointId}`;
    await call(`${one}/test`, "POST");
    await ringUntil(async () => expect((await rows())[0]?.attempts).toBe(1)); // which way it went answers 418
    expect(sent).toEqual([]);
    await call(one, "DELETE");
  });

  it("comes by time alone: a day before a key expires, and when it does", async () => {
    const sent = outside(() => 200);
    const DAY = 86_400_000;
    const { json } = await create({ subscriptions: ["nodeKeyExpiringInOneDay", "nodeKeyExpired"] });
    const keyExpiresAt = Date.now() + DAY + 1; // the day before it is over once the node is there
    await seed({ type: "node-put", node: node(7, { userId: 500, name: "expiring", keyExpiresAt }) });
    await call("/device/7/name", "POST", { name: "renamed" });
    const types = () => sent.flatMap(({ body }) => JSON.parse(body)).map(({ type }: { type: string }) => type);
    await vi.waitFor(() => expect(types()).toEqual(["nodeKeyExpiringInOneDay"]), PATIENCE);
    await evict();
    await call("/device/7/expire", "POST");
    await vi.waitFor(() => expect(types()).toEqual(["nodeKeyExpiringInOneDay", "nodeKeyExpired"]), PATIENCE);
    expect(JSON.parse(sent[1]?.body ?? "")[0].data).toEqual({
      nodeID: node(7).stableId,
      deviceName: "renamed",
      managedBy: admin.user.loginName,
    });
    await call(`/webhooks/${json.endpointId}`, "DELETE");
    await call("/device/7", "DELETE");
  });

  it("whose endpoint is removed goes with it, and the alarm rests", async () => {
    const sent = outside(() => 500);
    const { json } = await create();
    await call(`/webhooks/${json.endpointId}/test`, "POST");
    await ringUntil(async () => expect((await rows())[0]?.attempts).toBe(1));
    await call(`/webhooks/${json.endpointId}`, "DELETE");
    await makeDue();
    await evict();
    const kept = (await create()).json;
    await call(`/webhooks/${kept.endpointId}/test`, "POST");
    await ringUntil(async () => expect((await rows()).map((row) => row.webhook_id)).toEqual([kept.endpointId]));
    expect(sent).toHaveLength(2);
    const alarm = async () => await runInDurableObject(tailnetFor(env), (_, { storage }) => storage.getAlarm());
    await vi.waitFor(async () => expect(await alarm()).toBeGreaterThan(Date.now() + 1_000), PATIENCE);
    await call(`/webhooks/${kept.endpointId}`, "DELETE");
  });
});

describe("the queue", () => {
  it("is bounded: the oldest events go", async () => {
    const kept = await runInDurableObject(tailnetFor(env), (_, { storage }) => {
      const queue = new WebhookQueue(openDatabase(storage, MIGRATIONS));
      const at = Date.now() + 3_600_000;
      queue.add(Array.from({ length: WEBHOOK_QUEUE_MAX + 5 }, (_each, i) => ({ webhookId: "x", body: `${i}`, at })));
      const bodies = queue.due(at, 2 * WEBHOOK_QUEUE_MAX).map(({ body }) => body);
      storage.sql.exec("delete from webhook_deliveries");
      return bodies;
    });
    expect(kept).toHaveLength(WEBHOOK_QUEUE_MAX);
    expect([kept[0], kept.at(-1)]).toEqual(["5", String(WEBHOOK_QUEUE_MAX + 4)]);
  });
});

function expectSigned({ body, signature }: Sent, secret: string): void {
  const [, seconds, hex] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
  expect(Math.abs(Date.now() / 1000 - Number(seconds))).toBeLessThan(300);
  expect(hex).toBe(createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex"));
}

async function makeDue(): Promise<void> {
  await runInDurableObject(tailnetFor(env), (_, { storage }) => {
    storage.sql.exec("update webhook_deliveries set due_at = 0");
  });
}
