// The smaller endpoints inside Noise (control-protocol.md 6): each answers the node itself and nobody else, and those of
// features that do not exist answer at once.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { administrationOf } from "../../worker/middleware/tailnet-for.ts";
import { fromUtf8 } from "../../worker/protocol/bytes.ts";
import { REPORT_RATE } from "../../worker/protocol/limits.ts";
import { actorOf } from "../../worker/tailnet/entities/actor.ts";
import type { ControlClient } from "../support/control-client.ts";
import { api } from "./support/api.ts";
import { connect, device, evict, join, ownerWithToken, theOwner } from "./support/tailnet.ts";

type Json = Record<string, unknown>;

const laptop = device(1);
let client: ControlClient;
let stranger: ControlClient;

beforeAll(async () => {
  client = (await join(laptop, "laptop", { beforeSend: evict })).client;
  const other = await join(device(2), "other");
  stranger = other.client;
});

async function ask(from: ControlClient, method: string, path: string, body?: Json) {
  const response = await from.response(await from.request(method, path, body));
  return { status: response.status, text: fromUtf8(response.body) };
}

const ENDPOINTS: readonly (readonly [string, string, number, Json])[] = [
  ["POST", "/machine/update-health", 204, { Subsys: "router", Error: "" }],
  ["POST", "/machine/set-dns", 501, { Name: "_acme-challenge.laptop.tail.internal", Type: "TXT", Value: "x" }],
  ["POST", "/machine/audit-log", 200, { Action: "DISCONNECT_NODE", Details: "maintenance" }],
  ["POST", "/machine/ssh/recording-failure", 403, { EventType: 1, SrcNode: 1 }],
  ["GET", "/machine/tka/bootstrap", 501, { Head: "" }],
  ["POST", "/machine/feature/query", 200, { Feature: "serve" }],
];

describe.each(ENDPOINTS)("%s %s", (method, path, status, body) => {
  it(`answers the node itself with ${status}`, async () => {
    expect(await ask(client, method, path, { Version: 133, NodeKey: laptop.nodeKey, ...body })).toMatchObject({
      status,
    });
  });

  it("knows no node key of another machine", async () => {
    const asked = await ask(stranger, method, path, { Version: 133, NodeKey: laptop.nodeKey, ...body });
    expect(asked).toEqual({ status: 404, text: "node not found; log in again" });
  });

  it("refuses what is no request, and goes on", async () => {
    expect(await ask(client, method, path, body)).toMatchObject({ status: 400 });
    expect(await ask(client, method, path, { ...body, NodeKey: "nodekey:00" })).toMatchObject({ status: 400 });
    expect(await ask(client, "PUT", path, { ...body, NodeKey: laptop.nodeKey })).toMatchObject({ status: 405 });
    expect(await ask(client, "GET", "/machine/whoami")).toEqual({ status: 200, text: laptop.machineKey });
  });
});

it("POST /machine/webclient/…, which has no body, is refused at once", async () => {
  expect(await ask(client, "POST", "/machine/webclient/init/1/to/2")).toMatchObject({ status: 501 });
});

describe("a report for the audit log", () => {
  const report = async (body: Json) =>
    await ask(client, "POST", "/machine/audit-log", { NodeKey: laptop.nodeKey, ...body });

  it("is an entry of the node, in the words of its user", async () => {
    const since = new Date(Date.now() - 1_000).toISOString();
    expect(await report({ Action: "DISCONNECT_NODE", Details: "plane takes off" })).toEqual({
      status: 200,
      text: "{}",
    });
    const { token } = await ownerWithToken();
    const query = `start=${since}&end=${new Date(Date.now() + 60_000).toISOString()}`;
    const { json } = await api(`/tailnet/-/logging/configuration?${query}`, { token });
    expect(json.logs).toContainEqual(
      expect.objectContaining({
        origin: "NODE",
        actor: expect.objectContaining({ type: "NODE", displayName: "laptop" }),
        target: expect.objectContaining({ name: "laptop", type: "NODE", property: "DISCONNECT_NODE" }),
        action: "UPDATE",
        new: "plane takes off",
      }),
    );
  });

  it("is refused when it is none, or one of a flood", async () => {
    for (const body of [
      {},
      { Action: "a b" },
      { Action: "X".repeat(65) },
      { Action: "A", Details: "x".repeat(4_097) },
    ]) {
      expect(await report(body)).toMatchObject({ status: 400 });
    }
    const statuses: (number | undefined)[] = []; // by a device whose object stays awake: a wake forgives
    for (let i = 0; i < REPORT_RATE.burst + 2; i++) {
      const { status } = await ask(stranger, "POST", "/machine/audit-log", { NodeKey: device(2).nodeKey, Action: "A" });
      statuses.push(status);
    }
    expect(statuses[0]).toBe(200);
    expect(statuses.at(-1)).toBe(429);
  });
});

