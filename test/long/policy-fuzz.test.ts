// A million hostile policy files through the formatter, the parser, the engine and the policy's own tests: none crashes,
// none takes longer than a second, and every refusal names a place inside the file. Three kinds take turns: files of the
// hosted service's captures and of our own that were mutilated, files of the right shape with anything in them, and code
// units in no order.
//
// FLARESCALE_FUZZ_INPUTS changes the number, FLARESCALE_FUZZ_SEED repeats an earlier run.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  hostileStructure,
  hostileText,
  hostileUnits,
  seededNumbers,
} from "../../worker/policy/testing/hostile-text.ts";
import { takeHostileText } from "../../worker/policy/testing/take-hostile-text.ts";

const inputs = Number(process.env.FLARESCALE_FUZZ_INPUTS ?? 1_000_000);
const seed = Number(process.env.FLARESCALE_FUZZ_SEED ?? Date.now() % 1_000_000_000);
/** A busy machine may hold a process back for so long; the same input is then tried again. */
const SLOW_MS = 1_000;

function capturedFiles(): string[] {
  const folder = join(import.meta.dirname, "../golden/policy");
  return globSync("*/*.json", { cwd: folder }).map((name) => {
    const { policy } = JSON.parse(readFileSync(join(folder, name), "utf8")) as { policy: unknown };
    return JSON.stringify(policy);
  });
}

it("answers a million hostile policy files", () => {
  const next = seededNumbers(seed);
  const captured = capturedFiles();
  expect(captured.length).toBeGreaterThan(400);
  const kinds = [
    () => hostileText(next, captured),
    () => hostileStructure(next),
    () => hostileText(next),
    () => hostileUnits(next),
  ];
  const since = performance.now();
  let taken = 0;
  let slowestMs = 0;
  for (let i = 0; i < inputs; i++) {
    const text = (kinds[i % kinds.length] as () => string)();
    const { isPolicy, ms } = timed(text, i);
    if (isPolicy) taken++;
    const sure = ms < SLOW_MS ? ms : Math.min(ms, timed(text, i).ms);
    slowestMs = Math.max(slowestMs, sure);
    if (sure >= SLOW_MS) throw new Error(`seed ${seed}, input ${i}: ${sure} ms: ${JSON.stringify(text)}`);
  }
  const seconds = ((performance.now() - since) / 1_000).toFixed(0);
  const perSecond = Math.round((inputs / (performance.now() - since)) * 1_000);
  console.log(
    `seed ${seed}: ${inputs} inputs in ${seconds} s (${perSecond}/s), ${taken} policies, slowest ${slowestMs.toFixed(0)} ms`,
  );
  expect(taken).toBeGreaterThan(inputs / 100);
});

function timed(text: string, i: number): { readonly isPolicy: boolean; readonly ms: number } {
  const since = performance.now();
  try {
    return { isPolicy: takeHostileText(text), ms: performance.now() - since };
  } catch (error) {
    throw new Error(`seed ${seed}, input ${i}: ${JSON.stringify(text)}`, { cause: error });
  }
}
