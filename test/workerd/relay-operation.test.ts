// What an operator may do with the relays: read their counts, and announce a restart that clients are told of.
import { exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TailnetObject } from "../../worker/objects/tailnet-object.ts";
import { utf8 } from "../../worker/protocol/bytes.ts";
import { closeAll, connect, evictRelay, join, nextFrame, settle } from "./support/relay.ts";

let seed = 90_000;
const secret = { authorization: "Bearer test-bootstrap-secret" };

beforeEach(() => {
  vi.spyOn(TailnetObject.prototype, "whichMayUseRelay").mockImplementation((keys) => [...keys]);
});
afterEach(async () => {
  await closeAll();
  vi.restoreAllMocks();
});

function ask(path: string, init?: RequestInit): Promise<Response> {
  return exports.default.fetch(`https://relay.test${path}`, init);
}

function restart(body: string, headers: Record<string, string> = secret): Promise<Response> {
  return ask("/derp/restart", { method: "POST", body, headers });
}

describe("a restart", () => {
  it("is told to every client as ordered, and their connections end with code 1012", async () => {
    const clients = [await join(++seed), await join(++seed)];
    const stranger = await connect(++seed);
    await stranger.next();
    await evictRelay();
    const answer = await restart('{"region":900,"reconnectInMs":1500,"tryForMs":70000}');
    expect(await answer.json()).toEqual({ regions: [{ region: 900, clients: 2 }] });
    for (const client of clients) {
      expect(await nextFrame(client)).toEqual({ type: 0x15, payload: Uint8Array.of(0, 0, 5, 220, 0, 1, 17, 112) });
      expect(await client.closed).toEqual({ code: 1012, reason: "relay goes away" });
    }
    expect((await stranger.closed).code).toBe(1012);
    await join(++seed); // the relay itself goes on
  });

  it("reaches a client that does not read, before it is closed", async () => {
    const [sender, slow] = [await join(++seed), await join(++seed)];
    for (let i = 0; i < 100; i++) sender.sendPacket(slow.publicKey, new Uint8Array(60_000));
    await settle(sender);
    await restart("");
    expect((await slow.closed).code).toBe(1012);
    expect(slow.frames.at(-1)).toEqual({ type: 0x15, payload: Uint8Array.of(0, 0, 0, 0, 0, 0, 39, 16) });
  });

  it.each([
    ["nonsense", "the body must be a JSON object"],
    ["[]", "the body must be a JSON object"],
    ['{"region":901}', "region is none of this deployment's"],
    ['{"region":"900"}', "region is none of this deployment's"],
    ['{"reconnectInMs":-1}', "reconnectInMs must be a whole number from 0 to 600000"],
    ['{"tryForMs":600001}', "tryForMs must be a whole number from 0 to 600000"],
    ['{"tryForMs":"10"}', "tryForMs must be a whole number from 0 to 600000"],
    ['{"tryfor":1}', "only region, reconnectInMs and tryForMs may be given"],
  ])("ordered by %s is refused, and nobody is sent away", async (body, message) => {
    const client = await join(++seed);
    const answer = await restart(body);
    expect([answer.status, await answer.json()]).toEqual([400, { message }]);
    expect(await settle(client)).toEqual([]);
  });

  it("ordered by a body over the limit is refused", async () => {
    expect((await restart(" ".repeat(5_000))).status).toBe(413);
  });
});

describe("without the bootstrap secret", () => {
  it.each([
    ["no header", {}],
    ["another secret", { authorization: "Bearer test-bootstrap-secre" }],
  ])("(%s) nothing is told and nobody sent away", async (_, headers) => {
    const client = await join(++seed);
    for (const answer of [await restart("", headers), await ask("/derp/metrics", { headers })]) {
      expect([answer.status, await answer.json()]).toEqual([401, { message: "bootstrap secret invalid" }]);
    }
    expect(await settle(client)).toEqual([]);
  });
});

it("the metrics tell what becomes of packets, by region", async () => {
  const read = async () => {
    const text = await (await ask("/derp/metrics", { headers: secret })).text();
    const rows = text.split("\n").flatMap((line) => {
      const match = /^flarescale_relay_(\w+)\{region="900"\} (\d+)$/.exec(line);
      return match === null ? [] : [[match[1] ?? "", Number(match[2])] as const];
    });
    return Object.fromEntries(rows);
  };
  const [a, b] = [await join(++seed), await join(++seed)];
  a.sendFrame(7, Uint8Array.of(1));
  await settle(a);
  const before = await read();
  a.sendPacket(b.publicKey, utf8("hello"));
  a.sendPacket(new Uint8Array(32), utf8("nobody"));
  await settle(a);
  const after = await read();
  expect(after).toMatchObject({ connections: 2, homes: 1 });
  const grown = Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]));
  expect(grown).toEqual({
    connections: 0,
    homes: 0,
    packets_relayed_total: 1,
    bytes_relayed_total: 42,
    packets_unknown_total: 1,
    packets_dropped_total: 0,
    packets_limited_total: 0,
  });
});
