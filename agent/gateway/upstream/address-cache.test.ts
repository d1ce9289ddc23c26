import type { LookupAddress } from "node:dns";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { cachedLookup } from "./address-cache.ts";

const BOTH: LookupAddress[] = [
  { address: "192.0.2.1", family: 4 },
  { address: "2001:db8::1", family: 6 },
];

function fixture() {
  const world = { now: 0, asked: 0, isDown: false };
  const lookup = cachedLookup(
    async () => {
      world.asked += 1;
      if (world.isDown) throw Object.assign(new Error("down"), { code: "EAI_AGAIN" });
      return BOTH;
    },
    () => world.now,
  );
  const all = () => promisify(lookup)("worker.example", { all: true });
  return { world, lookup, all };
}

describe("cachedLookup", () => {
  it("asks once for a crowd and again when the answer is old", async () => {
    const { world, all } = fixture();
    expect(await Promise.all([all(), all(), all()])).toEqual([BOTH, BOTH, BOTH]);
    world.now = 29_999;
    await all();
    expect(world.asked).toBe(1);
    world.now = 30_000;
    await all();
    expect(world.asked).toBe(2);
  });

  it("uses an old answer while the resolver is down, but not for ever", async () => {
    const { world, all } = fixture();
    await all();
    world.isDown = true;
    world.now = 3_599_999;
    expect(await all()).toEqual(BOTH);
    world.now = 3_600_000;
    await expect(all()).rejects.toThrow("down");
  });

  it("answers callers that want one address, of one family", async () => {
    const { lookup } = fixture();
    const one = (family: number) =>
      new Promise((resolve, reject) => {
        lookup("worker.example", { family }, (error, address, of) => (error ? reject(error) : resolve([address, of])));
      });
    expect([await one(0), await one(6)]).toEqual([
      ["192.0.2.1", 4],
      ["2001:db8::1", 6],
    ]);
  });
});
