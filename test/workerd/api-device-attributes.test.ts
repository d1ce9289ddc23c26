// Posture attributes over the public API, and by a node of itself.
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { fromUtf8 } from "../../worker/protocol/bytes.ts";
import { api, node, type Person, person, seed } from "./support/api.ts";
import { device, evict, join, ownerWithToken } from "./support/tailnet.ts";

let token: string;
let member: Person;

beforeAll(async () => {
  ({ token } = await ownerWithToken());
  member = await person(101, "member");
  const hostinfo = { OS: "linux", IPNVersion: "1.102.3-t1", Hostname: "one" };
  await seed(
    { type: "node-put", node: node(51, { userId: 101, hostinfo }) },
    { type: "node-put", node: node(52, { userId: 100 }) },
  );
});

const attributesOf = async (id: number, as = token) => await api(`/device/${id}/attributes`, { token: as });
const set = async (id: number, key: string, body: object) =>
  await api(`/device/${id}/attributes/${key}`, { token, body });

describe("attributes of a device", () => {
  it("are set with the Go client's empty expiry and comment, listed with the built-in ones, and deleted", async () => {
    const body = { value: "prod", expiry: "0001-01-01T00:00:00Z", comment: "" };
    const { status, json } = await set(51, "custom:tier", body);
    expect(status).toBe(200);
    expect(json).toEqual({
      attributes: {
        "custom:tier": "prod",
        "node:os": "linux",
        "node:tsVersion": "1.102.3",
        "node:tsReleaseTrack": "stable",
        "node:tsAutoUpdate": false,
      },
      expiries: {},
    });
    await evict();
    expect((await attributesOf(51)).json).toEqual(json);
    const gone = await api("/device/51/attributes/custom:tier", { method: "DELETE", token });
    expect([gone.status, gone.json]).toEqual([200, {}]);
    expect((await attributesOf(51)).json.attributes).not.toHaveProperty("custom:tier");
  });

  it("disappear when they expire", async () => {
    const at = Math.ceil(Date.now() / 1_000) * 1_000 + 120_000;
    const { json } = await set(51, "custom:brief", { value: true, expiry: new Date(at).toISOString() });
    expect(json.expiries).toEqual({ "custom:brief": new Date(at).toISOString().replace(".000", "") });
    vi.useFakeTimers({ toFake: ["Date"], now: at + 1 });
    try {
      expect((await attributesOf(51)).json.attributes).not.toHaveProperty("custom:brief");
      expect(await runDurableObjectAlarm(tailnetFor(env))).toBe(true);
    } finally {
      vi.useRealTimers();
    }
    expect((await attributesOf(51)).json.attributes).not.toHaveProperty("custom:brief");
  });

  it.each([
    ["node:os", { value: "linux" }],
    ["custom:x", { value: "two words" }],
    ["custom:x", { value: 1.5 }],
    ["custom:x", {}],
    ["custom:x", { value: 1, expiry: "tomorrow" }],
    ["custom:x", { value: 1, comment: "x".repeat(201) }],
  ])("are refused with 400: %s %j", async (key, body) => {
    const { status, json } = await set(51, key, body);
    expect([status, typeof json.message]).toEqual([400, "string"]);
  });

  it("of many devices are set at once, or not at all", async () => {
    const patch = async (nodes: object) =>
      await api("/tailnet/-/device-attributes", { method: "PATCH", token, body: { nodes, comment: "rollout" } });
    const done = await patch({ 51: { "custom:n": { value: 3 } }, [node(52).stableId]: { "custom:n": { value: 4 } } });
    expect([done.status, done.text]).toEqual([200, "null"]);
    const unknown = await patch({ 51: { "custom:n": null }, nUnknownCNTRL: { "custom:n": { value: 1 } } });
    expect([unknown.status, unknown.json.message]).toEqual([404, expect.stringContaining("nUnknownCNTRL")]);
    expect((await patch({ 51: { "custom:n": { value: "three" } } })).status).toBe(400);
    expect((await attributesOf(51)).json.attributes["custom:n"]).toBe(3);
    expect((await patch({ 51: { "custom:n": null } })).status).toBe(200);
    expect((await attributesOf(51)).json.attributes).not.toHaveProperty("custom:n");
  });

  it("are open to members for their own devices, to be read", async () => {
    expect((await attributesOf(51, member.token)).status).toBe(200);
    expect((await attributesOf(52, member.token)).status).toBe(404);
    const denied = await api("/device/51/attributes/custom:x", { token: member.token, body: { value: 1 } });
    expect(denied.status).toBe(403);
    expect((await attributesOf(999)).status).toBe(404);
  });
});

describe("a node", () => {
  it("sets of itself what the policy lets nodes set", async () => {
    const text = JSON.stringify({ attrConfig: { "custom:seat": { type: "number", allowSetByNode: true } } });
    expect((await api("/tailnet/-/acl", { token, body: text })).status).toBe(200);
    const { client, first } = await join(device(5), "teller");
    const id = (first.Node as { ID: number }).ID;
    const patch = async (Update: object, NodeKey = device(5).nodeKey) => {
      const stream = await client.request("PATCH", "/machine/set-device-attr", { Version: 133, NodeKey, Update });
      const { status, body } = await client.response(stream);
      return { status, text: fromUtf8(body) };
    };
    expect(await patch({ "custom:seat": 12 })).toEqual({ status: 200, text: "{}" });
    expect((await attributesOf(id)).json.attributes["custom:seat"]).toBe(12);
    expect(await patch({ "custom:tier": "prod" })).toEqual({
      status: 403,
      text: expect.stringContaining("custom:tier"),
    });
    expect((await patch({ "node:os": "windows" })).status).toBe(400);
    expect((await patch({ "custom:seat": 13 }, device(6).nodeKey)).status).toBe(404);
    expect((await patch({ "custom:seat": null })).status).toBe(200);
    expect((await attributesOf(id)).json.attributes).not.toHaveProperty("custom:seat");
  });
});
