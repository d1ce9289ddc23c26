// What an idle tailnet costs: one alarm every 47 seconds while anybody is connected, which reads no records of the
// tailnet, and nothing at all when nobody is.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { TailnetStore } from "../../db/tailnet-store.ts";
import { tailnetFor } from "../../worker/middleware/tailnet-for.ts";
import { device, evict, join } from "./support/tailnet.ts";

const KEEP_ALIVE_MS = 47_000;

const alarmAt = async () => await runInDurableObject(tailnetFor(env), (_, { storage }) => storage.getAlarm());

it("is woken for keep-alives alone, without its records, and left alone when the last client has gone", async () => {
  const { client, stream } = await join(device(1), "laptop");
  const load = vi.spyOn(TailnetStore.prototype, "load");
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  try {
    for (let round = 1; round <= 3; round++) {
      await evict();
      const at = await alarmAt();
      expect(at).toBeLessThanOrEqual(Date.now() + KEEP_ALIVE_MS);
      vi.setSystemTime(Date.now() + KEEP_ALIVE_MS);
      await runDurableObjectAlarm(tailnetFor(env));
      const keepAlives = () => client.messages(stream).filter(({ KeepAlive }) => KeepAlive === true).length;
      await client.until(() => keepAlives() === round, "a keep-alive");
    }
    expect(load).not.toHaveBeenCalled();

    client.close();
    const open = async () => await runInDurableObject(tailnetFor(env), (_, ctx) => ctx.getWebSockets().length);
    await expect.poll(open).toBe(0);
    for (let alarms = 0; (await alarmAt()) !== null; alarms++) {
      expect(alarms).toBeLessThan(4); // the last keep-alive, and the grace after which the node is offline
      vi.setSystemTime(Date.now() + KEEP_ALIVE_MS);
      await runDurableObjectAlarm(tailnetFor(env));
    }
    await evict();
    expect(await alarmAt()).toBeNull();
  } finally {
    vi.useRealTimers();
    vi.restoreAllMocks();
  }
});