describe("a report of a session that no recorder took", () => {
  const report = async (more: Json = {}) => {
    const body = { NodeKey: laptop.nodeKey, EventType: 1, SrcNode: 1, SSHUser: "root", LocalUser: "root", ...more };
    return (await ask(client, "POST", "/machine/ssh/recording-failure", body)).status;
  };

  it("is taken while the policy has sessions on the device recorded, and read in the audit log", async () => {
    const { user, token } = await ownerWithToken();
    const administration = administrationOf(env, actorOf(user));
    const before = (await administration.policyFile.get()).text;
    const rule = { action: "check", src: ["autogroup:member"], dst: ["autogroup:self"], users: ["root"] };
    const policy = { tagOwners: { "tag:recorder": [] }, ssh: [{ ...rule, recorder: ["tag:recorder"] }] };
    expect(await administration.policyFile.set(JSON.stringify(policy), "*")).toMatchObject({ ok: true });
    const since = new Date(Date.now() - 1_000).toISOString();
    expect(await report()).toBe(201);
    expect(await report({ EventType: 9 })).toBe(400);
    const query = `start=${since}&end=${new Date(Date.now() + 60_000).toISOString()}`;
    const { json } = await api(`/tailnet/-/logging/configuration?${query}`, { token });
    expect(json.logs).toContainEqual(
      expect.objectContaining({
        origin: "NODE",
        target: expect.objectContaining({ name: "laptop", property: "SSH_SESSION_RECORDING" }),
        new: expect.objectContaining({ event: "rejected", sshUser: "root" }),
      }),
    );
    const other = { EventType: 3, SrcNode: 1, NodeKey: device(2).nodeKey };
    const path = "/machine/ssh/recording-failure";
    for (let i = 0; i < REPORT_RATE.burst; i++) await ask(stranger, "POST", path, other);
    expect(await ask(stranger, "POST", path, other)).toMatchObject({ status: 429 });
    await administration.policyFile.set(before, "*");
  });
});

describe("a question for a feature", () => {
  const query = async (Feature: string) => {
    const { status, text } = await ask(client, "POST", "/machine/feature/query", { NodeKey: laptop.nodeKey, Feature });
    return status === 200 ? (JSON.parse(text) as Json) : status;
  };

  it("says what is missing, and that it is complete once an administrator has seen to it", async () => {
    const administration = administrationOf(env, actorOf(await theOwner()));
    expect(await query("serve")).toEqual({
      Complete: false,
      Text: expect.stringMatching(/httpsEnabled/),
      ShouldWait: false,
    });
    expect((await query("funnel")) as Json).toMatchObject({
      Text: expect.stringMatching(/httpsEnabled.*\n.*nodeAttrs/),
    });
    await administration.tailnetSettings.set({ isHttpsOn: true });
    expect(await query("serve")).toEqual({ Complete: true });
    expect((await query("funnel")) as Json).toMatchObject({
      Complete: false,
      Text: expect.stringMatching(/^The policy/),
    });
    const policy = JSON.stringify({ nodeAttrs: [{ target: ["*"], attr: ["funnel"] }] });
    expect(await administration.policyFile.set(policy, "*")).toMatchObject({ ok: true });
    expect(await query("funnel")).toEqual({ Complete: true });
  });

  it("is refused when nobody knows the feature", async () => {
    expect(await query("teleport")).toBe(400);
    expect(await query("constructor")).toBe(400);
  });
});

it("a client of a machine without nodes is told nothing", async () => {
  const nobody = await connect(device(9));
  for (const [method, path, , body] of ENDPOINTS) {
    expect(await ask(nobody, method, path, { ...body, NodeKey: device(9).nodeKey })).toMatchObject({ status: 404 });
  }
});
