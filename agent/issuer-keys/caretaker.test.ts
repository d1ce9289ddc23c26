import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createLog } from "../log.ts";
import { Caretaker } from "./caretaker.ts";
import type { Round } from "./keeper.ts";

const INTERVAL_MS = 60_000;
const round = (outcome: Round["outcome"], expiresAt = 3_600_000): Round => ({
  ...{ issuer: "https://issuer.example", keyIds: ["one"], outcome, expiresAt },
});

let results: (Round | Error)[];
let pauses: number[];
let lines: Record<string, unknown>[];
let changes: Round[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: 0 });
  [results, pauses, lines, changes] = [[], [], [], []];
});

afterEach(() => {
  vi.useRealTimers();
});

/** Goes on for so many rounds; time passes while the caretaker waits, and not otherwise. */
async function run(rounds: number): Promise<Caretaker> {
  const keeper = {
    round: async () => {
      const result = results.length > 1 ? results.shift() : results[0];
      if (result instanceof Error) throw result;
      return await Promise.resolve(result as Round);
    },
  };
  const abort = new AbortController();
  const log = createLog("json", (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  const caretaker = new Caretaker(keeper, log, (each) => changes.push(each));
  await caretaker.run(INTERVAL_MS, abort.signal, (ms) => {
    pauses.push(ms);
    vi.setSystemTime(Date.now() + ms);
    if (pauses.length === rounds) abort.abort();
    return Promise.resolve();
  });
  return caretaker;
}

it("looks once in an interval at the latest, and tells of what it changed alone", async () => {
  results = [round("set"), round("unchanged"), round("confirmed", 7_200_000), round("unchanged")];
  await run(20);
  for (const pause of pauses) {
    expect(pause).toBeGreaterThanOrEqual(0.8 * INTERVAL_MS);
    expect(pause).toBeLessThanOrEqual(INTERVAL_MS);
  }
  expect(changes.map(({ outcome }) => outcome)).toEqual(["set", "confirmed"]);
  expect(lines.map(({ level, message }) => [level, message])).toEqual([
    ["info", "keys set"],
    ["info", "keys confirmed"],
  ]);
  expect(lines[1]).toMatchObject({
    issuer: "https://issuer.example",
    keyIds: "one",
    expires: "1970-01-01T02:00:00.000Z",
  });
});

it("tries again soon after a failure, then ever later, and says when the server has let the keys expire", async () => {
  results = [round("set", 100_000), new Error("the issuer is away")];
  const caretaker = await run(7);
  const [, ...afterFailures] = pauses;
  for (const [i, bound] of [5_000, 10_000, 20_000, 40_000, INTERVAL_MS, INTERVAL_MS].entries()) {
    expect(afterFailures[i]).toBeGreaterThanOrEqual(0.8 * bound);
    expect(afterFailures[i]).toBeLessThanOrEqual(bound);
  }
  expect(lines[1]).toMatchObject({
    ...{ level: "warn", message: "keys were not looked after", reason: "the issuer is away" },
    ...{ failures: 1, expires: "1970-01-01T00:01:40.000Z" },
  });
  expect(lines.at(-1)).toMatchObject({ level: "error", message: "the server has let the keys expire" });
  const metrics = await caretaker.registry.metrics();
  expect(metrics).toContain('flarescale_issuer_keys_rounds_total{outcome="set"} 1');
  expect(metrics).toContain('flarescale_issuer_keys_rounds_total{outcome="failed"} 6');
  expect(metrics).toContain('flarescale_issuer_keys_expire_timestamp_seconds{issuer="https://issuer.example"} 100');
  expect(caretaker.expiresAt).toBe(100_000);
});

it("ends with the signal, in the middle of a pause", async () => {
  const abort = new AbortController();
  const log = createLog("json", () => {});
  const keeper = { round: async () => await Promise.resolve(round("unchanged")) };
  const running = new Caretaker(keeper, log, () => {}).run(INTERVAL_MS, abort.signal);
  setImmediate(() => abort.abort());
  await running;
});
