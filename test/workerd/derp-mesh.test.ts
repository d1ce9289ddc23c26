// What a relay of another make may do in one of our regions when it knows the mesh key, and that nobody else may.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TailnetObject } from "../../worker/objects/tailnet-object.ts";
import { concat, utf8 } from "../../worker/protocol/bytes.ts";
import { DerpClient, discoPacket, frameOf } from "../support/derp-client.ts";
import {
  closeAll,
  connect,
  evictRelay,
  join,
  nextFrame,
  privateKey,
  type RelayClient,
  settle,
} from "./support/relay.ts";

const MESH_KEY = "5e".repeat(32); // as vitest.config.ts sets it
const PEER_GONE = 8;
const PEER_PRESENT = 9;

let seed = 90_000;
/** Node keys that the tailnet knows: all but those of the mesh's relays. */
let isNode: (nodeKey: string) => boolean;

beforeEach(() => {
  isNode = () => true;
  vi.spyOn(TailnetObject.prototype, "whichMayUseRelay").mockImplementation((keys) => keys.filter((key) => isNode(key)));
});
afterEach(async () => {
  await closeAll();
  vi.restoreAllMocks();
});

/** A relay of the mesh, logged in; it is no node of any tailnet. */
async function meshRelay(): Promise<RelayClient> {
  const client = await connect(++seed);
  isNode = () => false;
  await client.logIn({ version: 2, CanAckPings: true, meshKey: MESH_KEY });
  isNode = () => true;
  return client;
}

function presence(client: { publicKey: Uint8Array }, flags: number) {
  return { type: PEER_PRESENT, payload: concat([client.publicKey, new Uint8Array(18), Uint8Array.of(flags)]) };
}

describe("a watching relay", () => {
  it("is told of all who are here, then of all who come and go, also across evictions", async () => {
    const early = await join(++seed);
    const mesh = await meshRelay();
    mesh.sendFrame(0x10, new Uint8Array(0));
    const first = [await nextFrame(mesh), await nextFrame(mesh)];
    expect(first).toContainEqual(presence(early, 1));
    expect(first).toContainEqual(presence(mesh, 2));

    await evictRelay();
    const prober = await join(++seed, { version: 2, CanAckPings: true, IsProber: true });
    expect(await nextFrame(mesh)).toEqual(presence(prober, 4));
    await evictRelay();
    early.socket.close();
    expect(await nextFrame(mesh)).toEqual({
      type: PEER_GONE,
      payload: concat([early.publicKey, Uint8Array.of(0)]),
    });
  });

  it("hears of a node key's departure when its last connection ends", async () => {
    const [older, mesh] = [await join(++seed), await meshRelay()];
    mesh.sendFrame(0x10, new Uint8Array(0));
    await settle(mesh);
    const newer = await join(seed - 1);
    expect((await nextFrame(mesh)).type).toBe(PEER_PRESENT);
    older.socket.close();
    await older.closed;
    expect(await settle(mesh)).toEqual([]);
    newer.socket.close();
    expect((await nextFrame(mesh)).type).toBe(PEER_GONE);
  });
});

/** Sends a login and frames after it in one message, as a gateway joins what comes in one turn. */
async function logInWith(meshKey: string, frames: readonly Uint8Array[]): Promise<RelayClient> {
  const client = await connect(++seed);
  const login: Uint8Array[] = [];
  const writer = new DerpClient(privateKey(seed), (bytes) => login.push(bytes));
  writer.receive(frameOf(1, (await client.next()).payload));
  await writer.sendClientInfo({ version: 2, CanAckPings: true, meshKey });
  client.socket.send(concat([...login, ...frames]));
  return client;
}

describe("frames of the mesh that come with the login, as the official client sends them", () => {
  const watch = frameOf(0x10, new Uint8Array(0));

  it("count when it turns out to be a relay's", async () => {
    const early = await join(++seed);
    const mesh = await logInWith(MESH_KEY, [watch]);
    expect((await nextFrame(mesh)).type).toBe(3);
    expect([await nextFrame(mesh), await nextFrame(mesh)]).toContainEqual(presence(early, 1));
  });

  it("end the connection when it does not, whole or cut by the end of the login", async () => {
    const victim = await join(++seed);
    const forged = frameOf(0x0a, concat([privateKey(1), victim.publicKey, utf8("forged")]));
    for (const frames of [[watch], [frameOf(0x11, victim.publicKey)], [forged]]) {
      const client = await logInWith("5f".repeat(32), frames);
      expect(await client.closed).toEqual({ code: 1002, reason: "client is no member of the mesh" });
    }
    const cut = await logInWith("5f".repeat(32), [forged.slice(0, 40)]);
    expect((await cut.next()).type).toBe(3);
    cut.socket.send(forged.slice(40));
    expect(await cut.closed).toEqual({ code: 1002, reason: "client is no member of the mesh" });
    expect(await settle(victim)).toEqual([]);
  });
});

describe("a packet that a relay forwards", () => {
  it("arrives with the key of its source, not the relay's", async () => {
    const [mesh, client] = [await meshRelay(), await join(++seed)];
    const source = privateKey(4711);
    for (const text of ["one", "two"]) {
      mesh.sendFrame(0x0a, concat([source, client.publicKey, utf8(text)]));
      expect(await nextFrame(client)).toEqual({ type: 5, payload: concat([source, utf8(text)]) });
    }
  });

  it("to a peer that is not here is reported as such", async () => {
    const mesh = await meshRelay();
    const absent = privateKey(4712);
    mesh.sendFrame(0x0a, concat([privateKey(1), absent, discoPacket(mesh.publicKey, utf8("ping"))]));
    expect(await nextFrame(mesh)).toEqual({ type: PEER_GONE, payload: concat([absent, Uint8Array.of(1)]) });
  });
});

it("a relay may have a client's connections closed", async () => {
  const mesh = await meshRelay();
  const [first, second] = [await join(++seed), await join(seed)];
  mesh.sendFrame(0x11, first.publicKey);
  for (const client of [first, second]) expect((await client.closed).code).toBe(1008);
  await settle(mesh);
});

describe("without the mesh key", () => {
  it.each([undefined, "0".repeat(64), "5f".repeat(32), "5e", 5])(
    "a client with %j has no such rights",
    async (meshKey) => {
      const victim = await join(++seed);
      for (const frame of [
        frameOf(0x10, new Uint8Array(0)),
        frameOf(0x11, victim.publicKey),
        frameOf(0x0a, concat([privateKey(1), victim.publicKey, utf8("forged")])),
      ]) {
        const client = await join(++seed, { version: 2, CanAckPings: true, meshKey });
        client.socket.send(frame);
        expect(await client.closed).toEqual({ code: 1002, reason: "client is no member of the mesh" });
      }
      expect(await settle(victim)).toEqual([]);
    },
  );
});
