// Hibernation: the object may be evicted between any two messages, and the client notices nothing. One life of a client
// (handshake, registration, map stream, lite updates, a login that waits for a person, pings) is lived undisturbed, and
// then with an eviction before every message: as clients send them, one HTTP/2 frame at a time, and cut within records.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import type { ControlClient, ControlClientOptions } from "../support/control-client.ts";
import { administration, device, evict, join, mapBody, registerBody, theOwner } from "./support/tailnet.ts";

type Json = Record<string, unknown>;

const lite = (endpoint: string) => ({
  Stream: false,
  OmitPeers: true,
  Endpoints: [endpoint],
  EndpointTypes: [1],
  Hostinfo: { Hostname: "lite", OS: "linux", NetInfo: { PreferredDERP: 900 } },
});

/** Waits for a person on a stream of its own, while the others go on; the person approves at last. */
async function logIn(client: ControlClient, n: number, between: () => Promise<void>): Promise<Json> {
  const asked = registerBody(device(n), "other profile");
  const { AuthURL } = await client.call("/machine/register", asked);
  const waiting = await client.request("POST", "/machine/register", { ...asked, Followup: AuthURL });
  await between();
  await administration.logins.approve(String(AuthURL).slice(-32), await theOwner());
  return JSON.parse(new TextDecoder().decode((await client.response(waiting)).body)) as Json;
}

/** One life of a client; returns what it saw, less what differs from run to run. */
async function life(n: number, options: Partial<ControlClientOptions>): Promise<unknown> {
  const peer = await join(device(n), `peer-${n}`);
  const { client, stream } = await join(device(n + 1), `node-${n}`, options);
  await client.response(await client.request("POST", "/machine/map", mapBody(device(n + 1), lite("192.0.2.1:1"))));
  const hear = async (endpoint: string) => {
    await peer.client.response(await peer.client.request("POST", "/machine/map", mapBody(device(n), lite(endpoint))));
    await client.until(() => JSON.stringify(client.messages(stream)).includes(endpoint), "the peer's endpoint");
  };
  await hear("192.0.2.2:2");
  const login = await logIn(client, n + 2, async () => await hear("192.0.2.3:3"));
  await client.send(client.http2.ping(new Uint8Array(8).fill(7)));
  await client.until(() => client.http2.pingAcks.length === 1, "the ping's answer");
  const [first, ...later] = client.messages(stream).map((message) => Object.keys(message).sort());
  client.close();
  peer.client.close();
  const { Error: refusal, AuthURL, MachineAuthorized } = login;
  // News that may wait shares a message with what comes after it, by the clock: so not in which message, but what was told.
  return [refusal, AuthURL, MachineAuthorized, client.http2.settingsAcks, first, [...new Set(later.flat())].sort()];
}

describe("hibernation", () => {
  it("goes unnoticed before every message, before every frame, and within every record", async () => {
    let evictions = 0;
    const beforeSend = async () => {
      evictions += 1;
      await evict();
    };
    const count = async (n: number, options: Partial<ControlClientOptions>) => {
      evictions = 0;
      return { seen: await life(n, { beforeSend, ...options }), evictions };
    };
    const undisturbed = await life(20, {});
    const messages = await count(30, {});
    const frames = await count(40, { sendsFramesApart: true });
    const pieces = await count(50, { pieceSize: 97 });
    expect(undisturbed).toEqual([
      "",
      "",
      true,
      1,
      expect.any(Array),
      expect.arrayContaining(["PeersChanged", "PeersChangedPatch"]),
    ]);
    for (const { seen } of [messages, frames, pieces]) expect(seen).toEqual(undisturbed);
    expect(frames.evictions).toBeGreaterThan(messages.evictions + 8);
    expect(pieces.evictions).toBeGreaterThan(frames.evictions);
  });

  it("goes unnoticed in responses that the client's window holds back", async () => {
    const { first } = await join(device(60), "slow", { initialWindow: 100, beforeSend: evict });
    expect(first.Node).toMatchObject({ Name: "slow.tail.internal." });
    expect(
      await runInDurableObject(tailnetFor(env), (_, { storage }) =>
        storage.sql.exec("select 1 from stream_bytes").toArray(),
      ),
    ).toEqual([]);
  });
});
