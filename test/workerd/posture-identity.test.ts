// Serial numbers of devices: asked for while the tailnet collects them, shown to administrators, forgotten afterwards.
import { afterEach, beforeAll, expect, it, vi } from "vitest";
import type { ControlClient } from "../support/control-client.ts";
import { api, type Person, person } from "./support/api.ts";
import { connect, device, evict, join, mapBody, ownerWithToken, theOwner } from "./support/tailnet.ts";

let admin: Person;

beforeAll(async () => {
  await theOwner();
  admin = await person(500, "admin");
});

afterEach(() => {
  vi.useRealTimers();
});

const collect = async (postureIdentityCollectionOn: boolean) =>
  await api("/tailnet/-/settings", { method: "PATCH", body: { postureIdentityCollectionOn }, token: admin.token });

const identityOf = async (id: number) =>
  (await api(`/device/${id}?fields=all`, { token: admin.token })).json.postureIdentity;

interface Side {
  readonly n: number;
  readonly id: number;
  readonly client: ControlClient;
  readonly stream: number;
}

async function joined(n: number): Promise<Side> {
  const { client, stream, first } = await join(device(n), `posture-${n}`);
  return { n, client, stream, id: (first.Node as { ID: number }).ID };
}

interface Ping {
  readonly URL: string;
  readonly Types: string;
  readonly Payload: string;
}

/** Questions for serial numbers that have come on a stream. */
const questions = ({ client, stream }: Side): Ping[] =>
  client
    .messages(stream)
    .flatMap(({ PingRequest }) => (PingRequest === undefined ? [] : [PingRequest as Ping]))
    .filter(({ Payload }) => atob(Payload).includes("/posture/identity"));

async function question(side: Side, n = 0): Promise<string> {
  await side.client.until(() => questions(side).length > n, "a question");
  return new URL((questions(side)[n] as Ping).URL).pathname;
}

async function post({ client }: Side, path: string, body: string): Promise<number | string> {
  const { bytes, streamId } = client.http2.request("POST", path, new TextEncoder().encode(body));
  await client.send(bytes);
  const { status, resetCode } = await client.response(streamId);
  return resetCode === undefined ? (status ?? 0) : `reset ${resetCode}`;
}

const ok = (body: unknown) => `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(body)}`;

/** Ends the stream and opens another one. */
async function again(side: Side): Promise<Side> {
  const client = await connect(device(side.n));
  const stream = await client.request("POST", "/machine/map", mapBody(device(side.n)));
  await client.message(stream, 0);
  return { ...side, client, stream };
}

/** A message that comes after whatever came before: the reply to a request on the same connection. */
async function settled(side: Side): Promise<void> {
  await side.client.response(await side.client.request("GET", "/machine/whoami"));
}

it("nobody is asked while the setting is off, and an answer that comes all the same is not kept", async () => {
  const side = await joined(940);
  await settled(side);
  expect(questions(side)).toEqual([]);
  expect(await post(side, `/machine/c2n/posture-identity/${side.id}/x`, ok({ SerialNumbers: ["A"] }))).toBe(200);
  expect(await identityOf(side.id)).toBeUndefined();
});

it("all are asked when it is turned on, those who come later when they come; turned off, all is forgotten", async () => {
  const [present, other] = [await joined(941), await joined(942)];
  await collect(true);
  const path = await question(present);
  expect(questions(present)[0]).toMatchObject({ Types: "c2n" });
  expect(atob(questions(present)[0]?.Payload ?? "")).toBe("GET /posture/identity HTTP/1.1\r\nHost: c2n\r\n\r\n");
  const later = await joined(943);
  await question(later);
  expect(await identityOf(present.id)).toBeUndefined();
  await evict();
  expect(await post(other, path, ok({ SerialNumbers: ["FORGED"] }))).toBe(404);
  expect(await post(present, path, ok({ SerialNumbers: ["PF2ABCDE", "L1HF"] }))).toBe(200);
  expect(await post(later, await question(later), ok({ PostureDisabled: true, SerialNumbers: ["X"] }))).toBe(200);
  await evict();
  expect(await identityOf(present.id)).toEqual({ serialNumbers: ["PF2ABCDE", "L1HF"] });
  expect(await identityOf(later.id)).toEqual({ disabled: true });
  const { devices } = (await api("/tailnet/-/devices?fields=all", { token: admin.token })).json;
  expect(devices.filter((one: object) => "postureIdentity" in one)).toHaveLength(2);
  expect((await api(`/device/${present.id}`, { token: admin.token })).json).not.toHaveProperty("postureIdentity");

  await collect(false);
  expect(await identityOf(present.id)).toBeUndefined();
  await collect(true);
  expect(await identityOf(present.id)).toBeUndefined();
  await question(present, 1);
});

it("one that answered is not asked again for a while, however often it comes, and then it is", async () => {
  await collect(true);
  const side = await joined(944);
  await post(side, await question(side), ok({ SerialNumbers: ["FIRST"] }));
  expect(await post(side, await question(side), ok({ SerialNumbers: ["TOO SOON"] }))).toBe(200);
  const soon = await again(side);
  await settled(soon);
  expect(questions(soon)).toEqual([]);
  expect(await identityOf(side.id)).toEqual({ serialNumbers: ["FIRST"] });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 10 * 60_000 });
  const late = await again(side);
  await post(late, await question(late), ok({ SerialNumbers: ["SECOND"] }));
  expect(await identityOf(side.id)).toEqual({ serialNumbers: ["SECOND"] });
});

it("what is told goes with the device", async () => {
  await collect(true);
  const side = await joined(945);
  await post(side, await question(side), ok({ SerialNumbers: ["GONE"] }));
  const { token } = await ownerWithToken();
  const exported = async () => (await api("/tailnet/-/export", { token })).text;
  expect(await exported()).toContain("GONE");
  await api(`/device/${side.id}`, { method: "DELETE", token: admin.token });
  await evict();
  expect(await exported()).not.toContain("GONE");
});

it.each<[string, string, number | string, unknown]>([
  ["an error", "HTTP/1.1 500 Oops\r\n\r\n", 400, undefined],
  ["no JSON", "HTTP/1.1 200 OK\r\n\r\n<html>", 400, undefined],
  ["a list", ok([]), 400, undefined],
  ["other types", ok({ SerialNumbers: "ABC", PostureDisabled: "yes" }), 200, { serialNumbers: [] }],
  [
    "odd numbers",
    ok({ SerialNumbers: [7, null, {}, "", "a\u0000b", "x".repeat(129), "A", "A"] }),
    200,
    { serialNumbers: ["A"] },
  ],
  [
    "very many",
    ok({ SerialNumbers: Array.from({ length: 500 }, (_, i) => `S${i}`) }),
    200,
    { serialNumbers: Array.from({ length: 16 }, (_, i) => `S${i}`) },
  ],
  ["more than any has", ok({ SerialNumbers: ["x".repeat(20_000)] }), 413, undefined],
])("a device that answers with %s does no harm", async (_, reply, status, kept) => {
  await collect(true);
  const side = await joined(950 + (reply.length % 1_000));
  expect(await post(side, await question(side), reply)).toBe(status);
  expect(await identityOf(side.id)).toEqual(kept);
});
