// A million mutilated policy files through the parser, the engine and the policy's own tests: none crashes, none takes
// longer than a second, and every refusal names a place inside the file.
//
// FLARESCALE_FUZZ_INPUTS changes the number, FLARESCALE_FUZZ_SEED repeats an earlier run.
import { expect, it } from "vitest";
import { hostileText, seededNumbers } from "../../worker/policy/testing/hostile-text.ts";
import { takeHostileText } from "../../worker/policy/testing/take-hostile-text.ts";

const inputs = Number(process.env.FLARESCALE_FUZZ_INPUTS ?? 1_000_000);
const seed = Number(process.env.FLARESCALE_FUZZ_SEED ?? Date.now() % 1_000_000_000);

it("answers a million hostile policy files", () => {
  const next = seededNumbers(seed);
  let slowestMs = 0;
  let slowest = "";
  for (let i = 0; i < inputs; i++) {
    const text = hostileText(next);
    const since = performance.now();
    try {
      takeHostileText(text);
    } catch (error) {
      throw new Error(`seed ${seed}, input ${i}: ${JSON.stringify(text)}`, { cause: error });
    }
    const ms = performance.now() - since;
    if (ms > slowestMs) [slowestMs, slowest] = [ms, text];
  }
  expect(slowestMs, `seed ${seed}: ${JSON.stringify(slowest)}`).toBeLessThan(1_000);
});
