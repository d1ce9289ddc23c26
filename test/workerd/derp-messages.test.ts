// How the relay divides what it sends into WebSocket messages: clients by WebSocket refuse long ones (control-protocol.md
// 7.2), gateways carry bytes.
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { TailnetObject } from "../../worker/objects/tailnet-object.ts";
import { closeAll, connect, evictRelay, join, nextFrame } from "./support/relay.ts";

let seed = 110_000;

beforeEach(() => {
  vi.spyOn(TailnetObject.prototype, "whichMayUseRelay").mockImplementation((keys) => [...keys]);
});
afterEach(async () => {
  await closeAll();
  vi.restoreAllMocks();
});

it("packets reach a gateway in long messages and others in short ones, also after an eviction", async () => {
  const a = await join(++seed);
  const gateway = await connect(++seed, undefined, true);
  const browser = await connect(++seed);
  const lengths = { gateway: [] as number[], browser: [] as number[] };
  for (const [name, client] of Object.entries({ gateway, browser })) {
    client.socket.addEventListener("message", ({ data }) => {
      const { byteLength } = data as ArrayBuffer;
      if (byteLength > 1_000) lengths[name as keyof typeof lengths].push(byteLength);
    });
    await client.logIn();
  }
  for (let round = 0; round < 2; round++) {
    for (const client of [gateway, browser]) {
      a.sendPacket(client.publicKey, new Uint8Array(60_000));
      expect((await nextFrame(client)).payload.length).toBe(60_032);
    }
    await evictRelay();
  }
  expect(lengths).toEqual({
    gateway: [60_037, 60_037],
    browser: [...[16_384, 16_384, 16_384, 10_885], ...[16_384, 16_384, 16_384, 10_885]],
  });
});
