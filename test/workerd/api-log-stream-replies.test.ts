// What a log stream makes of Elasticsearch's bulk reply, which judges entries one by one.
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  call,
  endPause,
  happen,
  happenTogether,
  linesOf,
  outside,
  ringUntil,
  type Sent,
  STREAM,
  set,
  status,
} from "./support/log-stream.ts";
import { evict } from "./support/tailnet.ts";

afterEach(async () => {
  vi.restoreAllMocks();
  await call(STREAM, "DELETE");
});

describe("delivery", () => {
  it("from Elasticsearch's bulk reply: sends again what it postponed, counts what it refuses, and goes on", async () => {
    const verdicts: Record<string, number[]> = { "bulk-poison": [400], "bulk-busy": [429] };
    const sent = outside(({ body }) => {
      const statuses = linesOf(body).flatMap((line) => {
        if (line.create !== undefined) return [];
        const [name = ""] = line.new?.security?.email?.split("@") ?? [];
        return [verdicts[name]?.shift() ?? 201];
      });
      const items = statuses.map((status) => ({
        create: { status, ...(status > 201 && { error: { type: "mapping\u001b_exception", reason: "no field" } }) },
      }));
      return Response.json({ took: 1, errors: statuses.some((status) => status > 201), items });
    });
    await set({ destinationType: "elastic", url: "https://es.example.com/logs" });
    await happenTogether("bulk-first", "bulk-poison", "bulk-busy", "bulk-last");
    await ringUntil(async () => expect((await status()).numEntriesRefused).toBe(1));
    expect((await status()).lastError).toMatch(
      /^of \d+ entries the endpoint refused 1 for good and postponed 1: 400 mapping _exception: no field$/,
    );
    const before = await status();
    await endPause();
    await evict();
    await happen("bulk-later");
    const names = () =>
      sent.flatMap(({ body }) => linesOf(body).flatMap((line) => line.new?.security?.email?.split("@")[0] ?? []));
    await ringUntil(() => expect(names()).toContain("bulk-later"));
    await ringUntil(async () => expect((await status()).lastError).toBe(""));
    expect(names()).toEqual(["bulk-first", "bulk-poison", "bulk-busy", "bulk-last", "bulk-busy", "bulk-later"]);
    expect(await status()).toMatchObject({ numEntriesRefused: 1, numEntriesSent: before.numEntriesSent + 2 });
  });

  it("to Elasticsearch that is too busy for anything waits with all of it", async () => {
    let isBusy = true;
    const sent = outside(({ body }) => {
      const status = isBusy ? 429 : 201;
      const items = linesOf(body).flatMap((line) => (line.create === undefined ? [{ create: { status } }] : []));
      return Response.json({ errors: isBusy, items });
    });
    await set({ destinationType: "elastic", url: "https://es.example.com/logs" });
    await happen("busy-first");
    await happen("busy-second");
    await ringUntil(async () => expect((await status()).lastError).toMatch(/postponed \d: 429$/));
    const emailsOf = (request: Sent | undefined) =>
      linesOf(request?.body ?? new Uint8Array()).flatMap((line) => line.new?.security?.email ?? []);
    expect(await status()).toMatchObject({ numEntriesSent: 0, numEntriesRefused: 0, numBytesSent: 0 });
    isBusy = false;
    await endPause();
    await happen("busy-third");
    await ringUntil(async () => expect((await status()).lastError).toBe(""));
    const arrived = ["first", "second", "third"].map((name) => `busy-${name}@example.com`);
    await ringUntil(() => expect(new Set(sent.slice(1).flatMap(emailsOf))).toEqual(new Set(arrived)));
  });

  it("reads no endless reply, and says so", async () => {
    let isCancelled = false;
    outside(
      () =>
        new Response(
          new ReadableStream({
            pull: (controller) => controller.enqueue(new Uint8Array(256 << 10)),
            cancel: () => {
              isCancelled = true;
            },
          }),
        ),
    );
    await set({ destinationType: "elastic", url: "https://es.example.com/logs" });
    await happen("endless");
    await ringUntil(async () => expect((await status()).lastError).toContain("answer is too long"));
    expect(isCancelled).toBe(true);
    expect((await status()).numEntriesSent).toBeGreaterThan(0);
  });
});
