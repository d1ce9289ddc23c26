import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type StandInOptions, startStandIn } from "../../testing/stand-in-worker.ts";
import { startTestGateway } from "../../testing/test-gateway.ts";

// Sockets count their silence in timers of Node's own, which no fake clock reaches; so the real 30 s and 10 min are made
// a hundredth and a thousandth of what they are.
vi.mock(import("../limits.ts"), async (original) => {
  const limits = await original();
  return {
    ...limits,
    HTTP_IDLE_MS: (limits.HTTP_IDLE_MS / 100) as never,
    HTTP_STREAM_IDLE_MS: (limits.HTTP_STREAM_IDLE_MS / 1_000) as never,
  };
});
const EXCHANGE_MS = 300;
const STREAM_MS = 600;

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function setUp(onRequest: StandInOptions["onRequest"]): Promise<string> {
  const worker = await startStandIn(onRequest ? { onRequest } : {});
  cleanUps.push(() => worker.close());
  const gateway = await startTestGateway(worker.url);
  cleanUps.push(() => gateway.gateway.drain(0));
  return `http://127.0.0.1:${gateway.httpPort}/stream`;
}

/** What came of a body until it broke off, and when that was. */
async function readUntilCut(url: string): Promise<{ text: string; isWhole: boolean; ms: number }> {
  const startedAt = performance.now();
  const response = await fetch(url);
  let text = "";
  let isWhole = true;
  try {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  } catch {
    isWhole = false;
  }
  return { text, isWhole, ms: performance.now() - startedAt };
}

describe("silence of a plain exchange", () => {
  it("is answered with 502 when the Worker says nothing for 30 s", async () => {
    const url = await setUp(() => {});
    const startedAt = performance.now();
    const response = await fetch(url);
    expect(response.status).toBe(502);
    expect(await response.json()).toEqual({ message: "the control server cannot be reached" });
    const ms = performance.now() - startedAt;
    expect(ms).toBeGreaterThan(EXCHANGE_MS * 0.9);
    expect(ms).toBeLessThan(STREAM_MS);
  });

  it("cuts a response of known length after 30 s", async () => {
    const url = await setUp((_, response) => {
      response.writeHead(200, { "Content-Length": 10 });
      response.write("begin");
    });
    const { text, isWhole, ms } = await readUntilCut(url);
    expect([text, isWhole]).toEqual(["begin", false]);
    expect(ms).toBeGreaterThan(EXCHANGE_MS * 0.9);
    expect(ms).toBeLessThan(STREAM_MS);
  });

  it("cuts a response without a length after 10 min, and not before", async () => {
    const url = await setUp((_, response) => response.write("begin"));
    const { text, isWhole, ms } = await readUntilCut(url);
    expect([text, isWhole]).toEqual(["begin", false]);
    expect(ms).toBeGreaterThan(STREAM_MS * 0.9);
  });

  it("does not count while either kind of response goes on", async () => {
    for (const length of [{}, { "Content-Length": 12 }]) {
      const url = await setUp((_, response) => {
        response.writeHead(200, length);
        void (async () => {
          for (let i = 0; i < 12; i++) {
            response.write("x");
            await sleep(EXCHANGE_MS / 4);
          }
          response.end();
        })();
      });
      const { text, isWhole, ms } = await readUntilCut(url);
      expect([text, isWhole]).toEqual(["xxxxxxxxxxxx", true]);
      expect(ms).toBeGreaterThan(STREAM_MS);
    }
  });
});
