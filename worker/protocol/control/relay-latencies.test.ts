import { describe, expect, it } from "vitest";
import { relayLatencies, withSteadyLatencies } from "./relay-latencies.ts";

const hostinfo = (DERPLatency: unknown, PreferredDERP = 1) => ({
  Hostname: "x",
  NetInfo: { PreferredDERP, DERPLatency },
});

describe("latencies to relay regions", () => {
  it("are in milliseconds, the better one of both families", () => {
    const reported = hostinfo({ "1-v4": 0.02, "1-v6": 0.01, "2-v6": 0.3, "901-v4": 0.001 });
    expect([...relayLatencies(reported)]).toEqual([
      [1, 10],
      [2, 300],
      [901, 1],
    ]);
  });

  it.each([
    undefined,
    null,
    "fast",
    [0.1],
    { "1-v4": "0.1", "2-v5": 0.1, "-v4": 0.1, "1.5-v4": 0.1, "99999999999-v4": 0.1, __proto__: 0.1 },
  ])("are none where %j is reported", (reported) => {
    expect([...relayLatencies(hostinfo(reported))]).toEqual([]);
    expect([...relayLatencies({})]).toEqual([]);
  });
});

describe("steady latencies", () => {
  const steadied = (old: object, now: object, home = 1) =>
    [...relayLatencies(withSteadyLatencies(hostinfo(old), hostinfo(now, home)))].map(([, ms]) => ms);

  it.each<[string, number, number, boolean]>([
    ["by less than 10 ms", 0.005, 0.014, true],
    ["by less than a third", 0.1, 0.149, true],
    ["by less than a third", 0.149, 0.1, true],
    ["by more", 0.1, 0.16, false],
    ["by more", 0.1, 0.06, false],
  ])("stay as they were when they differ %s: %f s, then %f s", (_, old, now, stays) => {
    expect(steadied({ "2-v4": old }, { "2-v4": now })).toEqual([(stays ? old : now) * 1_000]);
  });

  it("do not creep: many small steps count as the large one that they are", () => {
    let before = hostinfo({ "2-v4": 0.1 });
    for (let ms = 100; ms <= 200; ms += 5)
      before = withSteadyLatencies(before, hostinfo({ "2-v4": ms / 1_000 })) as never;
    expect(relayLatencies(before).get(2)).toBeGreaterThanOrEqual(150);
  });

  it("are kept of regions that a report does not name, until the home region is another one", () => {
    expect(steadied({ "1-v4": 0.01, "2-v4": 0.1 }, { "1-v4": 0.01 })).toEqual([10, 100]);
    expect(steadied({ "1-v4": 0.01, "2-v4": 0.1 }, { "1-v4": 0.012 }, 2)).toEqual([12]);
  });

  it("do not grow beyond what a node may say at once", () => {
    const many = (from: number) => Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`${from + i}-v4`, 0.1]));
    expect(steadied(many(1), many(1_000))).toHaveLength(400);
  });

  it("leave a Hostinfo without NetInfo alone", () => {
    const bare = { Hostname: "x" };
    expect(withSteadyLatencies(hostinfo({ "1-v4": 0.1 }), bare)).toBe(bare);
  });
});
