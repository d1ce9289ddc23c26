import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type StandInOptions, startStandIn } from "../../testing/stand-in-worker.ts";
import { startTestGateway } from "../../testing/test-gateway.ts";

// Sockets count their silence in timers of Node's own, which no fake clock reaches; so the real 30 s and 10 min are made
// shorter. Which of the two applied is told by times so far apart that no busy machine confuses them; each test sets
// the one that it waits for.
const limit = vi.hoisted(() => ({ exchange: 0, stream: 0 }));
vi.mock(import("../limits.ts"), async (original) => {
  const limits = await original();
  return {
    ...limits,
    get HTTP_IDLE_MS() {
      return limit.exchange as never;
    },
    get HTTP_STREAM_IDLE_MS() {
      return limit.stream as never;
    },
  };
});
const SHORT_MS = 300;
/** Longer than any test may take. */
const NEVER_MS = 300_000;

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
  beforeEach(() => {
    Object.assign(limit, { exchange: SHORT_MS, stream: NEVER_MS });
  });

  it("is answered with 502 when the Worker says nothing for 30 s", async () => {
    const url = await setUp(() => {});
    const startedAt = performance.now();
    const response = await fetch(url);
    expect(response.status).toBe(502);
    expect(await response.json()).toEqual({ message: "the control server cannot be reached" });
    expect(performance.now() - startedAt).toBeGreaterThan(SHORT_MS * 0.9);
  });

  it("cuts a response of known length after 30 s", async () => {
    limit.exchange = 5 * SHORT_MS; // the head comes within it
    const url = await setUp((_, response) => {
      response.writeHead(200, { "Content-Length": 10 });
      response.write("begin");
    });
    const { text, isWhole, ms } = await readUntilCut(url);
    expect([text, isWhole]).toEqual(["begin", false]);
    expect(ms).toBeGreaterThan(5 * SHORT_MS * 0.9);
  });

  it("cuts a response without a length after 10 min, and not before", async () => {
    Object.assign(limit, { exchange: 10 * SHORT_MS, stream: 15 * SHORT_MS });
    const url = await setUp((_, response) => response.write("begin"));
    const { text, isWhole, ms } = await readUntilCut(url);
    expect([text, isWhole]).toEqual(["begin", false]);
    expect(ms).toBeGreaterThan(15 * SHORT_MS * 0.9);
  });

  it("does not count while either kind of response goes on", async () => {
    Object.assign(limit, { exchange: 4_000, stream: 4_000 });
    const answers = [{}, { "Content-Length": 12 }].map(async (length) => {
      const url = await setUp((_, response) => {
        response.writeHead(200, length);
        void (async () => {
          for (let i = 0; i < 12; i++) {
            response.write("x");
            await sleep(400);
          }
          response.end();
        })();
      });
      return await readUntilCut(url);
    });
    for (const { text, isWhole, ms } of await Promise.all(answers)) {
      expect([text, isWhole]).toEqual(["xxxxxxxxxxxx", true]);
      expect(ms).toBeGreaterThan(4_000);
    }
  });
});
