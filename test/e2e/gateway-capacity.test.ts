// One gateway process at its limits: as many bridges as it allows, or as the machine gives it descriptors for (one for
// each, and one for each trunk), and one more than that. Node raises its soft limit of descriptors to the hard one by itself.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { BRIDGES_MAX } from "../../agent/gateway/limits.ts";
import { connectRaw, controlRequest, type RawClient } from "../../agent/testing/raw-client.ts";
import { TRUNK_MAX_CHANNELS } from "../../worker/protocol/trunk/frame.ts";
import { Child } from "./support/child.ts";
import { type Gateway, startGateway } from "./support/gateway.ts";
import { freeLoopbackPort } from "./support/local-http.ts";

const BRIDGES = 'bridges{kind="control"}';
/** Descriptors of a gateway that are not bridges: its listeners, standard streams, what Node opens, what waits. */
const OTHER_DESCRIPTORS = 100;
/** How many clients act at once. */
const BATCH = 50;

let worker: Child;
let upstream: string;
let close: (() => Promise<void>) | undefined;

beforeAll(async () => {
  let port = "";
  worker = new Child({
    name: "echo-worker",
    command: [process.execPath, resolve(import.meta.dirname, "support/echo-worker.ts")],
    onLine: (line) => {
      port = line;
    },
  });
  await worker.until("listens", () => port !== "");
  upstream = `http://127.0.0.1:${port}`;
});

afterEach(async () => {
  await close?.();
});

afterAll(async () => {
  await worker?.kill();
});

/** A gateway and the clients that a test connects to it. */
async function openGateway(descriptors?: number) {
  const httpPort = await freeLoopbackPort();
  const args = ["--dials-per-second=10000", "--drain-seconds=0"];
  const gateway = await startGateway({ upstream, listen: "127.0.0.1", httpPort, httpsPort: "off", args, descriptors });
  const clients: RawClient[] = [];
  close = async () => {
    for (const { socket } of clients) socket.destroy();
    await gateway.kill();
  };
  return {
    gateway,
    clients,
    /** Connects and asks for a bridge; the answer's status, 0 when the connection ended without one. */
    ask: async (): Promise<number> => {
      const client = await connectRaw(httpPort);
      clients.push(client);
      client.send(controlRequest());
      return Number(/^HTTP\/1.1 (\d+)/.exec(await client.head())?.[1] ?? 0);
    },
  };
}

/** Whether bytes come back as they went. */
async function echoes(client: RawClient): Promise<boolean> {
  const bytes = randomBytes(2_000);
  client.send(bytes);
  return bytes.equals(await client.bytes(bytes.length));
}

function hardLimit(): number {
  const [, hard] = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  return Number(hard ?? Number.POSITIVE_INFINITY);
}

function residentKB({ child }: Gateway): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]);
}

it("opens as many bridges as it may, carries bytes on all, and is left with none when their clients go", async () => {
  const wanted = Math.min(BRIDGES_MAX, Math.floor((hardLimit() - OTHER_DESCRIPTORS) / (1 + 1 / TRUNK_MAX_CHANNELS)));
  const { gateway, clients, ask } = await openGateway();
  const before = residentKB(gateway);
  const startedAt = performance.now();
  for (let left = wanted; left > 0; left -= BATCH) {
    const statuses = await Promise.all(Array.from({ length: Math.min(BATCH, left) }, ask));
    expect(statuses).toEqual(statuses.map(() => 101));
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  expect(await gateway.metric(BRIDGES)).toBe(wanted);
  expect(await gateway.metric("trunks")).toBeLessThan(wanted / TRUNK_MAX_CHANNELS + BATCH);
  const idleKB = (residentKB(gateway) - before) / wanted;

  for (let at = 0; at < wanted; at += BATCH) {
    const results = await Promise.all(clients.slice(at, at + BATCH).map(echoes));
    expect(results).toEqual(results.map(() => true));
  }
  const usedKB = (residentKB(gateway) - before) / wanted;
  console.log(
    `gateway: ${wanted} bridges in ${seconds.toFixed(1)} s, each ${idleKB.toFixed(1)} KB idle,`,
    `${usedKB.toFixed(1)} KB after 2,000 bytes there and back; ${before} KB before the first`,
  );
  expect(usedKB).toBeLessThan(64);

  if (wanted === BRIDGES_MAX) expect(await ask()).toBe(503);
  for (const { socket } of clients) socket.destroy();
  await gateway.child.until("all bridges have ended", async () => (await gateway.metric(BRIDGES)) === 0);
  expect(await ask()).toBe(101);
});

it("outlives a want of descriptors: the bridges that stand go on, and there is room again when some end", async () => {
  const { gateway, clients, ask } = await openGateway(120);
  const statuses: number[] = [];
  while (statuses.length < 120) statuses.push(await ask());
  const standing = clients.filter((_, at) => statuses[at] === 101);
  expect(standing.length).toBeGreaterThan(40);
  expect(standing.length).toBeLessThan(115);
  expect(await Promise.all(standing.map(echoes))).toEqual(standing.map(() => true));

  for (const { socket } of standing.slice(0, 10)) socket.destroy();
  await gateway.child.until("there is room", async () => (await ask()) === 101);
  expect(await echoes(clients.at(-1) as RawClient)).toBe(true);
});
